"""The types of reference cells: read, checked, and evened out."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._check import fail, listing
from .._table import get_obs
from ..core.imputation.pair import sizes

if TYPE_CHECKING:
    from anndata import AnnData


def read_labels(reference: "AnnData", labels_key: str, min_cells: int) -> tuple[np.ndarray, list[str]]:
    """Return the type of each cell as a number ``[m]``, and the names of the types in sorted order."""
    column = get_obs(reference, labels_key, name="labels_key")
    n_missing = int(column.isna().sum())
    if n_missing:
        raise fail(
            f"a type for each cell in reference.obs[{labels_key!r}]",
            f"{n_missing} of {len(column)} cells without one",
            f"Leave them out: reference[reference.obs[{labels_key!r}].notna()]",
        )
    codes, names = pd.factorize(column.astype(str), sort=True)
    if len(names) < 2:
        raise fail(f"two or more types in reference.obs[{labels_key!r}]", f"one, {names[0]!r}")
    n_cells = np.bincount(codes)
    few = [f"{name} ({n})" for name, n in zip(names, n_cells, strict=True) if n < min_cells]
    if few:
        raise fail(
            f"at least {min_cells} cells of each type in reference.obs[{labels_key!r}]",
            listing(few),
            "Leave these cells out, join them to another type, or pass min_cells=1.",
        )
    return codes, [str(name) for name in names]


def sample_by_type(
    R: sp.csr_matrix, codes: np.ndarray, types: list[str], most: int, rng: np.random.Generator
) -> np.ndarray:
    """Rows of cells with counts, at most so many of each type, in increasing order."""
    filled = sizes(R) > 0
    kept = []
    for code, name in enumerate(types):
        rows = np.flatnonzero((codes == code) & filled)
        if not len(rows):
            raise fail("counts of shared genes in cells of every type", f"none in {name!r}")
        kept.append(rows if len(rows) <= most else rng.choice(rows, most, replace=False))
    return np.sort(np.concatenate(kept))
