"""Columns of two matrices compared, one by one."""

import numpy as np
from scipy.special import rel_entr

CONSTANT = 1e-10  # variance, as a part of the mean square, below which values are constant: the rest is rounding


def correlation(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Pearson correlation ``[t]`` of columns ``[n, t]``, 0 where one of both does not vary."""
    return (standardised(x) * standardised(q)).mean(axis=0)


def jensen_shannon(x: np.ndarray, q: np.ndarray) -> np.ndarray:
    """Jensen-Shannon divergence ``[t]`` of columns that are not negative, each divided by its sum: from 0 to log 2.

    Natural logarithm; log 2 where one of both is 0 everywhere.
    """
    p, r = over(x, x.sum(axis=0)), over(q, q.sum(axis=0))
    middle = (p + r) / 2
    found = (rel_entr(p, middle) + rel_entr(r, middle)).sum(axis=0) / 2
    return np.where(x.any(axis=0) & q.any(axis=0), found, np.log(2))


def standardised(x: np.ndarray, smallest: float = 0.0) -> np.ndarray:
    """z-scores of each column, 0 where it does not vary."""
    variance = x.var(axis=0)
    varies = variance > CONSTANT * (x**2).mean(axis=0) + smallest
    return np.where(varies, (x - x.mean(axis=0)) / np.sqrt(np.where(varies, variance, 1.0)), 0.0)


def over(x: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Columns divided, 0 where `by` is 0."""
    return np.divide(x, by, out=np.zeros_like(x), where=by > 0)
