r"""How well means explain counts: deviances, Pearson residuals, and the dispersion of each gene.

Everywhere a count has variance :math:`\mu + \alpha \mu^2`; the dispersion :math:`\alpha` is 0 for a Poisson gene. A
block is ``[b, g]``, dense; what is given per gene, ``[g]``, or as one number is broadcast over it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import betaln, gammaln, xlogy

from .._check import fail
from .gene_moments import Chunks

MEAN_FLOOR = 1e-8
"""Means below it, negative ones too, count as this one: a count where none was expected costs much, not infinity."""
TINY = 1e-200  # below it 1 / alpha or alpha * x would leave the range of doubles; the limit is exact long before


def poisson_deviance(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    r"""Deviance of each count, :math:`2 (x \log (x / \mu) - x + \mu)`; 0 where the mean is the count.

    Parameters
    ----------
    x
        Counts ``[b, g]``, not negative.
    mean
        Expected counts :math:`\mu` ``[b, g]``; raised to `MEAN_FLOOR`.

    Returns
    -------
    ``[b, g]`` float64, not negative.
    """
    return negative_binomial_deviance(x, mean, 0.0)


def negative_binomial_deviance(x: np.ndarray, mean: np.ndarray, dispersion: float | np.ndarray) -> np.ndarray:
    r"""Deviance of each count, twice the log-likelihood lost against the mean :math:`\mu = x`.

    .. math:: 2 \left( x \log \frac{x}{\mu} - \left(x + \frac{1}{\alpha}\right)
              \log \frac{1 + \alpha x}{1 + \alpha \mu} \right)

    (McCullagh and Nelder 1989, section 11.2); goes over into the Poisson deviance as :math:`\alpha \to 0`.

    Parameters
    ----------
    x
        Counts ``[b, g]``, not negative.
    mean
        Expected counts :math:`\mu` ``[b, g]``; raised to `MEAN_FLOOR`.
    dispersion
        :math:`\alpha`, one or ``[g]``.

    Returns
    -------
    ``[b, g]`` float64, not negative.
    """
    x, mean, alpha = _floored(x, mean, dispersion)
    gap = _log1p_over(alpha, x) - _log1p_over(alpha, mean)
    return np.maximum(2 * (xlogy(x, x) - xlogy(x, mean) - (1 + alpha * x) * gap), 0.0)  # rounding may leave -1e-16


def negative_binomial_log_likelihood(x: np.ndarray, mean: np.ndarray, dispersion: float | np.ndarray) -> np.ndarray:
    r"""Log-probability of each count, of a Poisson where :math:`\alpha = 0`.

    .. math:: \log \frac{\Gamma(x + 1 / \alpha)}{\Gamma(1 / \alpha)\, x!} + x \log (\alpha \mu)
              - \left(x + \frac{1}{\alpha}\right) \log (1 + \alpha \mu)

    Parameters
    ----------
    x
        Counts ``[b, g]``, not negative.
    mean
        Expected counts :math:`\mu` ``[b, g]``; raised to `MEAN_FLOOR`.
    dispersion
        :math:`\alpha`, one or ``[g]``.

    Returns
    -------
    ``[b, g]`` float64.
    """
    x, mean, alpha = _floored(x, mean, dispersion)
    constant = np.where(x > 0, -gammaln(x + 1), 0.0)
    over = (x > 0) & (alpha > TINY)
    a, k = alpha[over], x[over]
    constant[over] = k * np.log(a) - np.log(k) - betaln(1 / a, k)  # a difference of two log Gammas would cancel
    return constant + xlogy(x, mean) - (1 + alpha * x) * _log1p_over(alpha, mean)


def pearson_residuals(x: np.ndarray, mean: np.ndarray, dispersion: float | np.ndarray) -> np.ndarray:
    r"""Residuals :math:`(x - \mu) / \sqrt{\mu + \alpha \mu^2}` (Lause et al. 2021, Genome Biol. 22:258), not clipped.

    Parameters
    ----------
    x
        Counts ``[b, g]``, or anything on their scale, such as another model's means.
    mean
        Expected counts :math:`\mu` ``[b, g]``, not negative.
    dispersion
        :math:`\alpha`, one or ``[g]``.

    Returns
    -------
    ``[b, g]`` float64. A variance below `MEAN_FLOOR` counts as this one, so that 0 where 0 was expected gives 0.
    """
    mean = np.asarray(mean, np.float64)
    variance = mean * (1 + np.asarray(dispersion, np.float64) * mean)
    return (np.asarray(x, np.float64) - mean) / np.sqrt(np.maximum(variance, MEAN_FLOOR))


def fit_dispersion(chunks: Chunks, means: Callable[[Any], np.ndarray]) -> np.ndarray:
    r"""Estimate each gene's dispersion from counts and their fitted means, by moments in two passes.

    .. math:: \hat\alpha_j = \max\left(0,
              \frac{\sum_i w_{ij} \left[(x_{ij} - \mu_{ij})^2 - x_{ij}\right]}{\sum_i w_{ij} \mu_{ij}^2}\right)

    with weights 1 in the first pass and :math:`(1 + \hat\alpha_j \mu_{ij})^{-2}` in the second, without which a few
    deep cells decide for an overdispersed gene. Subtracting :math:`x` rather than :math:`\mu` leaves the same expectation
    and, for sparse genes, a fraction of the variance (the score statistic of Dean and Lawless 1989, J. Am. Stat.
    Assoc. 84:467). In simulation (2000 cells, means 0.05 to 5) its error equals that of maximum likelihood up to
    :math:`\alpha = 0.1`, and is 1.3 times it at 0.5 and 1.9 times at 2, where the estimate is within a tenth anyway
    unless the gene is sparse.

    Means with many parameters fitted to the same counts leave residuals that are too small, and so does this.

    Parameters
    ----------
    chunks
        Row chunks of the counts ``[n, g]``.
    means
        Gives for the ``rows`` of a chunk their expected counts ``[len(rows), g]``.

    Returns
    -------
    :math:`\hat\alpha` ``[g]``; 0 for a gene that is never expected.
    """
    alpha = np.zeros(1)
    for _ in range(2):
        sums = [_moments(dense(block), np.asarray(means(rows), np.float64), alpha) for rows, block in chunks()]
        if not sums:
            raise fail("at least one row of counts", "none")
        excess, square = np.sum(sums, axis=0)
        alpha = np.maximum(np.divide(excess, square, out=np.zeros(len(square)), where=square > 0), 0.0)
    return alpha


def _moments(x: np.ndarray, mean: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """Weighted sums of the excess over the Poisson variance and of the squared mean ``[2, g]``."""
    weight = (1 + alpha * mean) ** -2.0
    return np.stack([(weight * ((x - mean) ** 2 - x)).sum(axis=0), (weight * mean**2).sum(axis=0)])


def dense(block: Any) -> np.ndarray:
    """Return a chunk of rows, sparse or dense, as a float64 array ``[b, g]``."""
    return np.asarray(block.toarray() if hasattr(block, "toarray") else block, dtype=np.float64)


def _floored(x: Any, mean: Any, dispersion: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Arguments as float64 arrays of one shape."""
    mean = np.maximum(np.asarray(mean, np.float64), MEAN_FLOOR)
    x, mean, alpha = np.broadcast_arrays(np.asarray(x, np.float64), mean, np.asarray(dispersion, np.float64))
    return x, mean, alpha


def _log1p_over(alpha: np.ndarray, a: np.ndarray) -> np.ndarray:
    r""":math:`\log(1 + \alpha a) / \alpha`, a itself where alpha is 0."""
    return np.divide(np.log1p(alpha * a), alpha, out=np.array(a, np.float64), where=alpha > TINY)
