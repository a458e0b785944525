"""What is known of reference cells, carried over to spots by a map."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._check import fail, listing
from ..core.imputation.pair import sizes

if TYPE_CHECKING:
    from anndata import AnnData

PER = 10_000.0
"""Molecules that projected genes are counts of."""


def check_attributes(reference: "AnnData", attributes: Sequence[str]) -> None:
    """Raise unless all are columns of obs, keys of obsm or genes."""
    unknown = [name for name in attributes if not _known(reference, name)]
    if unknown:
        raise fail(
            "attributes out of reference.obs, reference.obsm or reference.var_names",
            listing(unknown),
            f"obs has {listing(reference.obs.columns)}, obsm {listing(reference.obsm)}.",
        )
    for name in attributes:
        if name not in reference.obs and name in reference.obsm:
            _dimensions(reference.obsm[name], name)


def project(
    mixtures: sp.csr_matrix, reference: "AnnData", R: sp.csr_matrix, name: str, spots: pd.Index
) -> pd.DataFrame:
    """Carry an attribute over to spots.

    Parameters
    ----------
    mixtures
        What spots are made of ``[n, m]``.
    reference
        The m cells.
    R
        Their counts of all genes.
    name
        Column of obs, key of obsm or gene.
    spots
        Names of the spots.

    Returns
    -------
    A row for each spot. Shares of categories, means of numbers over cells that have one, or counts of a gene per
    10,000; NaN where no cell of the spot has a value.
    """
    if name in reference.obs:
        column = reference.obs[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            return _means(mixtures, column.to_numpy(np.float64)[:, None], spots, [name])
        return _shares(mixtures, column, spots)
    if name in reference.obsm:
        values, columns = _dimensions(reference.obsm[name], name)
        return _means(mixtures, values, spots, columns)
    gene = int(np.flatnonzero(reference.var_names == name)[0])
    share = R[:, [gene]].toarray() / np.maximum(sizes(R), 1)[:, None]
    return _means(mixtures, PER * share, spots, [name])


def _known(reference: "AnnData", name: str) -> bool:
    return name in reference.obs or name in reference.obsm or name in reference.var_names


def _shares(mixtures: sp.csr_matrix, column: pd.Series, spots: pd.Index) -> pd.DataFrame:
    codes, categories = pd.factorize(column.astype("str").where(column.notna()), sort=True)
    known = np.flatnonzero(codes >= 0)
    member = sp.csr_matrix((np.ones(len(known)), (known, codes[known])), shape=(len(codes), len(categories)))
    weight = (mixtures @ member).toarray()
    return pd.DataFrame(_divided(weight, weight.sum(axis=1, keepdims=True)), spots, categories)


def _means(mixtures: sp.csr_matrix, values: np.ndarray, spots: pd.Index, columns: Sequence[str]) -> pd.DataFrame:
    known = np.isfinite(values)
    total = mixtures @ np.where(known, values, 0)
    return pd.DataFrame(_divided(total, mixtures @ known.astype(np.float64)), spots, pd.Index(columns))


def _divided(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Ratio, NaN where nothing is known."""
    some = np.broadcast_to(below > 0, above.shape)
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=some)


def _dimensions(stored: Any, name: str) -> tuple[np.ndarray, list[str]]:
    """Values ``[m, d]`` of an entry of obsm, and names of the dimensions."""
    columns = [str(c) for c in stored.columns] if isinstance(stored, pd.DataFrame) else None
    try:
        values = np.asarray(stored.toarray() if sp.issparse(stored) else stored, np.float64)
    except (TypeError, ValueError):
        raise fail(f"numbers in reference.obsm[{name!r}]", "values that are none") from None
    if values.ndim != 2:
        raise fail(f"reference.obsm[{name!r}] of shape [cells, d]", f"shape {list(values.shape)}")
    return values, columns or [f"{name}_{j}" for j in range(values.shape[1])]
