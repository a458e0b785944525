"""Moran's I and Geary's C of all genes, beside the test of `spatial_genes`."""

import numpy as np
import scipy.sparse as sp

from ..core.autocorrelation import autocorrelations
from ..core.libraries import library_blocks

BLOCK = 128
"""Genes that are dense at a time, where they have to be centred."""


def gene_autocorrelation(X: sp.csr_matrix, W: sp.csr_matrix, library: np.ndarray | None) -> dict[str, np.ndarray]:
    """Moran's I and Geary's C of log counts per median depth, with p values, of each gene ``[g]``.

    X : [n, g] counts.  W : [n, n].  library : [n]; genes are centred on the mean of each. Without an edge I is 0, C 1
    and both p are 1.
    """
    n, g = X.shape
    if W.nnz == 0:
        return dict(zip(_NAMES, (np.zeros(g), np.ones(g), np.ones(g), np.ones(g)), strict=True))
    depth = np.asarray(X.sum(axis=1), np.float64).ravel()
    factor = np.divide(np.median(depth[depth > 0]), depth, out=np.zeros(n), where=depth > 0)
    L = sp.csr_matrix((np.log1p(X.data * np.repeat(factor, np.diff(X.indptr))), X.indices, X.indptr), shape=X.shape)
    parts = library_blocks(n, library)
    if len(parts) == 1:
        return _named(L, W)
    columns = L.tocsc()
    blocks = [_named(_centred(columns[:, start : start + BLOCK].toarray(), parts), W) for start in range(0, g, BLOCK)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in _NAMES}


_NAMES = ("moran", "moran_pvalue", "geary", "geary_pvalue")


def _named(values: np.ndarray | sp.csr_matrix, W: sp.csr_matrix) -> dict[str, np.ndarray]:
    moran, geary = autocorrelations(values, W)
    return dict(zip(_NAMES, (moran.statistic, moran.pvalue, geary.statistic, geary.pvalue), strict=True))


def _centred(values: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    for rows in parts:
        values[rows] -= values[rows].mean(axis=0)
    return values
