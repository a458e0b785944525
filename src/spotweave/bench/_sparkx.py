"""SPARK-X in closed form: the covariance of counts with functions of each coordinate, in eleven shapes."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.stats import cauchy, chi2

QUANTILES = (0.2, 0.4, 0.6, 0.8, 1.0)  # of absolute centred coordinates: the scales of the paper
SMALLEST = 1e-300  # p value: below it 1 / p is not a number
GREATEST = 1 - 1e-9


class SparkXResult(NamedTuple):
    """Result of the test for each gene."""

    statistic: np.ndarray
    """Greatest of the eleven statistics ``[g]``, 2 in the mean for a gene without pattern and one shape."""
    pvalue: np.ndarray
    """Combined ``[g]``; 1 for a constant gene."""


def sparkx(X: sp.csr_matrix, xy: np.ndarray) -> SparkXResult:
    r"""Test genes for dependence on position with the kernels of SPARK-X (Zhu, Sun and Zhou 2021, Genome Biol 22:184).

    Each kernel is :math:`\Sigma = Z (Z^\top Z)^{-1} Z^\top`, of functions :math:`Z` ``[n, 2]`` of the two coordinates:
    the coordinates themselves, :math:`e^{-s^2 / 2 l^2}` or :math:`\cos(2 \pi s / l)`, with five scales l each,
    centred. With an orthonormal basis :math:`Q` of :math:`Z`,

    .. math:: T_j = \frac{n \, \|Q^\top x_j\|^2}{\sum_i x_{ij}^2}
              \sim \Big(1 - \frac{n \bar x_j^2}{\sum_i x_{ij}^2}\Big) \chi^2_r

    without pattern: all eigenvalues of :math:`\Sigma` are 1, so that no sum of weighted :math:`\chi^2` variables is
    left to evaluate; for rank r = 2 the p value is :math:`e^{-T / 2 \lambda}`. Eleven p values are combined by
    Cauchy's distribution (Liu and Xie 2020, JASA 115:393). One sparse product, no covariates.

    Parameters
    ----------
    X
        Counts ``[n, g]``.
    xy
        Coordinates ``[n, 2]``.
    """
    n = X.shape[0]
    square = np.asarray(X.multiply(X).sum(axis=0), dtype=np.float64).ravel()
    mean = np.asarray(X.sum(axis=0), dtype=np.float64).ravel() / n
    variance = np.where(square > 0, 1 - n * mean**2 / np.where(square > 0, square, 1), 0.0)
    varies = variance > 1e-12
    bases = [basis for basis in map(_orthonormal, _shapes(xy)) if basis.shape[1]]
    products = np.asarray(X.T @ np.column_stack(bases)) ** 2  # [g, 22]
    ends = np.cumsum([basis.shape[1] for basis in bases])
    scale = np.where(varies, n / np.where(varies, square * variance, 1), 0.0)
    statistics = np.stack([part.sum(axis=1) * scale for part in np.split(products, ends[:-1], axis=1)])
    pvalues = np.stack([chi2.sf(t, basis.shape[1]) for t, basis in zip(statistics, bases, strict=True)])
    return SparkXResult(statistics.max(axis=0), np.where(varies, combined(pvalues), 1.0))


def combined(pvalues: np.ndarray) -> np.ndarray:
    r"""Combine p values ``[k, g]`` by Cauchy's distribution, equal weights: the tail at :math:`\overline{\cot \pi p}`."""
    cot = 1 / np.tan(np.pi * np.clip(pvalues, SMALLEST, GREATEST))
    return cauchy.sf(cot.mean(axis=0))


def _shapes(xy: np.ndarray) -> list[np.ndarray]:
    """Functions of position ``[n, 2]``, eleven times."""
    s = xy - xy.mean(axis=0)
    scales = np.quantile(np.abs(s), QUANTILES, axis=0)
    scales[scales == 0] = 1.0  # of a coordinate that is constant: its functions are, and leave the basis
    return [s, *(np.exp(-(s**2) / (2 * l**2)) for l in scales), *(np.cos(2 * np.pi * s / l) for l in scales)]


def _orthonormal(Z: np.ndarray) -> np.ndarray:
    """Basis ``[n, r]`` of the centred columns; of fewer than they are where they depend on each other."""
    U, S, _ = np.linalg.svd(Z - Z.mean(axis=0), full_matrices=False)
    least = 1e-9 * max(S.max(), np.finfo(float).tiny)
    return U[:, least < S]
