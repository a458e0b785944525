"""The dispersion of each gene that all methods are judged with: from the whole counts, by none of the methods."""

import numpy as np
import scipy.sparse as sp

from .._table import row_chunks
from ..core.feature_graph import feature_knn
from ._denoise_rivals import depths, log_components, pooled

N_NEIGHS = 16  # cells alike in expression, in two groups of eight
N_FOLDS = 3  # of genes
CHUNK = 2_000_000  # entries held at once, 16 MB


def neutral_dispersion(X: sp.csr_matrix) -> np.ndarray:
    r"""Estimate dispersions by moments around the means of cells alike.

    .. math:: \alpha_j = \max\left(0,
              \frac{\sum_i (x_{ij} - m_{ij}) (x_{ij} - m'_{ij}) - x_{ij}}{\sum_i m_{ij} m'_{ij}}\right)

    where m and m' pool two disjoint groups of eight cells each, out of the 16 most like cell i (which is in neither).
    Errors of m and m' are independent, so that their products vanish in the mean; the square of one would not. Which
    cells are alike is decided by the genes of the two other thirds: by its own counts, a gene would find cells that
    share its noise.

    Parameters
    ----------
    X
        Whole counts ``[n, g]``.

    Returns
    -------
    :math:`\alpha` ``[g]``, variance :math:`\mu + \alpha \mu^2`; what cells alike do not explain counts as dispersion,
    for every method.
    """
    rng = np.random.default_rng(0)
    fold = rng.permutation(X.shape[1]) % N_FOLDS
    excess, square = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for own in (np.flatnonzero(fold == k) for k in range(N_FOLDS)):
        others = sp.csr_matrix(X[:, np.setdiff1d(np.arange(X.shape[1]), own)])
        graph = feature_knn(log_components(others, rng), n_neighs=N_NEIGHS, metric="euclidean", rng=rng)
        excess[own], square[own] = _moments(sp.csr_matrix(X[:, own]), depths(X), graph.connectivities)
    return np.maximum(np.divide(excess, square, out=np.zeros(len(square)), where=square > 0), 0.0)


def _moments(X: sp.csr_matrix, size: np.ndarray, W: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Numerator and denominator for some genes, whose cells have these depths."""
    first, second = (pooled(X, half, size=size, self_loops=False) for half in _halves(W))
    excess, square = np.zeros(X.shape[1]), np.zeros(X.shape[1])
    for rows, block in row_chunks(X, max(1, CHUNK // X.shape[1])):
        x, m, other = block.toarray().astype(np.float64), first(rows), second(rows)
        excess += ((x - m) * (x - other) - x).sum(axis=0)
        square += (m * other).sum(axis=0)
    return excess, square


def _halves(W: sp.csr_matrix) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """Every other edge of each row."""
    place = np.arange(W.nnz) - np.repeat(W.indptr[:-1], np.diff(W.indptr))
    rows = np.repeat(np.arange(W.shape[0]), np.diff(W.indptr))
    halves = []
    for half in (place % 2 == 0, place % 2 == 1):
        halves.append(sp.csr_matrix((W.data[half], (rows[half], W.indices[half])), shape=W.shape))
    return halves[0], halves[1]
