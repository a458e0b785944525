"""Measured genes predicted as if they had not been: what weights, scores and intervals are learned from."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from .combine import Weights, covariates, expected, fit_weights
from .level import fit_level
from .methods import Method
from .pair import Pair, make_pair, sizes, totals

FIT_CELLS = 3_000  # that weights are fitted to: they are few, and genes, not cells, bound how sure they are


@dataclass(frozen=True)
class HeldOut:
    """Panel genes, each predicted from genes of the other folds alone."""

    rows: np.ndarray
    """Cells that are judged ``[r]``."""
    counts: np.ndarray
    """What was measured ``[r, p]``."""
    means: np.ndarray
    """What was expected ``[r, p]``; level guessed without the gene, weights fitted to the counts of other folds."""
    depth: np.ndarray
    """Counts of the genes that it was predicted from ``[r, p]``."""
    covariates: np.ndarray
    """Of `combine` ``[c, r, p]``."""
    weights: Weights
    """Chosen by all panel genes."""
    fold: np.ndarray
    """Fold of each gene ``[p]``."""


def hold_out_genes(
    pair: Pair, S: sp.csr_matrix, method: Method, rows: np.ndarray, n_folds: int, rng: np.random.Generator
) -> HeldOut:
    """Hold out each panel gene once.

    Parameters
    ----------
    pair
        Panel and reference; wanted genes are not looked at.
    S
        Neighbour averages ``[n, n]``.
    method
        Routes and hops.
    rows
        Cells to judge.
    n_folds
        Folds that the panel is dealt out to at random.
    rng
        Deals out, and is handed to the routes.

    Returns
    -------
    Predictions of every gene. The weights behind those of a fold are fitted to the counts of the other folds; of the
    gene itself they know only what its place in the panel did for these.
    """
    p, n_routes = pair.X.shape[1], len(method.routes)
    fold = np.empty(p, np.intp)
    fold[rng.permutation(p)] = np.arange(p) * n_folds // p
    counts = np.asarray(pair.X[rows].toarray(), np.float64)
    C = np.zeros((n_routes + len(method.hops) + 2, len(rows), p), np.float32)
    depth, total, spreads = np.zeros(counts.shape, np.float32), np.zeros(p), np.zeros((n_folds, n_routes))
    for k in range(n_folds):
        out, panel = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        part = make_pair(pair.X[:, panel], pair.R[:, panel], pair.R[:, out])
        size = sizes(part.X)
        found = [route(part, rng)(slice(None)) for route in method.routes]
        spreads[k] = [f.std() for f in found]
        C[:, :, out] = covariates(found, spreads[k], log_depth(size), S, rows, len(out), hops=method.hops)
        depth[:, out] = size[rows, None]
        total[out] = guessed_totals(part)
    share_judged = len(rows) / pair.X.shape[0]
    sample = np.sort(rng.choice(len(rows), min(FIT_CELLS, len(rows)), replace=False))
    fit = lambda genes: fit_weights(counts[np.ix_(sample, genes)], C[:, sample][:, :, genes], spreads.mean(axis=0))
    means = np.zeros(counts.shape, np.float32)
    for k in range(n_folds):
        out = np.flatnonzero(fold == k)
        means[:, out] = expected(fit(np.flatnonzero(fold != k)).all, C[:, :, out], total[out] * share_judged)
    return HeldOut(rows, counts, means, depth, C, fit(np.arange(p)), fold)


def guessed_totals(pair: Pair) -> np.ndarray:
    """Counts of each wanted gene that the target would have ``[t]``, by the panel's level in both platforms."""
    of_target, of_reference = totals(pair.X), totals(pair.R)
    level = fit_level(of_target, of_reference)
    share = (totals(pair.Y) + 0.5) / (of_reference + 0.5).sum()
    return level.predict(share) * of_target.sum()


def log_depth(size: np.ndarray) -> np.ndarray:
    """Logarithm of the counts of each cell ``[n]``, of half a count where there is none."""
    return np.log(np.maximum(size, 0.5))
