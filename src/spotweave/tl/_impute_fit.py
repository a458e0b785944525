"""What held-out genes of a panel teach: weights of routes, expected quality, intervals."""

from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..core.imputation.folds import HeldOut, hold_out_genes
from ..core.imputation.intervals import Intervals, depth_edges, depth_groups, fit_intervals
from ..core.imputation.methods import Method
from ..core.imputation.pair import Pair, sizes, totals
from ..core.imputation.patches import judged_cells
from ..core.imputation.quality import Quality, fit_quality, gene_features
from ..core.propagate import row_normalise
from ._impute_scores import score_genes


class Found(NamedTuple):
    """What was learned from held-out genes, and what it is applied to."""

    pair: Pair
    W: sp.csr_matrix
    """Spatial graph ``[n, n]``."""
    S: sp.csr_matrix
    """Neighbour averages ``[n, n]``."""
    method: Method
    held: HeldOut
    rows: np.ndarray
    """Cells that held-out genes were predicted for ``[r]``."""
    quality: Quality
    intervals: Intervals | None
    groups: np.ndarray
    """Group of each cell by depth ``[n]``."""
    scores: pd.DataFrame
    """Of held-out genes: see `score_genes`."""


class Place(NamedTuple):
    """Where the cells of the target lie."""

    xy: np.ndarray
    library: np.ndarray | None
    W: sp.csr_matrix
    """Symmetric spatial graph ``[n, n]``."""


def learn(
    pair: Pair, place: Place, method: Method, n_folds: int, levels: tuple[float, ...], rng: np.random.Generator
) -> Found:
    """Hold out each panel gene once, and learn from what comes of it.

    Parameters
    ----------
    pair
        Panel, reference and wanted genes.
    place
        Of the target's cells.
    method
        Routes and hops.
    n_folds
        Parts that the panel is dealt out to.
    levels
        Of intervals, ascending; none: no intervals.
    rng
        For folds, pieces of tissue and routes.
    """
    n, depth = pair.X.shape[0], sizes(pair.X)
    rows = judged_cells(place.xy, place.library, rng)
    part = pair if len(rows) == n else Pair(pair.X[rows], pair.R, pair.Y)
    around = row_normalise(place.W[rows][:, rows], self_loops=False)
    held = hold_out_genes(part, around, method, np.arange(len(rows)), n_folds, rng)
    share = totals(pair.R) / max(totals(pair.R).sum(), 1)
    library = None if place.library is None else place.library[rows]
    scores = score_genes(held, place.xy[rows], library, share, rng)
    features = gene_features(held.covariates, held.weights, share)
    quality = fit_quality(features, scores["residual_r"].to_numpy())
    groups = depth_groups(depth, depth_edges(depth[rows]))
    expected = quality.predict(features)
    intervals = fit_intervals(held.counts, held.means, expected, groups[rows], levels) if levels else None
    S = row_normalise(place.W, self_loops=False)
    return Found(pair, place.W, S, method, held, rows, quality, intervals, groups, scores)
