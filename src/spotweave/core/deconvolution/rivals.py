"""Deconvolution without a model of the technology: least squares, and Poisson regression."""

import numpy as np
import scipy.sparse as sp

from ..poisson_em import weight_steps
from .nonnegative import solve
from .reference import summarise


def nnls(X: sp.csr_matrix, R: sp.csr_matrix, labels: np.ndarray, n_types: int) -> np.ndarray:
    r"""Least squares of a spot's counts on mean shares of the types: :math:`\min_{w \ge 0} |x_i - w S|^2`.

    Parameters
    ----------
    X
        Counts of spots ``[n, g]``.
    R
        Counts of reference cells ``[m, g]``, the same genes.
    labels
        Type of each cell ``[m]``.
    n_types
        Number of types t.

    Returns
    -------
    Counts of each type in each spot ``[n, t]``.
    """
    S = _shares(R, labels, n_types)
    scale = np.maximum(np.linalg.norm(S, axis=1), 1e-30)  # unit vectors: descent along them converges sooner
    U = S / scale[:, None]
    b = np.asarray(X @ U.T, np.float64)
    return solve(U @ U.T, b, np.maximum(b, 0.0) / n_types, n_sweeps=2_000, tolerance=1e-7) / scale


def poisson(X: sp.csr_matrix, R: sp.csr_matrix, labels: np.ndarray, n_types: int, *, n_steps: int = 300) -> np.ndarray:
    """Poisson regression of a spot's counts on mean shares of the types, by EM; as `nnls`."""
    S = _shares(R, labels, n_types).astype(np.float32)
    size = np.asarray(X.sum(axis=1), np.float64).ravel()
    start = np.full((X.shape[0], n_types), 1 / n_types, np.float32)
    return weight_steps(X, size, start, S, n_steps) * size[:, None]


def _shares(R: sp.csr_matrix, labels: np.ndarray, n_types: int) -> np.ndarray:
    counts = summarise(R, labels, n_types).counts
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
