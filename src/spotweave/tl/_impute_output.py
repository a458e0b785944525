"""What `impute` returns: predictions of all wanted genes, block by block, and the AnnData around them."""

from collections.abc import Mapping
from copy import deepcopy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from .. import _keys as keys
from .._gene_names import GeneMatch
from ..core.imputation.folds import HeldOut
from ..core.imputation.intervals import LEVELS
from ..core.imputation.level import fit_level
from ..core.imputation.methods import Method
from ..core.imputation.pair import sizes, totals
from ..core.imputation.pattern import moran_of_counts
from ..core.imputation.predict import predict
from ..core.imputation.quality import gene_features
from ._impute_fit import Found
from ._impute_scores import COVERED

if TYPE_CHECKING:
    from anndata import AnnData

NOTE = (
    "Predictions from other genes and another data set: look at them, expect little of them for clustering, do not test "
    "them for differences. X is expected counts; a gene's level is a guess, its pattern is what was predicted."
)


class Filled(NamedTuple):
    """Predictions of all wanted genes."""

    X: np.ndarray
    """``[n, t]`` float32, as are both ends of the interval."""
    lower: np.ndarray | None
    upper: np.ndarray | None
    var: pd.DataFrame


def fill(found: Found, level: float | None, rng: np.random.Generator) -> Filled:
    """Predict, block of genes after block, with intervals of a level."""
    n, t = found.pair.X.shape[0], found.pair.Y.shape[1]
    X = np.empty((n, t), np.float32)
    ends = None if found.intervals is None else (np.empty((n, t), np.float32), np.empty((n, t), np.float32))
    share = totals(found.pair.Y) / max(totals(found.pair.R).sum(), 1)
    parts = []
    for block in predict(found.pair, found.S, found.method, found.held.weights, found.rows, rng):
        genes = block.genes
        features = gene_features(block.covariates, found.held.weights, share[genes])
        expected = found.quality.predict(features)
        X[:, genes] = block.means
        if found.intervals is not None and ends is not None and level is not None:
            ends[0][:, genes], ends[1][:, genes] = found.intervals.bounds(block.means, expected, found.groups, level)
        parts.append(_of_genes(block.means, features, expected, found))
    var = pd.concat(parts, ignore_index=True)
    var["reference_mean"] = totals(found.pair.Y) / found.pair.Y.shape[0]
    lower, upper = ends or (None, None)
    return Filled(X, lower, upper, var)


def _of_genes(means: np.ndarray, features: np.ndarray, expected: np.ndarray, found: Found) -> pd.DataFrame:
    """What is said of each wanted gene of a block."""
    moran, _ = moran_of_counts(means, sizes(found.pair.X), found.W)
    return pd.DataFrame(
        {
            "expected_correlation": expected,
            "pattern": np.maximum(np.exp(features[:, 0]) - 0.01, 0.0),
            "mean": means.mean(axis=0),
            "moran": moran,
        }
    )


def result(adata: "AnnData", found: Found, filled: Filled, said: Mapping[str, Any]) -> "AnnData":
    """Return the AnnData of cells x predicted genes."""
    from anndata import AnnData

    layers = {} if filled.lower is None else {keys.LOWER: filled.lower, keys.UPPER: filled.upper}
    spatial_key = said["params"]["spatial_key"]
    xy = {spatial_key: np.array(adata.obsm[spatial_key])}
    imputed = AnnData(filled.X, obs=adata.obs.copy(), var=filled.var, layers=layers, obsm=xy)
    imputed.obs[keys.PANEL_COUNTS] = sizes(found.pair.X)
    if keys.SPATIAL in adata.uns:
        imputed.uns[keys.SPATIAL] = deepcopy(adata.uns[keys.SPATIAL])
    imputed.uns[keys.IMPUTED] = dict(said)
    return imputed


def said(match: GeneMatch, found: Found) -> dict[str, Any]:
    """Return everything but the predictions, for ``uns``."""
    held, scores = found.held, found.scores
    level = fit_level(totals(found.pair.X), totals(found.pair.R))
    flat = int(scores["flat"].sum())
    return {
        "held_out": scores.set_axis(pd.Index(match.names.astype(str)), axis=0),
        "coverage": {f"{nominal:g}": float(scores[c].mean()) for nominal, c in zip(LEVELS, COVERED, strict=True)},
        "false_patterns": {
            "n_flat": flat,
            "n_patterned": int(scores["flat_patterned"].sum()),
            "share": float(scores["flat_patterned"].sum() / flat) if flat else float("nan"),
        },
        "weights": weights_by_name(found.method, held),
        "converged": held.weights.converged,
        "level": {"slope": level.slope, "error": level.error},
        "quality_correlation": found.quality.correlation,
        "n_shared": len(match.names),
        "matched": match.how,
        "n_reference": found.pair.R.shape[0],
        "scale": "expected counts",
        "note": NOTE,
    }


def weights_by_name(method: Method, held: HeldOut) -> Mapping[str, float]:
    """Weights of routes, of averages over neighbours, and of depth."""
    names = [route.__name__ for route in method.routes] + [f"neighbors_{h}_hops" for h in method.hops]
    names += ["depth", "neighbors_depth"]
    return dict(zip(names, map(float, held.weights.all), strict=True))
