"""Moran's I of all genes at once, as sparse products."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.stats import norm

from .._check import fail

MOST_PRODUCTS = 4_000_000
"""Stored entries of ``W X`` held at a time: some 50 MB."""
CONSTANT = 1e-10
"""Standard deviation, as a part of the mean, below which a gene is constant: the rest is rounding."""


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

    A sparse matrix is not densified: centring is done on the sums, in
    :math:`O(\mathrm{nnz}(X) \cdot \text{neighbours})`.

    Parameters
    ----------
    X
        Values ``[n, g]``, dense (a block of genes) or CSR (all genes); at least 4 points.
    W
        Weights ``[n, n]``; row i holds the neighbours of i, need not be symmetric. The diagonal is ignored.

    Returns
    -------
    Statistic, moments and one-sided p value (greater than at random) of each gene, float64.
    """
    n = X.shape[0]
    if n < 4:
        raise fail("at least 4 points", f"{n}")
    if W.shape != (n, n):
        raise fail(f"weights between all of the {n} points", f"shape {list(W.shape)}")
    W = _without_diagonal(W)
    if W.sum() == 0:
        raise fail("a graph with at least one edge between two points", "none")
    sums = _sparse_sums(X, W) if sp.issparse(X) else _dense_sums(np.asarray(X, np.float64), W)
    return _result(*sums, W)


Sums = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Of each gene [g]: mean, and sums of z squared, of z to the fourth, and of w z z over the edges."""


def _dense_sums(X: np.ndarray, W: sp.csr_matrix) -> Sums:
    mean = X.mean(axis=0)
    Z = X - mean
    return mean, (Z**2).sum(axis=0), (Z**4).sum(axis=0), np.einsum("ij,ij->j", Z, W @ Z)


def _sparse_sums(X: sp.csr_matrix, W: sp.csr_matrix) -> Sums:
    X = _canonical(X)
    n, g = X.shape
    mean = np.asarray(X.sum(axis=0)).ravel() / n
    z = X.data - mean[X.indices]
    n_zeros = n - np.bincount(X.indices, minlength=g)
    power = lambda k: np.bincount(X.indices, weights=z**k, minlength=g) + n_zeros * mean**k  # k even
    margins = np.asarray(W.sum(axis=1)).ravel() + np.asarray(W.sum(axis=0)).ravel()
    products = _edge_products(X, W) - mean * (X.T @ margins) + mean**2 * W.sum()
    return mean, power(2), power(4), products


def _canonical(X: sp.csr_matrix) -> sp.csr_matrix:
    X = sp.csr_matrix(X, dtype=np.float64)
    if not X.has_canonical_format:
        X = X.copy()  # the caller's matrix stays as it is
        X.sum_duplicates()
    return X


def _edge_products(X: sp.csr_matrix, W: sp.csr_matrix) -> np.ndarray:
    """Sum of ``w_ik x_ij x_kj`` over the edges, ``[g]``, a few rows at a time: ``W X`` is fuller than X."""
    n, g = X.shape
    per_row = min(g, X.nnz / n * W.nnz / n)  # entries of a row of W X, at most
    step = int(MOST_PRODUCTS / (per_row + 1)) + 1
    total = np.zeros(g)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        total += np.asarray(X[rows].multiply(W[rows] @ X).sum(axis=0)).ravel()
    return total


def _result(
    mean: np.ndarray, square: np.ndarray, fourth: np.ndarray, products: np.ndarray, W: sp.csr_matrix
) -> MoranResult:
    n, s0 = W.shape[0], W.sum()
    varies = square > n * (CONSTANT * mean) ** 2
    statistic, kurtosis = np.zeros(len(mean)), np.zeros(len(mean))
    np.divide(n * products, s0 * square, out=statistic, where=varies)
    np.divide(n * fourth, square**2, out=kurtosis, where=varies)
    expected = -1 / (n - 1)
    variance = np.where(varies, _variance(kurtosis, W), 0.0)
    z = np.divide(statistic - expected, np.sqrt(variance), out=np.zeros(len(mean)), where=variance > 0)
    return MoranResult(statistic, expected, variance, z, np.where(variance > 0, norm.sf(z), 1.0))


def _variance(kurtosis: np.ndarray, W: sp.csr_matrix) -> np.ndarray:
    n, s0 = W.shape[0], W.sum()
    s1 = ((W + W.T).power(2)).sum() / 2
    s2 = ((np.asarray(W.sum(axis=1)).ravel() + np.asarray(W.sum(axis=0)).ravel()) ** 2).sum()
    scale = (n - 1) * (n - 2) * (n - 3) * s0**2
    plain = n * ((n**2 - 3 * n + 3) * s1 - n * s2 + 3 * s0**2) / scale
    tailed = kurtosis * ((n**2 - n) * s1 - 2 * n * s2 + 6 * s0**2) / scale
    variance = plain - tailed - 1 / (n - 1) ** 2
    return np.where(variance > 1e-13 * plain, variance, 0.0)  # one cell with counts, regular graph: rounding is left


def _without_diagonal(W: sp.csr_matrix) -> sp.csr_matrix:
    W = sp.csr_matrix(W, dtype=np.float64)
    return sp.csr_matrix(W - sp.diags(W.diagonal())) if W.diagonal().any() else W
