"""What `denoise` checks and reads before it starts."""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from .._check import fail, listing
from .._table import get_counts, load, logger
from ..core.autocorrelation import morans_i
from ..core.expression import principal_components
from ._denoise_methods import input_genes, row_blocks

if TYPE_CHECKING:
    from anndata import AnnData

N_COMPONENTS = 30
"""Components that are looked at for spatial order."""
P_VALUE = 0.01
"""Of all of them together (Bonferroni)."""


def read_counts(adata: "AnnData", layer: str | None, *, warn: bool = True) -> sp.csr_matrix:
    """Return the counts in memory, CSR, a new matrix; at least two cells and one count."""
    if adata.n_obs < 2:
        raise fail("at least two cells", f"a table of {adata.n_obs}")
    X = sp.csr_matrix(load(get_counts(adata, layer)), dtype=np.float32)
    X.eliminate_zeros()
    empty = int((np.diff(X.indptr) == 0).sum())
    if empty == adata.n_obs:
        raise fail("at least one cell with counts", "none", "Pass raw counts.")
    if empty and warn:
        logger.warning("%d cells have no counts; their expected counts are 0", empty)
    return X


def chosen_genes(adata: "AnnData", genes: Sequence[str] | None) -> np.ndarray:
    """Return indices of the genes to estimate, in the order of the table."""
    if genes is None:
        return np.arange(adata.n_vars)
    genes = [genes] if isinstance(genes, str) else list(genes)
    unknown = sorted(set(genes) - set(adata.var_names))
    if unknown or not genes:
        raise fail("genes out of adata.var_names", listing(unknown) if unknown else "no gene")
    return np.flatnonzero(adata.var_names.isin(list(genes)))


def check_room(n: int, n_columns: int) -> None:
    """Refuse a result of more than half of this machine's memory."""
    wanted = 4.0 * n * n_columns
    there = _memory()
    if there and wanted > there / 2:
        raise fail(
            f"a result of at most half of this machine's memory ({there / 2e9:.1f} GB)",
            f"{n:,} cells x {n_columns:,} columns of 4 bytes, {wanted / 1e9:.1f} GB",
            "Pass genes=[...] to estimate the genes that you want to look at; all of them are still learned from.",
        )


def has_spatial_order(X: sp.csr_matrix, W: sp.csr_matrix, library: np.ndarray | None, rng: np.random.Generator) -> bool:
    """Is any leading principal component of the counts more alike between neighbours than by chance?"""
    if W.nnz == 0 or X.shape[0] < 20:
        return False
    size = np.asarray(X.sum(axis=1), np.float64).ravel()
    P = principal_components(row_blocks(X[:, input_genes(X)]), size, N_COMPONENTS, rng=rng).scores.astype(np.float64)
    if library is not None:
        for code in np.unique(library):
            P[library == code] -= P[library == code].mean(axis=0)
    return bool(morans_i(P, W).pvalue.min() < P_VALUE / P.shape[1])


def _memory() -> float:
    """Bytes of this machine's memory; 0 where the system does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return 0.0
