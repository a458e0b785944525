"""Panel genes judged against their own counts, after they were predicted without them."""

import numpy as np
import pandas as pd

from ..core.graph import knn
from ..core.imputation.folds import HeldOut
from ..core.imputation.intervals import LEVELS, cross_coverage, depth_edges, depth_groups
from ..core.imputation.pattern import moran_of_counts
from ..core.imputation.quality import fit_quality, gene_features
from ..core.likelihood import fit_dispersion
from ..metrics import imputation_scores

N_NEIGHS = 6
FLAT = 0.05
"""Measured genes whose Moran's I has a larger p-value have no pattern that counts could show."""
COVERED = [f"coverage_{level * 100:g}" for level in LEVELS]
SCORES = ["pcc", "ssim", "rmse", "js", "residual_r", "deviance_explained"]


def score_genes(
    held: HeldOut, xy: np.ndarray, library: np.ndarray | None, share: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    """Scores of each panel gene ``[p]``.

    Parameters
    ----------
    held
        Held-out predictions.
    xy, library
        Coordinates and slides of the cells that are judged ``[r, 2]``, ``[r]``.
    share
        Of each gene in the reference's panel counts ``[p]``.
    rng
        Draws counts from the predictions, so that their Moran's I can be compared with that of measured counts.

    Returns
    -------
    Columns `SCORES`, ``fold``, ``mean``, ``mean_expected``, ``moran``, ``moran_expected`` (of counts drawn from the
    prediction), ``flat`` (the measured counts show no pattern), ``flat_patterned`` (counts drawn from the prediction
    do), `COVERED` (share of cells inside intervals that are calibrated on the other folds).
    """
    p = held.counts.shape[1]
    table = np.full((len(SCORES), p), np.nan)
    for k in np.unique(held.fold):
        genes = np.flatnonzero(held.fold == k)
        if held.depth[:, genes[0]].any():
            table[:, genes] = imputation_scores(held.counts[:, genes], held.means[:, genes], held.depth[:, genes[0]])
    scores = pd.DataFrame(dict(zip(SCORES, table, strict=True)))
    scores["fold"] = held.fold
    scores["mean"], scores["mean_expected"] = held.counts.mean(axis=0), held.means.mean(axis=0)
    depth = held.depth.max(axis=1)
    W = knn(xy, n_neighs=min(N_NEIGHS, len(xy) - 1), library=library).connectivities
    measured = moran_of_counts(held.counts, depth, W)
    drawn = moran_of_counts(_drawn(held, rng), depth, W)
    scores["moran"], scores["moran_expected"] = measured[0], drawn[0]
    scores["flat"] = measured[1] > FLAT
    scores["flat_patterned"] = scores["flat"] & (drawn[1] <= FLAT)
    features = gene_features(held.covariates, held.weights, share)
    expected = fit_quality(features, table[SCORES.index("residual_r")]).predict(features)
    groups = depth_groups(depth, depth_edges(depth))
    covered = cross_coverage(held.counts, held.means, expected, groups, held.fold)
    return scores.assign(expected_correlation=expected, **dict(zip(COVERED, covered, strict=True)))


def _drawn(held: HeldOut, rng: np.random.Generator) -> np.ndarray:
    """Counts from the predictions ``[r, p]``, scaled to the measured level, as noisy as those measured."""
    total = held.means.sum(axis=0)
    means = held.means * np.divide(held.counts.sum(axis=0), total, out=np.zeros_like(total), where=total > 0)
    alpha = fit_dispersion(lambda: iter([(slice(None), held.counts)]), lambda rows: means[rows])
    shape = 1 / np.maximum(alpha, 1e-3)
    return rng.poisson(means * rng.gamma(shape, 1 / shape, size=means.shape)).astype(np.float64)
