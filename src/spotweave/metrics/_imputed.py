"""Predicted genes judged by counts of them, gene by gene. The truth comes first."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._check import fail, values_of
from ..core.likelihood import dense, fit_dispersion, negative_binomial_deviance, pearson_residuals
from ._columns import jensen_shannon, over, standardised

MOST_VALUES = 4_000_000  # of a dense block of genes: 32 MB
FLOOR = 0.01  # of what depth alone expects: 0 expected and 1 found would cost infinitely much
SMALLEST = 1e-20  # variance of residuals, in units of the count's own noise, below which they are constant
POWER_STEPS, POWERS = 15, (-1.0, 4.0)  # of the fit of a power of depth
K1, K2 = 0.01, 0.03  # of the structural similarity


class ImputationScores(NamedTuple):
    """Scores of each gene ``[t]``; NaN for a gene without a count."""

    pcc: np.ndarray
    """Pearson correlation over cells; 0 where the prediction is constant."""
    ssim: np.ndarray
    """Structural similarity."""
    rmse: np.ndarray
    """Root mean squared difference of z-scores, the square root of 2 for a constant prediction; lower is better."""
    js: np.ndarray
    """Jensen-Shannon divergence of the shares of cells in the gene, natural logarithm; lower is better."""
    residual_r: np.ndarray
    """Partial correlation beyond depth; about 0 for a prediction that depth alone makes."""
    deviance_explained: np.ndarray
    """Part explained of the deviance that depth leaves, at most 1; not above 0 for one that a power of depth makes."""


def imputation_scores(truth: Any, predicted: Any, depth: Any) -> ImputationScores:
    r"""Score genes that were predicted from others.

    The first four are those of Li et al. (2022, Nat. Methods 19:662), as their code has them: ``pcc`` of the values as
    given; ``ssim`` of values divided by their maximum, over all cells as one window, with means m, standard deviations
    s and covariance c,

    .. math:: \frac{2 m_x m_q + C_1}{m_x^2 + m_q^2 + C_1} \cdot \frac{2 s_x s_q + C_2}{s_x^2 + s_q^2 + C_2} \cdot
              \frac{c_{xq} + C_2 / 2}{s_x s_q + C_2 / 2}, \quad C_1 = 0.01^2, \; C_2 = 0.03^2;

    ``rmse`` of z-scores, which equals :math:`\sqrt{2 (1 - \mathrm{pcc})}`; ``js`` of values divided by their sum. All
    four reward a prediction of depth. The others do not: depth alone expects :math:`\mu_i = a d_i^b` of a gene with
    counts x, where a and b are fitted to x itself (negative binomial, the dispersion :math:`\alpha` by moments), so that
    no prediction made of depth does better; the prediction q is brought to the same sum as x, and

    .. math:: \mathrm{residual\_r} = \mathrm{cor}_i \left(\frac{x_i - \mu_i}{\sqrt{\mu_i + \alpha \mu_i^2}},
              \frac{q_i - \mu_i}{\sqrt{\mu_i + \alpha \mu_i^2}} \;\middle|\; \log d_i, \log^2 d_i\right), \quad
              \mathrm{deviance\_explained} = 1 - \frac{D(\max(q, 0.01 \mu))}{D(\mu)}

    with the partial correlation, and the negative binomial deviance D summed over cells. Both leave out cells of depth
    0. Noise of the counts keeps even true means far from 1.

    Parameters
    ----------
    truth
        Counts ``[n, t]``, dense or sparse.
    predicted
        Expected counts ``[n, t]``, not negative, dense or sparse; a factor of a gene changes nothing.
    depth
        Counts ``[n]`` of the genes that the prediction was made from.

    Returns
    -------
    Scores of each gene. A gene that is predicted to be 0 everywhere has ``js`` = log 2 and correlations of 0. The ``rmse`` of a
    constant prediction is the limit of ever weaker noise, lest it beats all that are informed.

    Raises
    ------
    InputError
        When shapes differ, or values are negative or not finite.
    """
    truth, predicted = _checked(truth, "truth"), _checked(predicted, "predicted")
    depth = np.asarray(depth, np.float64)
    if truth.shape != predicted.shape:
        raise fail(f"a prediction of shape {list(truth.shape)}, as the truth", f"shape {list(predicted.shape)}")
    if depth.shape != (truth.shape[0],) or not np.isfinite(depth).all() or (depth < 0).any() or not depth.any():
        raise fail(f"`depth` of {truth.shape[0]} counts, not all 0", f"shape {list(depth.shape)} or other values")
    blocks = [_scores(dense(truth[:, genes]), dense(predicted[:, genes]), depth) for genes in _gene_blocks(truth)]
    scores = np.concatenate(blocks, axis=1)
    scores[:, np.asarray(truth.sum(axis=0)).ravel() == 0] = np.nan
    return ImputationScores(*scores)


def _checked(X: Any, name: str) -> Any:
    X = sp.csc_matrix(X) if sp.issparse(X) else np.asarray(X)
    if X.ndim != 2 or 0 in X.shape:
        raise fail(f"`{name}` of shape [n, t]", f"shape {list(X.shape)}")
    values = values_of(X)
    if not np.isfinite(values).all() or (values < 0).any():
        raise fail(f"`{name}` finite and not negative", "negative values, NaN or infinity")
    return X


def _gene_blocks(X: Any) -> Iterator[slice]:
    size = max(1, MOST_VALUES // X.shape[0])
    return (slice(start, start + size) for start in range(0, X.shape[1], size))


def _scores(x: np.ndarray, q: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """All scores ``[6, t]`` of a block of genes ``[n, t]``."""
    z_x, z_q = standardised(x), standardised(q)
    pcc = (z_x * z_q).mean(axis=0)
    plain = [pcc, _ssim(over(x, x.max(axis=0)), over(q, q.max(axis=0))), np.sqrt(2 * np.maximum(1 - pcc, 0))]
    counted = depth > 0
    return np.stack([*plain, jensen_shannon(x, q), *_beyond_depth(x[counted], q[counted], depth[counted])])


def _ssim(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Structural similarity ``[t]`` of values from 0 to 1."""
    c1, c2 = K1**2, K2**2
    m_x, m_q, s_x, s_q = x.mean(axis=0), q.mean(axis=0), x.std(axis=0), q.std(axis=0)
    covariance = ((x - m_x) * (q - m_q)).mean(axis=0)
    level = (2 * m_x * m_q + c1) / (m_x**2 + m_q**2 + c1)
    contrast = (2 * s_x * s_q + c2) / (s_x**2 + s_q**2 + c2)
    return level * contrast * (covariance + c2 / 2) / (s_x * s_q + c2 / 2)


