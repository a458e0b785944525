"""How far an estimate follows a cell's own counts, its neighbours' counts, or the model: weights by held-out counts."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

DISPERSIONS = np.array([0.0, 0.003, 0.01, 0.03, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2])
"""Candidates for how much a gene varies around the model."""
REACHES = np.array([0.0, 0.03, 0.1, 0.3, 1.0])
"""Candidates for what a neighbour's count is worth beside the cell's own."""
MAX_ROWS = 5_000
"""Cells that the weights are chosen on."""
BLOCK = 64
"""Genes at a time."""
N_ERRORS = 2.0
"""Standard errors over genes by which neighbours have to gain before they are used."""

Genes = slice | np.ndarray
"""Which genes: a slice or indices."""
Means = Callable[[np.ndarray | slice, Genes], np.ndarray]
"""``(rows, genes) -> [rows, genes]``: expected counts by the model, at each cell's own depth."""


class Guard(NamedTuple):
    """What decides between the model, a cell's own counts and its neighbours'."""

    dispersion: np.ndarray
    """Variation of each gene around the model, alpha ``[g]``; 0: follow the model alone."""
    reach: np.ndarray
    """What a neighbour's count is worth beside the cell's own, kappa ``[g]``; 0: neighbours are not looked at."""
    gains: np.ndarray
    """Mean gain in held-out log-likelihood of a gene with each of `REACHES`, against none."""


class Evidence(NamedTuple):
    """Counts around a block of cells and genes, and what the model expected of them."""

    mean: np.ndarray
    """[b, g]."""
    counts: np.ndarray
    """[b, g]."""
    mean_around: np.ndarray
    """Sum over the neighbours [b, g]."""
    counts_around: np.ndarray
    """Sum over the neighbours [b, g]."""


def posterior_mean(e: Evidence, dispersion: np.ndarray | float, reach: np.ndarray | float) -> np.ndarray:
    r"""Expected count given the model's mean and the counts in and around the cell.

    The rate of a gene in a cell is :math:`\mu u` with :math:`u \sim \mathrm{Gamma}(1/\alpha, 1/\alpha)`, so that counts
    are negative binomial of dispersion :math:`\alpha` around the model; a neighbour's count is worth :math:`\kappa` of
    the cell's own in telling u:

    .. math:: \hat\mu_i = \mu_i \frac{1 + \alpha (x_i + \kappa \sum_j x_j)}{1 + \alpha (\mu_i + \kappa \sum_j \mu_j)}

    For :math:`\kappa = 0` this is the empirical Bayes estimate of a negative binomial (Robbins 1956); as
    :math:`\alpha \to \infty` it is the raw count, at :math:`\alpha = 0` the model.

    Parameters
    ----------
    e
        Counts and means ``[b, g]``.
    dispersion
        :math:`\alpha`, one or ``[g]``.
    reach
        :math:`\kappa`, one or ``[g]``.

    Returns
    -------
    ``[b, g]``.
    """
    count, mean = _pooled(e, reach)
    return e.mean * (1 + dispersion * count) / (1 + dispersion * mean)


def posterior_variance(e: Evidence, dispersion: np.ndarray | float, reach: np.ndarray | float) -> np.ndarray:
    r"""Variance of the rate under the same model, :math:`\mu^2 \alpha (1 + \alpha \tilde x) / (1 + \alpha \tilde\mu)^2`.

    Tildes are the sums over the cell and :math:`\kappa` times its neighbours; arguments as in `posterior_mean`.
    """
    count, mean = _pooled(e, reach)
    return e.mean**2 * dispersion * (1 + dispersion * count) / (1 + dispersion * mean) ** 2


def weights(e: Evidence, dispersion: np.ndarray | float, reach: np.ndarray | float) -> np.ndarray:
    """Shares of the model, the neighbours and the cell's own count in `posterior_mean`, ``[3, b, g]``, sum 1."""
    total = 1 + dispersion * _pooled(e, reach)[1]
    return np.stack([1 / total, dispersion * reach * e.mean_around / total, dispersion * e.mean / total])


def evidence(means: Means, X: sp.csc_matrix, W: sp.csr_matrix, rows: np.ndarray | None, genes: Genes) -> Evidence:
    """Collect what a block of cells (None: all) and genes needs; `X` holds counts ``[n, g]``, `W` the graph."""
    if rows is None:
        mean, count = means(slice(None), genes), X[:, genes].toarray().astype(np.float32)
        return Evidence(mean, count, _around(W, mean), _around(W, count))
    around = W[rows]
    reached = np.unique(np.concatenate([rows, around.indices]))
    mean = means(reached, genes)
    count = X[:, genes][reached].toarray().astype(np.float32)
    own, local = np.searchsorted(reached, rows), around[:, reached]
    return Evidence(mean[own], count[own], _around(local, mean), _around(local, count))


def gene_blocks(n_genes: int, size: int = BLOCK) -> Iterator[slice]:
    """Yield slices over the genes."""
    for start in range(0, n_genes, size):
        yield slice(start, min(start + size, n_genes))


