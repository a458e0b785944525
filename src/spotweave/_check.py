"""Validators. A message says what was expected, what was found and what to do."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp


class InputError(ValueError):
    """The caller's data or arguments do not fit; the message says how to mend them."""


def fail(expected: str, found: str, remedy: str = "") -> InputError:
    """Build the error in its one form: ``Expected ...; found .... <remedy>``."""
    return InputError(f"Expected {expected}; found {found}.{' ' + remedy if remedy else ''}")


def listing(names: Iterable[Any], *, most: int = 8) -> str:
    """Name at most `most` things: ``['a', 'b'] and 3 more``."""
    names = [str(n) for n in names]
    rest = len(names) - most
    return f"{names[:most]}" + (f" and {rest} more" if rest > 0 else "")


def check_choice(value: Any, choices: Sequence[Any], name: str) -> None:
    """Raise unless `value` is one of `choices`."""
    if value not in choices:
        raise fail(f"`{name}` out of {list(choices)}", repr(value))


def check_range(
    value: float, name: str, *, low: float = -np.inf, high: float = np.inf, integer: bool = False, why: str = ""
) -> None:
    """Raise unless ``low <= value <= high`` (and `value` is whole, when asked)."""
    kind = (int, np.integer) if integer else (int, float, np.integer, np.floating)
    wanted = f"`{name}` to be {'a whole number' if integer else 'a number'} from {low:g} to {high:g}"
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        raise fail(wanted + (f" ({why})" if why else ""), repr(value))


def values_of(X: Any) -> np.ndarray:
    """Stored values of a sparse or dense matrix, without a copy."""
    return X.data if sp.issparse(X) else np.asarray(X).ravel()


def check_counts(X: Any, where: str) -> None:
    """Raise unless every stored value is a finite, non-negative whole number.

    One pass over the stored values in blocks, so that a large matrix is never copied.
    """
    values = values_of(X)
    remedy = "Pass the raw counts: layer='counts', or set adata.layers['counts']."
    if values.dtype.kind not in "fiub":
        raise fail(f"counts (numbers) in {where}", f"values of type {values.dtype}", remedy)
    if values.dtype.kind in "ub":
        return
    for start in range(0, values.size, 1_000_000):
        block = values[start : start + 1_000_000]
        if values.dtype.kind == "f":
            if not np.isfinite(block).all():
                raise fail(f"finite counts in {where}", "NaN or infinite values", remedy)
            odd = block[block != np.rint(block)]
            if odd.size:
                raise fail(f"whole-number counts in {where}", f"{odd[0]:g} (normalised or log-transformed?)", remedy)
        if block.size and block.min() < 0:
            raise fail(f"non-negative counts in {where}", f"{block.min():g}", remedy)


def check_coords(xy: Any, where: str) -> np.ndarray:
    """Return coordinates as float64 ``[n, d]``, raise unless they are finite and two- or three-dimensional."""
    try:
        xy = np.asarray(xy, dtype=np.float64)
    except (TypeError, ValueError):
        raise fail(f"numeric coordinates in {where}", f"type {getattr(xy, 'dtype', type(xy).__name__)}") from None
    if xy.ndim != 2 or xy.shape[1] not in {2, 3}:
        raise fail(f"coordinates of shape [n, 2] or [n, 3] in {where}", f"shape {list(xy.shape)}")
    bad = ~np.isfinite(xy).all(axis=1)
    if bad.any():
        raise fail(
            f"finite coordinates in {where}",
            f"NaN or infinity in {bad.sum()} of {len(xy)} rows (first: row {np.flatnonzero(bad)[0]})",
            "Drop these rows before the call.",
        )
    return xy
