"""The route through cell states: clusters of the reference, weighed by how well they explain a cell's panel counts."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import logsumexp

from .features import features
from .linear import busiest, components, panel_features
from .neighbors import log_ratio
from .pair import Pair, Predict, sizes, totals

SMALLEST = 1e-10
"""Share of the panel below which a gene counts as this: no gene is impossible in any state."""


def mixture(
    pair: Pair,
    rng: np.random.Generator,
    *,
    n_states: int = 10,
    temper: float = 0.1,
    shrink: float = 0.05,
    rank: int = 20,
    n_steps: int = 10,
    most_genes: int = 4_000,
) -> Predict:
    r"""Weigh clusters of the reference by the likelihood of the cell's counts.

    Given its depth, the panel of a cell is multinomial with shares :math:`\propto \lambda_{kg} s_g` in state k, where
    :math:`\lambda` are the shares of genes in clusters of the reference (k-means on principal components) and s the
    platform's sensitivity for each gene. States' weights and sensitivities are fitted by EM, the likelihood raised to
    the power `temper`: counts vary more than a multinomial does. A wanted gene is expected at
    :math:`\sum_k p_{ik} \lambda_{kg}`.

    Parameters
    ----------
    pair
        Counts.
    rng
        Seeds k-means.
    n_states
        Clusters of the reference.
    temper
        Power of the likelihood.
    shrink
        Pseudo-counts that draw a cluster's shares to those of all cells, as a part of the median cluster's counts.
    rank
        Principal components for k-means.
    n_steps
        Steps of EM.
    most_genes
        Wanted genes that take part in clustering: those with most counts.

    Returns
    -------
    Log ratios of wanted genes.
    """
    labels = _cluster(pair, n_states, rank, most_genes, rng)
    members = sp.csr_matrix((np.ones(len(labels)), (labels, np.arange(len(labels)))))
    depth = np.asarray(members @ sizes(pair.R)).ravel()
    pseudo = shrink * np.median(depth)
    shares = lambda Y: ((members @ Y).toarray() + pseudo * _share(Y, pair)) / (depth + pseudo)[:, None]
    fitted = fit_states(pair.X, shares(pair.R), totals(members.T) / len(labels), temper, n_steps)
    return lambda genes: log_ratio(fitted.probability @ shares(pair.Y[:, genes]), _share(pair.Y[:, genes], pair))


class States(NamedTuple):
    """Cells dealt out to states of the reference."""

    probability: np.ndarray
    """``[n, k]``, rows sum to 1."""
    weight: np.ndarray
    """``[k]``."""
    sensitivity: np.ndarray
    """``[p]``."""


def fit_states(X: sp.csr_matrix, shares: np.ndarray, weight: np.ndarray, temper: float, n_steps: int) -> States:
    """Fit weights of states and sensitivities of genes to counts ``[n, p]``, given shares ``[k, p]``.

    The sensitivity of a gene is what makes its expected total the measured one; each has one pseudo-count. Counts of
    genes that no state has say nothing about states and are left out.
    """
    known = shares.any(axis=0)
    size, total = X @ known.astype(np.float64), totals(X) * known
    sensitivity = total / max(size.sum(), 1e-12) / np.maximum(weight @ shares, SMALLEST)
    for _ in range(n_steps):
        rates = shares * sensitivity
        seen = rates.sum(axis=1, keepdims=True)
        log_odds = temper * (X @ np.log(np.maximum(rates / seen, SMALLEST)).T) + np.log(weight)
        probability = np.exp(log_odds - logsumexp(log_odds, axis=1, keepdims=True))
        weight = probability.mean(axis=0) + 1e-4
        weight /= weight.sum()
        exposure = (probability * size[:, None]).sum(axis=0) / seen[:, 0]  # [k]
        prior = 1 / max(sensitivity[known].mean(), 1e-12)
        sensitivity = (total + 1) / (exposure @ shares + prior)
    return States(probability, weight, sensitivity)


def _cluster(pair: Pair, k: int, rank: int, most_genes: int, rng: np.random.Generator) -> np.ndarray:
    """Labels of the reference's cells ``[m]``, 0 to at most k - 1, none left out."""
    from sklearn.cluster import KMeans

    _, B = panel_features(pair, "residual")
    wanted = features(pair.Y[:, busiest(pair.Y, most_genes)], sizes(pair.R), "residual")
    Z = components(np.hstack([B, wanted]), rank).scores
    found = KMeans(min(k, len(Z)), n_init=3, random_state=int(rng.integers(2**31))).fit_predict(Z)
    return np.unique(found, return_inverse=True)[1]


def _share(Y: Any, pair: Pair) -> np.ndarray:
    return totals(Y) / sizes(pair.R).sum()
