"""Our ways to predict genes, with the coverage of their intervals."""

from typing import Any, cast

import numpy as np

from ..core.graph import knn
from ..core.imputation.intervals import LEVELS, Intervals
from ..core.imputation.methods import METHODS
from ..core.imputation.pair import make_pair, totals
from ..core.imputation.predict import predict
from ..core.imputation.quality import gene_features
from ..core.propagate import symmetrise
from ..tl._impute_fit import Place, learn
from ._impute_pair import Pair

N_FOLDS, N_NEIGHS = 5, 6
"""Defaults of `tl.impute`."""


def ours(pair: Pair, rng: np.random.Generator, *, method: str) -> tuple[np.ndarray, dict[float, Any]]:
    """Do what `tl.impute` does, on arrays and at every level.

    Returns
    -------
    Expected counts ``[n, t]``, and of each of `LEVELS` the ends of the intervals, two arrays ``[n, t]``.
    """
    inner = make_pair(pair.X, pair.R, pair.Y)
    W = symmetrise(knn(pair.xy, n_neighs=N_NEIGHS).connectivities)
    found = learn(inner, Place(pair.xy, None, W), METHODS[method], N_FOLDS, LEVELS, rng)
    shape = (pair.X.shape[0], pair.Y.shape[1])
    means = np.empty(shape, np.float32)
    ends = {level: (np.empty(shape, np.float32), np.empty(shape, np.float32)) for level in LEVELS}
    share = totals(inner.Y) / max(totals(inner.R).sum(), 1)
    intervals = cast("Intervals", found.intervals)  # there are levels
    for block in predict(inner, found.S, found.method, found.held.weights, found.rows, rng):
        means[:, block.genes] = block.means
        expected = found.quality.predict(gene_features(block.covariates, found.held.weights, share[block.genes]))
        for level, found_ends in ends.items():
            both = intervals.bounds(block.means, expected, found.groups, level)
            for end, values in zip(found_ends, both, strict=True):
                end[:, block.genes] = values
    return means, ends
