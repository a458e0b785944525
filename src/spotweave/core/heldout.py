"""Predictions judged by counts that the fit has not seen, in passes over row chunks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .._check import fail
from .gene_moments import Chunks
from .likelihood import dense, negative_binomial_deviance, pearson_residuals
from .splitting import check_dispersion

CONSTANT = 1e-10
"""Variance, as a part of the mean square, below which a prediction is constant: the rest is rounding."""
SMALLEST = 1e-20
"""The same for one that says nothing beyond depth: a variance in units of the count's own noise."""


class HeldOutScores(NamedTuple):
    """Scores of each gene."""

    deviance: np.ndarray
    """Deviance of a held-out count, mean over cells ``[g]``; lower is better."""
    correlation: np.ndarray
    """Correlation of held-out and predicted residuals over cells ``[g]``; 0 where either does not vary."""
    present: np.ndarray
    """Has the gene a held-out count? ``[g]``."""

    @property
    def mean_deviance(self) -> float:
        """Mean over the genes with a held-out count; NaN without any."""
        return _mean(self.deviance, self.present)

    @property
    def mean_correlation(self) -> float:
        """Mean over the genes with a held-out count; NaN without any."""
        return _mean(self.correlation, self.present)


def held_out_scores(
    chunks: Chunks, predict: Callable[[Any], np.ndarray], dispersion: float | np.ndarray = 0.0
) -> HeldOutScores:
    r"""Score expected held-out counts.

    The deviance judges the means themselves. The correlation judges only what goes beyond depth: with
    :math:`s_i` the held-out counts of cell i and :math:`p_j` the share of gene j in all of them, held-out count
    :math:`b` and prediction :math:`\mu` are both compared with the depth-only mean :math:`s_i p_j`,

    .. math:: r_{ij} = \frac{b_{ij} - s_i p_j}{\sqrt{v_{ij}}}, \quad
              q_{ij} = \frac{\mu_{ij} - s_i p_j}{\sqrt{v_{ij}}}, \quad
              v_{ij} = s_i p_j + \alpha_j (s_i p_j)^2,

    and r is correlated with q over the cells of each gene. Predicted depth thus earns nothing, while it wins by a
    correlation of log-normalised counts. A noisy held-out count bounds the correlation far below 1: compare methods,
    do not read it as a share.

    The counts are read twice (the first pass finds :math:`p`), the predictions once; nothing dense but one chunk.

    Parameters
    ----------
    chunks
        Row chunks of the held-out counts ``[n, g]``.
    predict
        Gives for the ``rows`` of a chunk the expected held-out counts ``[len(rows), g]``: at the depth of the held-out
        part, not of the whole or of the part fitted.
    dispersion
        :math:`\alpha` of the *held-out* counts, one or ``[g]``: for a part of share :math:`\pi` from
        `split_negative_binomial` it is the gene's dispersion divided by :math:`\pi`.

    Returns
    -------
    Scores of each gene. Cells without held-out counts enter the deviance only.
    """
    total = _gene_totals(chunks)
    g = len(total)
    alpha, share = check_dispersion(dispersion, g), total / (total.sum() or 1.0)
    deviance, moments, n, n_counted = np.zeros(g), np.zeros((5, g)), 0, 0
    for rows, block in chunks():
        b = dense(block)
        mean = _checked(predict(rows), b.shape)
        deviance += negative_binomial_deviance(b, mean, alpha).sum(axis=0)
        depth = b.sum(axis=1)
        counted = depth > 0
        expected = depth[counted, None] * share
        r = pearson_residuals(b[counted], expected, alpha)
        q = pearson_residuals(mean[counted], expected, alpha)  # what the model says beyond depth, in the same unit
        moments += np.stack([m.sum(axis=0) for m in (r, q, r * r, q * q, r * q)])
        n, n_counted = n + len(b), n_counted + int(counted.sum())
    return HeldOutScores(deviance / n, _correlation(moments / max(n_counted, 1)), total > 0)


def _gene_totals(chunks: Chunks) -> np.ndarray:
    totals = [np.asarray(block.sum(axis=0), np.float64).ravel() for _, block in chunks()]
    if not totals:
        raise fail("at least one row of held-out counts", "none")
    return np.sum(totals, axis=0)


def _checked(mean: Any, shape: tuple[int, ...]) -> np.ndarray:
    mean = np.asarray(mean, np.float64)
    if mean.shape != shape:
        raise fail(f"predictions of shape {list(shape)}", f"shape {list(mean.shape)}")
    if not np.isfinite(mean).all():
        raise fail("finite predictions", f"NaN or infinity in {(~np.isfinite(mean)).sum()} of {mean.size} entries")
    return mean


def _correlation(moments: np.ndarray) -> np.ndarray:
    """From means of r, q, r squared, q squared and r q ``[5, g]``."""
    r, q, rr, qq, rq = moments
    var_r, var_q = rr - r**2, qq - q**2
    varies = (var_r > CONSTANT * rr) & (var_q > CONSTANT * qq + SMALLEST)
    result = np.divide(rq - r * q, np.sqrt(np.where(varies, var_r * var_q, 1.0)), out=np.zeros(len(r)), where=varies)
    return np.clip(result, -1.0, 1.0)


def _mean(values: np.ndarray, of: np.ndarray) -> float:
    return float(values[of].mean()) if of.any() else float("nan")
