r"""Several routes made one prediction, with weights that held-out genes choose.

Measured genes are held out of the panel in turn and predicted as if they were not there. Their counts then say how
much of each route, of the tissue around a cell, and of depth a gene that nobody measured should get:

.. math:: \log \mu_{ig} = a_g + \sum_k w_k \hat f_{kig} + \sum_h u_h (S^h \bar f)_{ig} + c \log d_i + c' (S \log d)_i

with :math:`\hat f_k` the routes, :math:`\bar f` their mean at equal variance, S an average of a cell and its
neighbours, d the panel counts of a cell. The likelihood is negative binomial; w and u are not negative (stacking,
Breiman 1996, Mach. Learn. 24:49) and drawn to 0, c to 1, so that weights chosen by a few dozen genes do not follow
these genes' chance. Weights of a route below 1 shrink it: what routes predict too boldly is toned down to what held-out
genes bear out.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.optimize import nnls

from ..likelihood import fit_dispersion

HOPS = (1, 4)
"""How often predictions are averaged with the neighbours' (half of a cell's own each time)."""
PENALTY = 0.3
"""Of weights, as a part of the information that held-out genes hold about each."""
N_DEPTH = 2
"""Covariates at the end that all genes share and whose weights may be negative: own depth, neighbours' depth."""
DISPERSIONS = (0.05, 20.0)
LARGEST = 6.0
"""Largest log ratio of a combined prediction."""


class Weights(NamedTuple):
    """What held-out genes chose."""

    routes: np.ndarray
    """``[k]``, not negative."""
    smooth: np.ndarray
    """For each number of hops, not negative: 0 where space does not help."""
    depth: np.ndarray
    """Powers of own depth and of the neighbours' mean depth ``[2]``."""
    spread: np.ndarray
    """Standard deviation of each route over held-out genes ``[k]``."""
    converged: bool

    @property
    def all(self) -> np.ndarray:
        """In the order of `covariates`."""
        return np.concatenate([self.routes, self.smooth, self.depth])


def covariates(
    routes: Sequence[np.ndarray],
    spread: np.ndarray,
    log_depth: np.ndarray,
    S: sp.csr_matrix,
    rows: np.ndarray | slice,
    n_genes: int,
    *,
    hops: tuple[int, ...] = HOPS,
) -> np.ndarray:
    """Everything that a prediction is made of.

    Parameters
    ----------
    routes
        Predictions of each route for some genes at all cells, ``[n, b]`` each; none: depth alone.
    spread
        Standard deviation of each route ``[k]``, which the mean that is smoothed divides them by.
    log_depth
        Logarithm of the panel counts of the cells ``[n]``.
    S
        Neighbour averages ``[n, n]``, rows sum to 1, or to 0 for a cell without neighbours.
    rows
        Cells that are wanted.
    n_genes
        Number b of genes.
    hops
        How often predictions are averaged with the neighbours', ascending; none without routes.

    Returns
    -------
    ``[k + len(hops) + 2, r, b]`` float32.
    """
    found = [f[rows] for f in routes]
    alone = np.asarray(S.sum(axis=1)).ravel() == 0
    if routes and hops:
        mean = np.sum([f / np.float32(max(s, 1e-9) * len(routes)) for f, s in zip(routes, spread, strict=True)], axis=0)
        for step in range(1, max(hops) + 1):
            mean = (mean + np.where(alone[:, None], mean, S @ mean)) / 2
            if step in hops:
                found.append(mean[rows])
    around = np.where(alone, log_depth, S @ log_depth)
    found += [np.repeat(d[rows][:, None], n_genes, axis=1) for d in (log_depth, around)]
    return np.stack([f.astype(np.float32, copy=False) for f in found])


