"""Residuals of counts from depth times gene share, weighted for overdispersion: sums of them without making them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

LEVELS = (0.0, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Overdispersion times share (variance beyond Poisson at mean depth, as a part of the mean) of the groups of genes."""

SOFTENING = 0.05
"""Levels closer than this to 0 hardly differ in weights."""
MOST_OF_SUM = 20
"""Points that must share a gene's sum of squares."""


class Weights(NamedTuple):
    """What residuals ``e = w (x - s p)`` are made of, for one group of genes on the rows of one library."""

    w: np.ndarray
    """``1 / sqrt(s (1 + a s))`` ``[n]``; 0 for an empty row."""
    q: np.ndarray
    """``w s`` ``[n]``: how a change of log share shows in e."""


class Moments(NamedTuple):
    """Of each gene's residuals over the rows of one library ``[g]``."""

    share: np.ndarray
    """p, such that ``sum q e = 0``."""
    square: np.ndarray
    """Sum of squares."""
    skewness: np.ndarray
    """Third moment over the 3/2 power of the second."""
    distinct: np.ndarray
    """Mean of ``e_i^2 e_j^2`` over different rows, over the squared mean of ``e^2``: below 1 for sparse genes."""


def working_weights(depth: np.ndarray, level: float) -> Weights:
    """Weights of the score of a negative binomial rate; depth : [n], mean about 1.

    The derivative of its log-likelihood by the log rate is ``(x - s p) / (1 + alpha p s)``: Pearson residuals
    ``w (x - s p)`` times ``q = w s``, with ``a = alpha p``.
    """
    w = np.zeros(len(depth))
    filled = depth > 0
    w[filled] = 1 / np.sqrt(depth[filled] * (1 + level * depth[filled]))
    return Weights(w, w * depth)


def clip_outliers(Y: sp.csr_matrix, depth: np.ndarray) -> sp.csr_matrix:
    """Lower the counts of points that alone carry more than 1 / `MOST_OF_SUM` of a gene's sum of ``x^2 / s``.

    Y : [g, n] csr, genes in rows.  depth : [n].  Returns a matrix of its own. Else one odd cell and its neighbours
    decide over the gene, and no formula knows the null.
    """
    root = np.sqrt(np.maximum(depth, 1e-300))[Y.indices]
    y = Y.data / root
    part = max(min(MOST_OF_SUM, Y.shape[1] / 10), 1)
    square = np.asarray(sp.csr_matrix((y**2, Y.indices, Y.indptr), shape=Y.shape).sum(axis=1)).ravel()
    cap = np.repeat(np.sqrt(square / part), np.diff(Y.indptr))
    return sp.csr_matrix((np.minimum(y, cap) * root, Y.indices, Y.indptr), shape=Y.shape)


def dispersion_levels(Y: sp.csr_matrix, depth: np.ndarray) -> np.ndarray:
    r"""Group ``[g]`` of each gene in `LEVELS`, by moments; Y : [g, n] csr.

    Pearson's statistic :math:`\sum_i (x_i - s_i p)^2 / s_i` has mean :math:`p \, (n + a \sum_i s_i)`.
    """
    inverse = np.divide(1, depth, out=np.zeros(len(depth)), where=depth > 0)
    share = np.asarray(Y.sum(axis=1)).ravel() / depth.sum()
    square = power(Y, 2) @ inverse - share**2 * depth.sum()
    excess = np.divide(square, share * depth.sum(), out=np.ones(len(share)), where=share > 0)
    excess = np.maximum(excess - (depth > 0).sum() / depth.sum(), 0)
    grid = np.log(np.array(LEVELS) + SOFTENING)
    return np.abs(np.log(excess + SOFTENING)[:, None] - grid).argmin(axis=1)


def power(X: sp.spmatrix, k: int) -> sp.spmatrix:
    """Entries to the power k; shares the structure, so that only the values are new."""
    return type(X)((X.data**k, X.indices, X.indptr), shape=X.shape)


def residual_moments(Xt: Sequence[sp.csr_matrix], depth: np.ndarray, weights: Weights) -> Moments:
    """Moments of the residuals.

    Xt : counts and their squares, cubes and fourth powers, each [g, n] csr.  depth : [n].
    """
    w, q, n = weights.w, weights.q, len(depth)
    share = (Xt[0] @ (w * q)) / max(float(q @ q), 1e-300)
    sums = []
    for k in (2, 3, 4):
        total = (-share) ** k * (q**k).sum()
        for j, binomial in zip(range(1, k + 1), {2: (2, 1), 3: (3, 3, 1), 4: (4, 6, 4, 1)}[k], strict=True):
            total = total + binomial * (-share) ** (k - j) * (Xt[j - 1] @ (w**k * depth ** (k - j)))
        sums.append(total)
    square = np.maximum(sums[0], 0)
    safe = np.where(square > 0, square, 1)
    distinct = np.clip((1 - sums[2] / safe**2) * n / max(n - 1, 1), 0, 1)
    return Moments(share, square, sums[1] * np.sqrt(n) / safe**1.5, distinct)
