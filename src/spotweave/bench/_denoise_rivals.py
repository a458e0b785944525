"""Training-free ways to expected counts, that a denoiser has to beat. Arrays in, a function of rows out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, svds

from ..core.feature_graph import feature_knn
from ..core.graph import knn

Predict = Callable[[slice], np.ndarray]
"""``rows -> [len(rows), g]``: expected counts at the depth of the counts that were given."""
N_COMPONENTS = 20  # of log-normalised counts, in which cells are compared


def raw(A: sp.csr_matrix, xy: np.ndarray, library: np.ndarray | None, rng: np.random.Generator) -> Predict:
    """Take the counts for their own expectation. They hold zeros: the score puts a floor under every method."""
    return lambda rows: A[rows].toarray()


def mean(A: sp.csr_matrix, xy: np.ndarray, library: np.ndarray | None, rng: np.random.Generator) -> Predict:
    r"""Depth alone: :math:`\mu_{ij} = s_i p_j` with cell depths s and gene shares p."""
    size, share = depths(A), shares(A)
    return lambda rows: np.outer(size[rows], share)


def spatial(
    A: sp.csr_matrix, xy: np.ndarray, library: np.ndarray | None, rng: np.random.Generator, *, n_neighs: int
) -> Predict:
    """Rates of a spot and its nearest ones on the slide, pooled."""
    return pooled(A, knn(xy, n_neighs=n_neighs, library=library).connectivities)


def alike(
    A: sp.csr_matrix, xy: np.ndarray, library: np.ndarray | None, rng: np.random.Generator, *, n_neighs: int
) -> Predict:
    """Rates of a cell and those most like it in 20 principal components of log-normalised counts, pooled."""
    return pooled(A, feature_knn(log_components(A, rng), n_neighs=n_neighs, metric="euclidean", rng=rng).connectivities)


def pca(
    A: sp.csr_matrix, xy: np.ndarray, library: np.ndarray | None, rng: np.random.Generator, *, n_components: int
) -> Predict:
    r"""Truncated singular value decomposition of Pearson residuals of depth alone, added back to it.

    .. math:: \mu_{ij} = s_i p_j + \sqrt{s_i p_j} \, \Big(\sum_{l \le k} \sigma_l u_l v_l^\top\Big)_{ij}

    the decomposition of :math:`(a_{ij} - s_i p_j) / \sqrt{s_i p_j}`, that is correspondence analysis (Greenacre 1984).
    Of the linear and the logarithmic, square-root and plain rates, with and without centring, it has the lowest
    held-out deviance: it is linear, hence without bias, and gives each count its Poisson weight. May be negative.
    """
    row, column = np.sqrt(depths(A)), np.sqrt(shares(A))
    R = _scaled(A, _inverse(row), _inverse(column))
    U, S, V = _svd(R, row, column, n_components, rng)
    scores, loadings = U * S * row[:, None], V * column
    return lambda rows: np.outer(row[rows] ** 2, column**2) + scores[rows] @ loadings


RIVALS: dict[str, Callable[..., Predict]] = {"raw": raw, "mean": mean, "spatial": spatial, "alike": alike, "pca": pca}


def pooled(A: sp.csr_matrix, W: sp.csr_matrix, *, size: np.ndarray | None = None, self_loops: bool = True) -> Predict:
    r""":math:`\mu_{ij} = s_i \sum_k a_{kj} / \sum_k s_k`, over the neighbours k of cell i in W and itself.

    `size` are the depths, where A holds some of the genes only.
    """
    M = sp.csr_matrix(W + sp.identity(A.shape[0], format="csr")) if self_loops else W
    size = depths(A) if size is None else size
    factor = size * _inverse(M @ size)
    return lambda rows: factor[rows, None] * (M[rows] @ A).toarray()


def log_components(A: sp.csr_matrix, rng: np.random.Generator, n_components: int = N_COMPONENTS) -> np.ndarray:
    """Principal components ``[n, d]`` of log-normalised counts (median depth), genes centred and not scaled."""
    size = depths(A)
    L = _scaled(A, np.median(size) * _inverse(size), np.ones(A.shape[1]))
    L.data = np.log1p(L.data)
    U, S, _ = _svd(L, np.ones(len(size)), np.asarray(L.mean(axis=0)).ravel(), n_components, rng)
    return U * S


def depths(A: sp.csr_matrix) -> np.ndarray:
    """Counts of each cell ``[n]``, float64."""
    return np.asarray(A.sum(axis=1), dtype=np.float64).ravel()


def shares(A: sp.csr_matrix) -> np.ndarray:
    """Share of each gene in all counts ``[g]``."""
    total = np.asarray(A.sum(axis=0), dtype=np.float64).ravel()
    return total / total.sum()


def _svd(X: sp.csr_matrix, row: np.ndarray, column: np.ndarray, k: int, rng: np.random.Generator) -> Any:
    """Leading k singular triplets of ``X - row column'``, which is never formed."""

    def times(v: np.ndarray) -> np.ndarray:
        return X @ v.ravel() - row * (column @ v.ravel())

    def transposed_times(u: np.ndarray) -> np.ndarray:
        return X.T @ u.ravel() - column * (row @ u.ravel())

    operator = LinearOperator(X.shape, matvec=times, rmatvec=transposed_times, dtype=np.float64)
    k = min(k, min(X.shape) - 1)
    return svds(operator, k=k, v0=rng.standard_normal(min(X.shape)))


def _scaled(A: sp.csr_matrix, row: np.ndarray, column: np.ndarray) -> sp.csr_matrix:
    data = A.data * np.repeat(row, np.diff(A.indptr)) * column[A.indices]
    return sp.csr_matrix((data, A.indices, A.indptr), shape=A.shape)


def _inverse(x: np.ndarray) -> np.ndarray:
    """``1 / x``, 0 where x is."""
    return np.divide(1.0, x, out=np.zeros(len(x)), where=x > 0)
