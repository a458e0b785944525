"""Steps of EM for low-rank Poisson models, over row chunks: nothing dense but one chunk."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

CHUNK = 2**24
"""Entries of the dense product that is held at a time."""
TINY = 1e-30
"""Rates below it count as this one, weights and profiles below it as 0: float32 slows down there."""


def em_step(
    X: sp.csr_matrix, size: np.ndarray, W: np.ndarray, H: np.ndarray, pseudo: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Make one update of both factors.

    Parameters
    ----------
    X
        Counts ``[n, g]``, float32.
    size
        Offset ``[n]``, float64.
    W
        Weights ``[n, k]``, float32.
    H
        Profiles ``[k, g]``, float32.
    pseudo
        Counts that each profile gets besides ``[g]``.

    Returns
    -------
    Weights and profiles after the update, and the sum of count times log rate before it.
    """
    W_next, gain, log_rates = np.empty_like(W), np.zeros(H.shape[::-1]), 0.0
    columns = np.ascontiguousarray(H.T)  # [g, k]
    for rows in row_chunks(*X.shape):
        R, value = _ratios(X[rows], W[rows], H)
        W_next[rows] = _weighted(W[rows], R, columns, size[rows])
        gain += R.T @ W[rows]
        log_rates += value
    return W_next, rows_to_one(H * gain.T + pseudo), log_rates


def weight_steps(X: sp.csr_matrix, size: np.ndarray, W: np.ndarray, H: np.ndarray, n_steps: int) -> np.ndarray:
    """Weights ``[n, k]`` after updates that leave the profiles `H` alone; for `X` and `size` see `em_step`."""
    W, columns = W.copy(), np.ascontiguousarray(H.T)
    for rows in row_chunks(*X.shape):
        block = X[rows]
        for _ in range(n_steps):
            W[rows] = _weighted(W[rows], _ratios(block, W[rows], H)[0], columns, size[rows])
    return W


def row_chunks(n: int, g: int) -> Iterator[slice]:
    """Slices over n rows, of `CHUNK` entries with g columns."""
    step = max(CHUNK // g, 1)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def at_stored(M: np.ndarray, X: sp.csr_matrix) -> np.ndarray:
    """Values of a dense matrix where a sparse one of its shape has entries [nnz]."""
    return M[np.repeat(np.arange(X.shape[0]), np.diff(X.indptr)), X.indices]


def rows_to_one(H: np.ndarray) -> np.ndarray:
    """Divide rows by their sums; float32, a row of zeros stays."""
    return without_tiny(H / np.maximum(H.sum(axis=1, keepdims=True), TINY))


def without_tiny(A: np.ndarray) -> np.ndarray:
    """Return a float32 copy with 0 for what is below `TINY`."""
    return np.where(A < TINY, 0.0, A).astype(np.float32)


def _ratios(X: sp.csr_matrix, W: np.ndarray, H: np.ndarray) -> tuple[sp.csr_matrix, float]:
    """Counts over their rates, on the pattern of X, and the sum of count times log rate."""
    rates = np.maximum(at_stored(W @ H, X), np.float32(TINY))
    R = sp.csr_matrix((X.data / rates, X.indices, X.indptr), shape=X.shape)
    return R, float((X.data * np.log(rates)).sum(dtype=np.float64))


def _weighted(W: np.ndarray, R: sp.csr_matrix, columns: np.ndarray, size: np.ndarray) -> np.ndarray:
    W = np.divide(W * (R @ columns), size[:, None], out=np.zeros(W.shape), where=size[:, None] > 0)
    return without_tiny(W)
