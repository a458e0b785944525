"""One p value out of several dependent ones."""

import numpy as np
from scipy.special import log_ndtr, logsumexp

HIGHEST = 0.9
"""p values above count as this one: else a single p near 1 would outweigh small ones."""
N_DRAWS = 100_000
"""Random vectors of the table: 100 of them beyond p = 0.001, where it ends."""
TABLE_END = 1e-3


def combine(log_p: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    r"""Combine the p values of tests whose statistics correlate, by the Cauchy combination.

    .. math:: t = \frac1k \sum_i \tan\left((\tfrac12 - p_i) \pi\right), \quad p = \tfrac12 - \arctan(t) / \pi

    (Liu and Xie 2020, JASA 115:393). It is exact in the far tail whatever the dependence, yet not at 5 %. There the
    distribution of p over normal statistics of the given correlation corrects it: a table of random draws, always the
    same ones, down to p = 0.001, and its last ratio beyond.

    Parameters
    ----------
    log_p
        Logs of p values ``[g, k]``.
    correlation
        Of the k statistics under the null ``[k, k]``.

    Returns
    -------
    Logs of the combined p values ``[g]``.
    """
    k = len(correlation)
    if k == 1:
        return log_p[:, 0]
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0))
    draws = np.random.default_rng(0).normal(size=(N_DRAWS, k)) @ root.T
    null = np.sort(_cauchy(log_ndtr(-draws)))
    levels = np.geomspace(TABLE_END, 1, 60)
    at = null[np.minimum((levels * N_DRAWS).astype(int), N_DRAWS - 1)]
    found = _cauchy(log_p)
    return np.where(found < at[0], found - at[0] + np.log(TABLE_END), np.interp(found, at, np.log(levels)))


def _cauchy(log_p: np.ndarray) -> np.ndarray:
    log_p = np.minimum(log_p, np.log(HIGHEST))
    small = -(logsumexp(-log_p, axis=1) - np.log(log_p.shape[1]))  # t is about mean(1 / p) / pi
    t = np.tan((0.5 - np.exp(np.maximum(log_p, -25))) * np.pi).mean(axis=1)
    return np.where(small < -20, small, np.log(np.maximum(0.5 - np.arctan(t) / np.pi, 1e-300)))


def false_discovery_rate(pvalue: np.ndarray) -> np.ndarray:
    """Smallest rate of false discoveries at which each test is found (Benjamini and Hochberg 1995), ``[g]``."""
    n = len(pvalue)
    order = np.argsort(pvalue, kind="stable")
    q = np.empty(n)
    q[order] = np.minimum(np.minimum.accumulate((pvalue[order] * n / np.arange(1, n + 1))[::-1])[::-1], 1)
    return q
