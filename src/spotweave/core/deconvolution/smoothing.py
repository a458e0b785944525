"""Weights of spots drawn towards those of their neighbours."""

import numpy as np
import scipy.sparse as sp

from ..propagate import row_normalise
from .nonnegative import solve

BLOCK = 4_096
SAMPLE = 1_000
"""Spots that the strength is scaled by."""


def smoothed(
    H: np.ndarray,
    b: np.ndarray,
    W: np.ndarray,
    size: np.ndarray,
    graph: sp.csr_matrix,
    strength: float,
    *,
    n_rounds: int = 10,
) -> np.ndarray:
    r"""Solve the quadratic problem of each spot together with its squared difference to its surroundings.

    .. math:: \tfrac12 w_i^T H_i w_i - b_i^T w_i + \tfrac{\lambda}{2} D_i |w_i - n_i \bar w_i|^2, \quad w_i \ge 0

    with :math:`\bar w_i` the mean of the neighbours' shares of counts and n the spot's counts. D is one over the
    variance of a weight when all others are free, the median over spots and types: with :math:`\lambda = 1` the
    surroundings weigh about as much as the counts of a median spot. All spots at once, a fixed number of rounds.

    Parameters
    ----------
    H, b
        Information ``[n, k, k]`` and linear term ``[n, k]``.
    W
        Weights without smoothing ``[n, k]``.
    size
        Counts of each spot ``[n]``.
    graph
        Symmetric weights of neighbours ``[n, n]``; spots without any stay as they are.
    strength
        :math:`\lambda`.
    n_rounds
        Rounds.

    Returns
    -------
    Weights ``[n, k]``.
    """
    W, depth = W.copy(), np.maximum(size, 1.0)
    unit = _typical_information(H[:: max(len(H) // SAMPLE, 1)], depth[:: max(len(H) // SAMPLE, 1)])
    near = row_normalise(graph, self_loops=False)
    strengths = strength * unit * (np.diff(near.indptr) > 0) / depth**2  # [n]
    eye = np.eye(H.shape[1])
    for _ in range(n_rounds):
        around = near @ (W / depth[:, None]) * depth[:, None]
        for start in range(0, len(W), BLOCK):
            rows = slice(start, start + BLOCK)
            pull = strengths[rows, None]
            W[rows] = solve(H[rows] + pull[:, :, None] * eye, b[rows] + pull * around[rows], W[rows])
    return W


def _typical_information(H: np.ndarray, depth: np.ndarray) -> float:
    """One over the variance of a share of counts, the others free: median over spots and types."""
    scaled = H.astype(np.float64) * depth[:, None, None] ** 2
    ridge = 1e-6 * np.trace(scaled, axis1=1, axis2=2) / H.shape[1] + 1e-12
    variance = np.diagonal(np.linalg.inv(scaled + ridge[:, None, None] * np.eye(H.shape[1])), axis1=1, axis2=2)
    return float(np.median(1 / variance))  # not a mean: two types that cannot be told apart have variances without end
