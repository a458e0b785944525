"""Moran's I of all genes at once, and Geary's C beside it from the same sums over the edges."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.stats import norm

from .edge_sums import EdgeSums, Weights, edge_sums, weights
from .geary import GearyResult, geary_from_sums


class MoranResult(NamedTuple):
    """Moran's I of each gene, and what it would be without spatial order."""

    statistic: np.ndarray
    """I ``[g]``: about 0 for values scattered at random, towards 1 for smooth ones; 0 for a constant gene."""
    expected: float
    """Its mean over all permutations of the points, ``-1 / (n - 1)``."""
    variance: np.ndarray
    """Its variance over all permutations ``[g]``; 0 where no permutation changes it."""
    z: np.ndarray
    """``(statistic - expected) / sqrt(variance)`` ``[g]``; 0 where the variance is 0."""
    pvalue: np.ndarray
    """Upper tail of the normal distribution at z ``[g]``, 1 where the variance is 0."""


def morans_i(X: np.ndarray | sp.csr_matrix, W: sp.csr_matrix) -> MoranResult:
    r"""Moran's I with its exact permutation mean and variance (the randomisation assumption).

    .. math:: I_j = \frac{n}{S_0} \frac{\sum_{ik} w_{ik} z_{ij} z_{kj}}{\sum_i z_{ij}^2},
              \quad z_{ij} = x_{ij} - \bar x_j

    With :math:`S_0 = \sum w_{ik}`, :math:`S_1 = \tfrac12 \sum (w_{ik} + w_{ki})^2`,
    :math:`S_2 = \sum_i (w_{i\cdot} + w_{\cdot i})^2` and the kurtosis :math:`b = n \sum z^4 / (\sum z^2)^2`,

    .. math:: E[I^2] = \frac{n \left[(n^2 - 3n + 3) S_1 - n S_2 + 3 S_0^2\right]
              - b \left[(n^2 - n) S_1 - 2n S_2 + 6 S_0^2\right]}{(n - 1)(n - 2)(n - 3) S_0^2}

    (Cliff and Ord 1981, Spatial Processes, chapter 1). Unlike the variance under normality, this one holds whatever
    the distribution of the gene. Only the tail is taken as normal: for a gene found in a handful of cells, I is skewed
    and small p values are too small. With several slides, centre the genes on each first.

    A sparse matrix is not densified but for a block of genes at a time.

    Parameters
    ----------
    X
        Values ``[n, g]``, dense (a block of genes) or sparse (all genes); at least 4 points.
    W
        Weights ``[n, n]``; row i holds the neighbours of i, need not be symmetric. The diagonal is ignored.

    Returns
    -------
    Statistic, moments and one-sided p value (greater than at random) of each gene, float64.
    """
    graph = weights(W, X.shape[0])
    return _moran_from_sums(edge_sums(X, graph), graph)


def autocorrelations(X: np.ndarray | sp.csr_matrix, W: sp.csr_matrix) -> tuple[MoranResult, GearyResult]:
    r"""Moran's I and Geary's C of each gene, for the price of one.

    Both come from one sparse product, as
    :math:`\sum w_{ik} (z_i - z_k)^2 = \sum_i (w_{i\cdot} + w_{\cdot i}) z_i^2 - 2 \sum w_{ik} z_i z_k`.

    Parameters
    ----------
    X
        Values ``[n, g]``, dense (a block of genes) or sparse (all genes); at least 4 points.
    W
        Weights ``[n, n]``; row i holds the neighbours of i, need not be symmetric. The diagonal is ignored.

    Returns
    -------
    What `morans_i` and `spotweave.core.geary.gearys_c` return.
    """
    graph = weights(W, X.shape[0])
    sums = edge_sums(X, graph)
    return _moran_from_sums(sums, graph), geary_from_sums(sums, graph)


def _moran_from_sums(sums: EdgeSums, graph: Weights) -> MoranResult:
    n, g = len(graph.margins), len(sums.mean)
    varies = sums.varies(n)
    statistic = np.divide(n * sums.product, graph.s0 * sums.square, out=np.zeros(g), where=varies)
    expected = -1 / (n - 1)
    variance = np.where(varies, _variance(sums.kurtosis(n), graph), 0.0)
    z = np.divide(statistic - expected, np.sqrt(variance), out=np.zeros(g), where=variance > 0)
    return MoranResult(statistic, expected, variance, z, np.where(variance > 0, norm.sf(z), 1.0))


def _variance(kurtosis: np.ndarray, graph: Weights) -> np.ndarray:
    n, s0, s1, s2 = len(graph.margins), graph.s0, graph.s1, graph.s2
    scale = (n - 1) * (n - 2) * (n - 3) * s0**2
    plain = n * ((n**2 - 3 * n + 3) * s1 - n * s2 + 3 * s0**2) / scale
    tailed = kurtosis * ((n**2 - n) * s1 - 2 * n * s2 + 6 * s0**2) / scale
    variance = plain - tailed - 1 / (n - 1) ** 2
    return np.where(variance > 1e-13 * plain, variance, 0.0)  # one cell with counts, regular graph: rounding is left
