"""Expression predicted for one section after another: scores of each gene, and what their mean over sections is worth.

The truth comes first.
"""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.stats import rankdata

from .._check import check_range, fail
from ..core.likelihood import dense
from ._columns import standardised

MOST_VALUES = 4_000_000  # of a dense block of genes: 32 MB


class ExpressionScores(NamedTuple):
    """Scores of each gene ``[g]`` in one section."""

    pearson: np.ndarray
    """Correlation over spots; 0 where the prediction is constant, NaN where the truth is."""
    spearman: np.ndarray
    """Correlation of ranks; 0 where the prediction is constant, NaN where the truth is."""
    r2: np.ndarray
    """1 - squared error / squared error of the training mean; at most 1, below 0 for a harmful prediction."""
    rmse: np.ndarray
    """Root mean squared error, in units of the truth."""


class BootstrapMean(NamedTuple):
    """Mean over sections with a bootstrap interval."""

    mean: float
    """Unweighted mean."""
    lower: float
    """Lower bound; NaN when there is one section."""
    upper: float
    """Upper bound; NaN when there is one section."""


def expression_scores(truth: Any, predicted: Any, *, train_mean: np.ndarray) -> ExpressionScores:
    r"""Score each gene over the spots of one section.

    .. math:: r^2 = 1 - \frac{\sum_i (y_i - \hat y_i)^2}{\sum_i (y_i - m)^2}

    compares with the mean m of the *training* spots, which is what is known without the image: correlation alone
    does not see a wrong level or scale.

    Parameters
    ----------
    truth
        Expression ``[n, g]``, dense or sparse.
    predicted
        Prediction ``[n, g]`` in the same units, dense or sparse.
    train_mean
        Mean of each gene over the training spots ``[g]``.

    Returns
    -------
    Scores of each gene. ``r2`` is NaN where every true value is the training mean. Values that differ by less than
    1e-5 of their size count as constant.

    Raises
    ------
    InputError
        When shapes differ or values are not finite.
    """
    truth, predicted = (sp.csc_matrix(X) if sp.issparse(X) else np.asarray(X) for X in (truth, predicted))
    train_mean = np.asarray(train_mean, np.float64)
    if truth.ndim != 2 or 0 in truth.shape:
        raise fail("`truth` of shape [n, g]", f"shape {list(truth.shape)}")
    if truth.shape != predicted.shape:
        raise fail(f"a prediction of shape {list(truth.shape)}, as the truth", f"shape {list(predicted.shape)}")
    n, g = truth.shape
    if train_mean.shape != (g,) or not np.isfinite(train_mean).all():
        raise fail(f"`train_mean` of {g} genes, finite", f"shape {list(train_mean.shape)} or other values")
    size = max(1, MOST_VALUES // n)
    blocks = [slice(start, start + size) for start in range(0, g, size)]
    scores = [_scores(_finite(truth[:, b]), _finite(predicted[:, b]), train_mean[b]) for b in blocks]
    return ExpressionScores(*np.concatenate(scores, axis=1))


def _finite(block: Any) -> np.ndarray:
    values = dense(block)
    if not np.isfinite(values).all():
        raise fail("finite values of truth and prediction", "NaN or infinity")
    return values


def _scores(y: np.ndarray, q: np.ndarray, train_mean: np.ndarray) -> np.ndarray:
    """All scores ``[4, g]`` of a block of genes ``[n, g]``."""
    z_y, z_q = standardised(y), standardised(q)
    defined, varies = z_y.any(axis=0), z_q.any(axis=0)
    pearson = np.where(defined, (z_y * z_q).mean(axis=0), np.nan)
    ranks = (standardised(rankdata(values, axis=0)) for values in (y, q))
    spearman = np.where(defined, np.where(varies, np.multiply(*ranks).mean(axis=0), 0.0), np.nan)
    error, base = ((y - q) ** 2).sum(axis=0), ((y - train_mean) ** 2).sum(axis=0)
    r2 = 1 - np.divide(error, base, out=np.full(len(base), np.nan), where=base > 0)
    return np.stack([pearson, spearman, r2, np.sqrt(error / len(y))])


def bootstrap_mean(
    values: Any,
    cluster: Any,
    *,
    stratum: Any = None,
    n_boot: int = 2_000,
    level: float = 0.95,
    rng: int | np.random.Generator = 0,
) -> BootstrapMean:
    """Mean of one number a section, with an interval that knows that sections of a patient resemble each other.

    Patients are drawn with replacement, then sections within each drawn patient (two-stage bootstrap, Davison and
    Hinkley 1997, section 3.8); with one patient, its sections, and the interval then says nothing about other patients.
    The mean is the unweighted one over sections, as is usual in the field: a patient with many sections counts for
    more. In a draw it is the mean over the sections drawn. Few patients make any bootstrap too narrow: of 95 % intervals,
    81 % held the true mean with 3 patients of 3 sections, 90 % with 8 of 4 (simulated, sections of a patient correlated
    by 0.7).

    Parameters
    ----------
    values
        One number for each section ``[m]``; sections with NaN are left out.
    cluster
        Patient of each section ``[m]``, labels of any type.
    stratum
        What the patients were sampled by ``[m]`` (a cohort, a tissue): patients are drawn within it. None for one.
    n_boot
        Number of draws.
    level
        Of the interval, between the percentiles of the draws.
    rng
        Seed or generator of the draws.

    Returns
    -------
    Mean and interval; NaN bounds for one section, NaN throughout for none.

    Raises
    ------
    InputError
        When lengths differ, or a cluster lies in two strata.
    """
    check_range(n_boot, "n_boot", low=1, integer=True)
    check_range(level, "level", low=0.0, high=1.0)
    values = np.asarray(values, np.float64)
    cluster = _codes(cluster, len(values), "cluster")
    stratum = np.zeros(len(values), np.intp) if stratum is None else _codes(stratum, len(values), "stratum")
    known = ~np.isnan(values)
    values, cluster, stratum = values[known], cluster[known], stratum[known]
    if len(values) < 2:
        return BootstrapMean(float(values[0]) if len(values) else np.nan, np.nan, np.nan)
    means = _draws(values, cluster, stratum, n_boot, np.random.default_rng(rng))
    lower, upper = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return BootstrapMean(float(values.mean()), float(lower), float(upper))


def paired_margin(
    a: Any,
    b: Any,
    cluster: Any,
    *,
    stratum: Any = None,
    n_boot: int = 2_000,
    level: float = 0.95,
    rng: int | np.random.Generator = 0,
) -> BootstrapMean:
    """By how much `a` exceeds `b` on the same sections: `bootstrap_mean` of the differences.

    Parameters
    ----------
    a, b
        One number for each section ``[m]``; sections where either is NaN are left out.
    cluster, stratum, n_boot, level, rng
        See `bootstrap_mean`.

    Returns
    -------
    Mean difference and interval.

    Raises
    ------
    InputError
        When lengths differ, or a cluster lies in two strata.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        raise fail("two scores of each section", f"shapes {list(a.shape)} and {list(b.shape)}")
    return bootstrap_mean(a - b, cluster, stratum=stratum, n_boot=n_boot, level=level, rng=rng)


def _codes(labels: Any, m: int, name: str) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (m,):
        raise fail(f"a {name} for each of {m} sections", f"an array of shape {list(labels.shape)}")
    return np.unique(labels.astype(str), return_inverse=True)[1]


def _draws(
    values: np.ndarray, cluster: np.ndarray, stratum: np.ndarray, n_boot: int, rng: np.random.Generator
) -> np.ndarray:
    """Mean over sections of each draw ``[n_boot]``."""
    order = np.argsort(cluster, kind="stable")
    values = values[order]
    _, start, size = np.unique(cluster[order], return_index=True, return_counts=True)
    home = stratum[order][start]  # of each cluster
    if (home.repeat(size) != stratum[order]).any():
        raise fail("each cluster in one stratum", "a cluster in several")
    total, count = np.zeros(n_boot), np.zeros(n_boot)
    within = np.arange(size.max())
    for s in home:  # as many clusters as there are, each from the stratum of one of them
        own = np.flatnonzero(home == s)
        drawn = own[rng.integers(len(own), size=n_boot)]
        place = (rng.random((n_boot, len(within))) * size[drawn, None]).astype(np.intp)
        used = within < size[drawn, None]
        total += np.where(used, values[start[drawn, None] + place], 0.0).sum(axis=1)
        count += size[drawn]
    return total / count
