"""Geary's C of all genes at once."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.stats import norm

from .edge_sums import EdgeSums, Weights, edge_sums, weights


class GearyResult(NamedTuple):
    """Geary's C of each gene, and what it would be without spatial order."""

    statistic: np.ndarray
    """C ``[g]``: about 1 for values scattered at random, towards 0 for smooth ones; 1 for a constant gene."""
    expected: float
    """Its mean over all permutations of the points, 1."""
    variance: np.ndarray
    """Its variance over all permutations ``[g]``; 0 where no permutation changes it."""
    z: np.ndarray
    """``(statistic - 1) / sqrt(variance)`` ``[g]``, negative for smooth genes; 0 where the variance is 0."""
    pvalue: np.ndarray
    """Lower tail of the normal distribution at z ``[g]``, 1 where the variance is 0."""


def gearys_c(X: np.ndarray | sp.csr_matrix, W: sp.csr_matrix) -> GearyResult:
    r"""Geary's C with its exact permutation mean and variance (the randomisation assumption).

    .. math:: C_j = \frac{n - 1}{2 S_0} \frac{\sum_{ik} w_{ik} (x_{ij} - x_{kj})^2}{\sum_i z_{ij}^2},
              \quad z_{ij} = x_{ij} - \bar x_j

    With :math:`S_0`, :math:`S_1`, :math:`S_2` and the kurtosis :math:`b` as in
    `spotweave.core.autocorrelation.morans_i`, the mean is 1 and

    .. math:: \mathrm{Var}[C] = \frac{(n - 1) S_1 \left[n^2 - 3n + 3 - (n - 1) b\right]
              - \tfrac14 (n - 1) S_2 \left[n^2 + 3n - 6 - (n^2 - n + 2) b\right]
              + S_0^2 \left[n^2 - 3 - (n - 1)^2 b\right]}{n (n - 2)(n - 3) S_0^2}

    (Cliff and Ord 1981, Spatial Processes, chapter 1). This is not the variance of Moran's I: an irregular graph and
    heavy tails widen C far more. Only the tail is taken as normal. With several slides, centre the genes on each first.

    Parameters
    ----------
    X
        Values ``[n, g]``, dense (a block of genes) or sparse (all genes); at least 4 points.
    W
        Weights ``[n, n]``; row i holds the neighbours of i, need not be symmetric. The diagonal is ignored.

    Returns
    -------
    Statistic, moments and one-sided p value (less than at random) of each gene, float64.
    """
    graph = weights(W, X.shape[0])
    return geary_from_sums(edge_sums(X, graph), graph)


def geary_from_sums(sums: EdgeSums, graph: Weights) -> GearyResult:
    """Geary's C from sums over points and edges that are there already.

    Parameters
    ----------
    sums
        Sums of each gene from `spotweave.core.edge_sums.edge_sums`.
    graph
        The graph that they were taken over.

    Returns
    -------
    What `gearys_c` returns.
    """
    n, g = len(graph.margins), len(sums.mean)
    varies = sums.varies(n)
    differences = sums.margin_square - 2 * sums.product  # sum of w_ik (x_i - x_k)^2
    statistic = np.divide((n - 1) * differences, 2 * graph.s0 * sums.square, out=np.ones(g), where=varies)
    variance = np.where(varies, _variance(sums.kurtosis(n), graph), 0.0)
    z = np.divide(statistic - 1, np.sqrt(variance), out=np.zeros(g), where=variance > 0)
    return GearyResult(statistic, 1.0, variance, z, np.where(variance > 0, norm.cdf(z), 1.0))


def _variance(kurtosis: np.ndarray, graph: Weights) -> np.ndarray:
    n, s0, s1, s2 = len(graph.margins), graph.s0, graph.s1, graph.s2
    scale = n * (n - 2) * (n - 3) * s0**2
    plus = (n - 1) * (n**2 - 3 * n + 3) * s1 + (n**2 - 3) * s0**2 + kurtosis * (n - 1) * (n**2 - n + 2) * s2 / 4
    minus = (n - 1) * (n**2 + 3 * n - 6) * s2 / 4 + kurtosis * (n - 1) ** 2 * (s1 + s0**2)
    exact = plus - minus > 1e-13 * plus  # regular graph, one cell with counts: rounding is left
    return np.where(exact, (plus - minus) / scale, 0.0)
