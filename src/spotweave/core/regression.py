"""Reduced-rank regression: the reconstruction half of a graph autoencoder, solved exactly."""

from typing import NamedTuple

import numpy as np


class ReducedRank(NamedTuple):
    """Fit of ``Y ~ X B A^T`` with rank r."""

    scores: np.ndarray
    """X B [n, r]."""
    encoder: np.ndarray
    """B [p, r]."""
    decoder: np.ndarray
    """A [q, r], orthonormal columns."""


def reduced_rank_regression(X: np.ndarray, Y: np.ndarray, *, rank: int, ridge: float = 1e-3) -> ReducedRank:
    r"""Minimise :math:`\|Y - X B A^\top\|^2 + \lambda \|B A^\top\|^2` over matrices of the given rank.

    With the ridge solution :math:`C = (X^\top X + \lambda I)^{-1} X^\top Y` and the leading eigenvectors A of
    :math:`C^\top (X^\top X + \lambda I) C`, the minimiser is :math:`B = C A` (Izenman 1975, J. Multivariate Anal.
    5:248; ridge: Mukherjee and Zhu 2011). With X the features averaged over the spatial graph and Y the features
    themselves this is the optimum of GraphST's linear encoder and decoder.

    Parameters
    ----------
    X
        Predictors ``[n, p]``, centred by the caller or not.
    Y
        Targets ``[n, q]``.
    rank
        Rank r, cut to ``min(p, q)``.
    ridge
        :math:`\lambda` as a share of the mean squared column norm of X.

    Returns
    -------
    Scores, encoder and decoder.
    """
    rank = min(rank, X.shape[1], Y.shape[1])
    S = X.T @ X
    S[np.diag_indices_from(S)] += ridge * np.trace(S) / len(S)
    XtY = X.T @ Y
    C = np.linalg.solve(S, XtY)  # [p, q]
    _, vectors = np.linalg.eigh(C.T @ XtY)
    decoder = vectors[:, ::-1][:, :rank]
    encoder = C @ decoder
    return ReducedRank(X @ encoder, encoder, decoder)
