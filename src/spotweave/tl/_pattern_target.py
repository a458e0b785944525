"""Read a pattern as a user gives it: weights, a region, categories, a profile over them, or the name of a gene."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from .._check import fail, listing
from .._table import get_obs

if TYPE_CHECKING:
    from anndata import AnnData

FEWEST_CELLS = 3
"""Cells that differ from the rest, below which a pattern is that of single cells."""


class Target(NamedTuple):
    """What genes are compared with: weights of cells, or a gene."""

    weights: np.ndarray | None
    """``[n]``; NaN for cells that are left out."""
    gene: int | None
    """Position of a gene whose pattern is meant."""


def read_target(adata: "AnnData", pattern: Any) -> Target:
    """Turn the argument `pattern` of `find_pattern` into weights, or into the position of a gene."""
    if isinstance(pattern, str):
        return _named(adata, pattern)
    if isinstance(pattern, Mapping) and len(pattern) == 1:
        pattern = next(iter(pattern.items()))
    if isinstance(pattern, Mapping):
        raise fail(
            "one column of adata.obs as `pattern`: {column: category}", f"{len(pattern)} keys {listing(pattern)}"
        )
    if isinstance(pattern, tuple) and len(pattern) == 2 and isinstance(pattern[0], str):
        weights = _of_categories(get_obs(adata, pattern[0], name="pattern"), pattern[1], f"adata.obs[{pattern[0]!r}]")
    else:
        weights = _as_weights(adata, pattern, "`pattern`")
    _check_varies(weights[~np.isnan(weights)], "`pattern`")
    return Target(weights, None)


def _named(adata: "AnnData", name: str) -> Target:
    """A gene, or a column of numbers."""
    genes = np.flatnonzero(adata.var_names == name)
    if name in adata.obs and len(genes):
        raise fail("`pattern` to name a gene or a column of obs", f"both are called {name!r}", "Pass adata.obs[...].")
    if len(genes) > 1:
        raise fail(f"one gene {name!r}", f"{len(genes)} in adata.var_names", "Run adata.var_names_make_unique().")
    if len(genes):
        return Target(None, int(genes[0]))
    if name not in adata.obs:
        raise fail(
            "`pattern` to name a gene or a column of numbers in adata.obs",
            f"{name!r}; columns are {listing(adata.obs.columns)}",
            "Genes go by adata.var_names.",
        )
    column = adata.obs[name]
    if not pd.api.types.is_numeric_dtype(column):
        raise fail(
            f"numbers or a mask in adata.obs[{name!r}]",
            f"labels {listing(pd.unique(column.dropna()))}",
            f"Pass {{{name!r}: category}}.",
        )
    weights = _as_weights(adata, column, f"adata.obs[{name!r}]")
    _check_varies(weights, f"adata.obs[{name!r}]")
    return Target(weights, None)


def _of_categories(column: pd.Series, wanted: Any, where: str) -> np.ndarray:
    """1 in the categories wanted, or their weights; NaN for cells without a label."""
    profile = wanted if isinstance(wanted, Mapping) else dict.fromkeys(_listed(wanted), 1.0)
    text = column.astype(object).where(column.notna(), None).map(str, na_action="ignore")
    found = set(text.dropna())
    missing = [str(key) for key in profile if str(key) not in found]
    if missing or not profile:
        named = f"category {listing(missing)}" if missing else "a category"
        raise fail(f"{named} in {where}", f"{listing(sorted(found))}")
    try:
        by_name = {str(key): float(weight) for key, weight in profile.items()}
    except (TypeError, ValueError):
        raise fail("a number as weight of each category", f"{dict(profile)!r}") from None
    if not np.isfinite(list(by_name.values())).all():
        raise fail("a finite weight of each category", f"{by_name}")
    weights = text.map(by_name).fillna(0.0).to_numpy(np.float64)
    return np.where(column.isna(), np.nan, weights)


def _listed(wanted: Any) -> list[Any]:
    return list(wanted) if isinstance(wanted, list | tuple | set | np.ndarray | pd.Index) else [wanted]


def _as_weights(adata: "AnnData", given: Any, where: str) -> np.ndarray:
    if isinstance(given, pd.Series):
        if not given.index.equals(adata.obs_names):
            raise fail(f"{where} in the order of adata.obs_names", "another index", "Reindex it, or pass an array.")
        given = given.to_numpy(np.float64, na_value=np.nan) if pd.api.types.is_numeric_dtype(given) else given
    try:
        weights = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise fail(f"numbers or a mask in {where}", f"{type(given).__name__} of other values") from None
    if weights.shape != (adata.n_obs,):
        raise fail(f"one weight for each of {adata.n_obs} cells in {where}", f"shape {list(weights.shape)}")
    bad = ~np.isfinite(weights)
    if bad.any():
        raise fail(
            f"finite weights in {where}", f"NaN or infinity in {bad.sum()} of {len(bad)} rows", "Drop or fill them."
        )
    return weights


def _check_varies(weights: np.ndarray, where: str) -> None:
    """Raise when all cells but one or two have the same weight."""
    values, counts = np.unique(weights, return_counts=True)
    if len(values) == 2 and counts.min() < FEWEST_CELLS:
        raise fail(f"a region of at least {FEWEST_CELLS} cells, and as many outside", f"{counts[1]} and {counts[0]}")
    if not len(values) or len(weights) - counts.max() < FEWEST_CELLS:
        found = f"the same weight {values[0]:g} on all" if len(values) == 1 else "other weights on fewer"
        raise fail(f"a pattern in {where} that differs on at least {FEWEST_CELLS} cells from the rest", found)
