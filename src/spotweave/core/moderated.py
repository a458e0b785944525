"""Differences between two groups of few replicates, with variances shrunk over all that was measured."""

from typing import NamedTuple

import numpy as np
from scipy.special import digamma, polygamma, stdtr

from .._check import fail

MOST_DF = 1e6


class Moderated(NamedTuple):
    """Of each of k measured things ``[k]``, but the degrees of freedom."""

    mean: np.ndarray
    """Of each group ``[2, k]``."""
    difference: np.ndarray
    """Group 1 less group 0."""
    se: np.ndarray
    variance: np.ndarray
    """Of a replicate of precision 1, not shrunk."""
    df: float
    """Degrees of freedom, prior ones included."""
    pvalue: np.ndarray


def moderated_contrast(values: np.ndarray, group: np.ndarray, precision: np.ndarray) -> Moderated:
    r"""Moderated t test (Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3:3).

    Variances :math:`s^2` of d degrees of freedom are shrunk to
    :math:`\tilde s^2 = (d_0 s_0^2 + d s^2) / (d_0 + d)`, with :math:`d_0, s_0^2` from the mean and variance of
    :math:`\log s^2` over all k.

    Parameters
    ----------
    values
        ``[R, k]``.
    group
        0 or 1 ``[R]``.
    precision
        Relative precision of each replicate ``[R]``.
    """
    n = np.bincount(group, minlength=2)
    if n.min() < 1 or n.sum() < 3:
        raise fail("three replicates at least, one in each of two groups", f"{n.tolist()}")
    weights = np.eye(2)[group].T * precision  # [2, R]
    total = weights.sum(axis=1)
    mean = weights @ values / total[:, None]
    d = float(n.sum() - 2)
    variance = precision @ (values - mean[group]) ** 2 / d
    d0, s0 = prior(variance, d)
    shrunk = np.full_like(variance, s0) if np.isinf(d0) else (d0 * s0 + d * variance) / (d0 + d)
    se = np.sqrt(np.maximum(shrunk * (1 / total).sum(), 1e-300))
    df, difference = min(d + d0, MOST_DF), mean[1] - mean[0]
    return Moderated(mean, difference, se, variance, df, 2 * stdtr(df, -np.abs(difference) / se))


def prior(variance: np.ndarray, d: float) -> tuple[float, float]:
    """Degrees of freedom (may be infinite) and value of the variances' prior."""
    logs = np.log(variance[variance > 0])
    if len(logs) < 2:
        return 0.0, 0.0
    centred = logs - digamma(d / 2) + np.log(d / 2)
    beyond = centred.var(ddof=1) - float(polygamma(1, d / 2))
    if beyond <= 0:
        return np.inf, float(np.exp(centred.mean()))
    half = _trigamma_inverse(beyond)
    return 2 * half, float(np.exp(centred.mean() + digamma(half) - np.log(half)))


def _trigamma_inverse(y: float) -> float:
    """Newton's method on 1 / trigamma, which is convex (Smyth 2004, appendix)."""
    x = 0.5 + 1 / y
    for _ in range(50):
        value = float(polygamma(1, x))
        step = value * (1 - value / y) / float(polygamma(2, x))
        x += step
        if abs(step) < 1e-10 * x:
            break
    return x