def fit_weights(x: np.ndarray, C: np.ndarray, spread: np.ndarray, *, n_steps: int = 25) -> Weights:
    """Choose weights by the counts of held-out genes.

    Parameters
    ----------
    x
        Counts of held-out genes ``[r, p]``.
    C
        Their `covariates` ``[c, r, p]``.
    spread
        As given to `covariates` ``[k]``.
    n_steps
        Most steps of reweighted least squares.

    Returns
    -------
    Weights. Genes without counts say nothing.
    """
    some = x.sum(axis=0) > 0
    x, C = np.asarray(x[:, some], np.float64), C[:, :, some]
    k = len(spread)
    prior = np.zeros(len(C))
    prior[-N_DEPTH] = 1.0
    weights, converged = prior.copy(), not some.any()
    base = expected(prior, C, x.sum(axis=0))
    alpha = np.clip(fit_dispersion(lambda: iter([(slice(None), x)]), lambda rows: base[rows]), *DISPERSIONS)
    for _ in range(n_steps if some.any() else 0):
        information, gradient = _moments(x, C, weights, alpha)
        target = _solve(information, information @ weights + gradient, prior)
        step = target - weights
        weights = weights + step * min(1.0, 1.0 / max(np.abs(step).max(), 1e-12))
        converged = bool(np.abs(step).max() < 1e-3)
        if converged:
            break
    return Weights(weights[:k], weights[k:-N_DEPTH], weights[-N_DEPTH:], spread, converged)


def expected(weights: np.ndarray, C: np.ndarray, total: np.ndarray) -> np.ndarray:
    """Expected counts that add up to `total` ``[b]``: ``[r, b]`` float32."""
    mean = np.exp(log_expected(weights, C))
    mean *= (total / mean.sum(axis=0, dtype=np.float64)).astype(np.float32)
    return mean


def log_expected(weights: np.ndarray, C: np.ndarray) -> np.ndarray:
    """Logarithms of expected counts up to a constant a gene ``[r, b]`` float32, bounded."""
    eta = np.zeros(C.shape[1:], np.float32)
    for w, covariate in zip(weights, C, strict=True):
        if w:
            eta += np.float32(w) * covariate
    eta -= eta.mean(axis=0, dtype=np.float64).astype(np.float32)
    return np.clip(eta, -LARGEST, LARGEST, out=eta)


def _moments(x: np.ndarray, C: np.ndarray, weights: np.ndarray, alpha: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Information ``[c, c]`` and gradient ``[c]`` of the weights, each gene's level profiled out; in blocks of genes."""
    c = len(C)
    information, gradient = np.zeros((c, c)), np.zeros(c)
    step = max(1, 2_000_000 // (c * len(x)))
    for start in range(0, x.shape[1], step):
        genes = slice(start, start + step)
        block, a, covariate = x[:, genes], alpha[genes], C[:, :, genes].astype(np.float64)
        mean = expected(weights, covariate, block.sum(axis=0)).astype(np.float64)
        trust = 1 / (1 + a * mean)
        mean *= (block * trust).sum(axis=0) / np.maximum((mean * trust).sum(axis=0), 1e-12)  # one step of the level
        weight, residual = mean / (1 + a * mean), (block - mean) / (1 + a * mean)
        covariate -= (covariate * weight).sum(axis=1, keepdims=True) / weight.sum(axis=0)
        flat = covariate.reshape(c, -1)
        information += (flat * weight.ravel()) @ flat.T
        gradient += flat @ residual.ravel()
    return information, gradient


def _solve(information: np.ndarray, target: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Minimise the penalised quadratic form, all weights but those of depth not negative."""
    ridge = PENALTY * np.diag(information)
    ridge[-N_DEPTH:] = np.maximum(ridge[-N_DEPTH:], 1e-9)
    H = information + np.diag(np.maximum(ridge, 1e-9))
    L = np.linalg.cholesky(H)
    y = np.linalg.solve(L, target + ridge * prior)
    signed = L.T[:, -N_DEPTH:]
    found, _ = nnls(np.hstack([L.T, -signed]), y)
    weights = found[: len(H)]
    weights[-N_DEPTH:] -= found[len(H) :]
    return weights