def _beyond_depth(x: np.ndarray, q: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation of residuals and part of the deviance explained ``[t]``."""
    log_depth = np.log(depth)
    mean, alpha = _of_depth(x, log_depth)
    q = over(q, q.sum(axis=0)) * x.sum(axis=0)
    r, s = (_free_of(log_depth, pearson_residuals(values, mean, alpha)) for values in (x, q))
    correlation = np.where(q.any(axis=0), (standardised(r, SMALLEST) * standardised(s, SMALLEST)).mean(axis=0), 0.0)
    left, base = (
        negative_binomial_deviance(x, means, alpha).sum(axis=0) for means in (np.maximum(q, FLOOR * mean), mean)
    )
    return correlation, 1 - np.divide(left, base, out=np.ones(len(base)), where=base > 0)


def _of_depth(x: np.ndarray, log_depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The power of depth that fits each gene best: means ``[n, t]`` with the gene's total, and dispersion ``[t]``."""
    total, alpha = x.sum(axis=0), np.zeros(x.shape[1])
    power = np.ones(x.shape[1])
    for step in range(POWER_STEPS):
        mean = _power_means(power, log_depth, total)
        if step % (POWER_STEPS // 3) == 0:
            alpha = _dispersion(x, mean)
        weight = 1 / (1 + alpha * mean)
        centre = (mean * weight * log_depth[:, None]).sum(axis=0) / np.maximum((mean * weight).sum(axis=0), 1e-300)
        away = log_depth[:, None] - centre
        information = (mean * weight * away**2).sum(axis=0)
        gradient = ((x - mean) * weight * away).sum(axis=0)
        change = np.divide(gradient, information, out=np.zeros(len(power)), where=information > 1e-9)
        power = np.clip(power + np.clip(change, -0.5, 0.5), *POWERS)
    return _power_means(power, log_depth, total), alpha


def _dispersion(x: np.ndarray, mean: np.ndarray) -> np.ndarray:
    return fit_dispersion(lambda: iter([(slice(None), x)]), lambda rows: mean[rows])


def _power_means(power: np.ndarray, log_depth: np.ndarray, total: np.ndarray) -> np.ndarray:
    mean = np.exp(power * (log_depth - log_depth.max())[:, None])
    return mean * (total / mean.sum(axis=0))


def _free_of(log_depth: np.ndarray, values: np.ndarray) -> np.ndarray:
    """What a parabola in log depth leaves of each column."""
    Q = np.linalg.qr(np.vander(log_depth - log_depth.mean(), 3))[0]
    return values - Q @ (Q.T @ values)