def fit_guard(
    means: Means,
    X: sp.csc_matrix,
    held_out: sp.csc_matrix,
    ratio: float,
    W: sp.csr_matrix,
    *,
    rows: np.ndarray,
    flat: np.ndarray | None = None,
) -> Guard:
    r"""Choose :math:`\alpha` of each gene and :math:`\kappa` by the likelihood of held-out molecules.

    For each candidate the held-out molecules have a Poisson likelihood around `posterior_mean`. A sparse gene has too
    few of them to choose for itself, so the candidates get a prior that is estimated from all genes (nonparametric
    maximum likelihood over the grid, by EM: Kiefer and Wolfowitz 1956; Koenker and Mizera 2014), and :math:`\alpha` is
    such that the weight of the own count at the gene's mean is the posterior mean of that weight. One :math:`\kappa`
    serves all genes with a pattern, and only when the gain is `N_ERRORS` standard errors above zero over genes.

    Parameters
    ----------
    means
        The model, fitted to `X`.
    X
        Counts ``[n, g]``.
    held_out
        Molecules that the model has not seen ``[n, g]``.
    ratio
        Expected held-out molecules for one in `X`.
    W
        Graph ``[n, n]``; without edges, neighbours are not considered.
    rows
        Cells that the choice is made on, see `chosen_rows`.
    flat
        Genes without a pattern ``[g]``, bool: their neighbours say nothing.

    Returns
    -------
    Dispersion and reach of each gene.
    """
    g = X.shape[1]
    flat = np.zeros(g, bool) if flat is None else flat
    reaches = REACHES if W.nnz else REACHES[:1]
    L = np.zeros((len(reaches), len(DISPERSIONS), g))
    mean, seen = np.zeros((len(reaches), g)), np.zeros(g)
    for genes in gene_blocks(g):
        e = evidence(means, X, W, rows, genes)
        target = held_out[:, genes][rows].tocoo()
        seen[genes] = np.bincount(target.col, target.data, minlength=e.mean.shape[1])
        for k, reach in enumerate(reaches):
            mean[k, genes] = _pooled(e, reach)[1].mean(axis=0)
            for a, alpha in enumerate(DISPERSIONS):
                L[k, a, genes] = poisson_log_likelihood(target, posterior_mean(e, alpha, reach) * ratio)
    told = (seen > 0) & ~flat
    fits = [shared_prior(L[k][:, told]) for k in range(len(reaches))]
    gains = np.array([(fit[1] - fits[0][1]).mean() if told.any() else 0.0 for fit in fits])
    chosen = _significant(fits, gains)
    dispersion = _dispersion(L[chosen], fits[chosen][0], mean[chosen])
    plain = _dispersion(L[0], shared_prior(L[0][:, (seen > 0) & flat])[0], mean[0])
    return Guard(np.where(flat, plain, dispersion), np.where(flat, 0.0, reaches[chosen]), gains)


def chosen_rows(n: int, rng: np.random.Generator) -> np.ndarray:
    """Indices of at most `MAX_ROWS` random cells, sorted."""
    return np.arange(n) if n <= MAX_ROWS else np.sort(rng.choice(n, MAX_ROWS, replace=False))


def _around(W: sp.csr_matrix, values: np.ndarray) -> np.ndarray:
    """Sum over neighbours; no product where there is no edge."""
    return W.astype(np.float32) @ values if W.nnz else np.zeros((W.shape[0], values.shape[1]), np.float32)


def _pooled(e: Evidence, reach: np.ndarray | float) -> tuple[np.ndarray, np.ndarray]:
    if not np.any(reach):
        return e.counts, e.mean
    return e.counts + reach * e.counts_around, e.mean + reach * e.mean_around


def poisson_log_likelihood(target: sp.coo_matrix, mean: np.ndarray) -> np.ndarray:
    """Poisson log-likelihood of each gene, less what depends on the counts alone."""
    seen = target.data * np.log(np.maximum(mean[target.row, target.col], 1e-12))
    return np.bincount(target.col, seen, minlength=mean.shape[1]) - mean.sum(axis=0, dtype=np.float64)


def shared_prior(L: np.ndarray, n_steps: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Prior of the candidates ``[a]`` from log-likelihoods ``[a, g]``, and each gene's log-evidence under it."""
    prior = np.full(len(L), 1 / len(L))
    if not L.shape[1]:
        return np.eye(len(L))[0], np.zeros(0)
    top = L.max(axis=0)
    E = np.exp(L - top)
    for _ in range(n_steps):
        prior = (prior[:, None] * E / (prior @ E)).mean(axis=1)
    return prior, top + np.log(prior @ E)


def _significant(fits: list[tuple[np.ndarray, np.ndarray]], gains: np.ndarray) -> int:
    """Best reach that gains clearly, else 0."""
    chosen = 0
    for k in range(1, len(fits)):
        gain = fits[k][1] - fits[0][1]
        if len(gain) > 1 and gains[k] > max(gains[chosen], N_ERRORS * gain.std(ddof=1) / np.sqrt(len(gain))):
            chosen = k
    return chosen


def _dispersion(L: np.ndarray, prior: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Dispersion whose weight of the counts at the gene's mean is the posterior mean of that weight ``[g]``."""
    with np.errstate(divide="ignore"):
        score = L + np.log(prior)[:, None]
    posterior = np.exp(score - score.max(axis=0))
    posterior /= posterior.sum(axis=0)
    scaled = DISPERSIONS[:, None] * mean
    weight = (posterior * scaled / (1 + scaled)).sum(axis=0)
    return np.divide(weight, mean * (1 - weight), out=np.zeros(len(mean)), where=mean > 0)
