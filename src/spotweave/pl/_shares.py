"""Shares of cell types as they are stored, with the colour that each type has in every picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from .. import _keys as keys
from .._check import fail, listing
from ..core.colors import palette as distinct
from ._colors import MISSING, Palette, given_colors, stored_colors

if TYPE_CHECKING:
    from anndata import AnnData

UNKNOWN_COLOR = "#8a8a8a"
OTHERS = "others"
MOST = 16
"""Types in colours of their own, more cannot be told apart; the least abundant are drawn together."""


class Shares(NamedTuple):
    """Composition of spots."""

    names: list[str]
    values: np.ndarray
    """``[n, t]``, NaN where a spot has none."""
    colors: list[str]


def shares_of(adata: "AnnData", key: str = keys.PROPORTIONS, palette: Palette | None = None) -> Shares:
    """Return the shares in ``obsm[key]``, in colours by `palette`, ``uns[f"{key}_colors"]`` or their order."""
    if key not in adata.obsm:
        raise fail(
            f"shares of cell types in adata.obsm[{key!r}]",
            f"obsm keys {listing(adata.obsm)}",
            "Run spotweave.tl.deconvolve(adata, reference, labels_key=...) first.",
        )
    stored = adata.obsm[key]
    table = stored if isinstance(stored, pd.DataFrame) else pd.DataFrame(np.asarray(stored))
    values, names = table.to_numpy(np.float64), [str(name) for name in table.columns]
    if values.ndim != 2 or not values.size or np.nanmin(values, initial=0.0) < 0:
        raise fail(f"shares of 0 or more in adata.obsm[{key!r}]", f"shape {list(values.shape)}, or negative values")
    return Shares(names, values, _colors(adata, key, names, by_mean(values), palette))


def some_types(shares: Shares, types: Sequence[str] | None, *, most: int, rest: bool) -> Shares:
    """Return `types` in their order, else the `most` abundant, the most abundant first; with `rest` all others as one."""
    if types is None:
        kept = list(by_mean(shares.values)[:most])
    else:
        unknown = [name for name in types if name not in shares.names]
        if unknown or not len(types):
            raise fail(f"`types` out of {listing(shares.names, most=30)}", listing(unknown))
        kept = [shares.names.index(name) for name in types]
    chosen = Shares([shares.names[j] for j in kept], shares.values[:, kept], [shares.colors[j] for j in kept])
    left = np.setdiff1d(np.arange(len(shares.names)), kept)
    if not (rest and left.size):
        return chosen
    others = shares.values[:, left].sum(axis=1, keepdims=True)
    return Shares([*chosen.names, OTHERS], np.hstack([chosen.values, others]), [*chosen.colors, MISSING])


def by_mean(values: np.ndarray) -> np.ndarray:
    """Order of types by mean share, the most abundant first; spots without shares count as 0."""
    return np.argsort(-np.nan_to_num(values).sum(axis=0), kind="stable")


def _colors(adata: "AnnData", key: str, names: list[str], order: np.ndarray, palette: Palette | None) -> list[str]:
    """Colours of all types; the most abundant ones get those that are easiest to tell apart."""
    if palette is not None:
        return given_colors(palette, names)
    stored = stored_colors(adata.uns.get(keys.colors(key)), len(names))
    if stored is not None:
        return stored
    known = [names[j] for j in order if names[j] != keys.UNKNOWN]
    found = dict(zip(known, distinct(len(known)), strict=True))
    return [found.get(name, UNKNOWN_COLOR) for name in names]
