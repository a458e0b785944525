"""Predicted genes judged by the counts that were kept from the method."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..core.conformal import coverage
from ..core.graph import knn
from ..core.imputation.pattern import moran_of_counts
from ..metrics import imputation_scores
from ._denoise_rivals import depths
from ._details import write_details
from ._impute_data import Panels
from ._impute_fit import Imputed

SCORES = ["pcc", "ssim", "rmse", "js", "residual_r", "deviance_explained"]
MEDIANS = ["residual_r", "deviance_explained"]
N_NEIGHS = 6
BLOCK = 4_000_000  # entries held dense at once, 32 MB


def score(panels: Panels, found: Imputed) -> list[dict[str, Any]]:
    """One row of means over genes; a table of the genes goes into the folder of details."""
    ends = found.ends or [{}] * len(found.means)
    folds = [_of_fold(panels, k, *both) for k, both in enumerate(zip(found.means, ends, strict=True))]
    genes = pd.concat(folds, ignore_index=True)
    if panels.dataset.details is not None:
        first = ["fold", *(column for column in genes if column != "fold")]
        write_details(panels.dataset.details, genes[first], panels.dataset.name, *found.run)
    row: dict[str, Any] = {
        "n_obs": panels.X.shape[0],
        "n_reference": panels.R.shape[0],
        "n_genes": len(panels.genes),
        "n_wanted": len(genes),
        "n_folds": len(found.means),
    }
    row |= {name: genes[name].mean() for name in [*SCORES, *(["rate_r"] if "rate_r" in genes else [])]}
    row |= {f"{name}_median": genes[name].median() for name in MEDIANS}
    row |= {name: genes[name].mean() for name in map(str, genes) if name.startswith("coverage_")}
    row["moran_error"] = (genes["moran_predicted"] - genes["moran_truth"]).abs().mean()
    return [{**row, **found.costs}]


def _of_fold(panels: Panels, fold: int, means: np.ndarray, ends: Mapping[float, Any]) -> pd.DataFrame:
    """Scores of each gene of a fold, and the share of its cells inside each interval."""
    wanted = panels.folds()[fold]
    if means.shape != (panels.X.shape[0], len(wanted)):
        msg = f"expected predictions of shape {[panels.X.shape[0], len(wanted)]}; found {list(means.shape)}"
        raise ValueError(msg)
    panel = np.setdiff1d(np.arange(len(panels.genes)), wanted)
    depth, W = depths(panels.X[:, panel]), knn(panels.xy, n_neighs=N_NEIGHS).connectivities
    parts = [_of_block(panels, wanted[block], means[:, block], depth, W) for block in _blocks(*means.shape)]
    truth = panels.X[:, wanted].toarray() if ends else np.empty(0)
    inside = {f"coverage_{100 * level:g}": coverage(truth, *both) for level, both in ends.items()}
    return pd.concat(parts).assign(fold=fold, **inside)


def _of_block(
    panels: Panels, wanted: np.ndarray, means: np.ndarray, depth: np.ndarray, W: sp.csr_matrix
) -> pd.DataFrame:
    truth, q = panels.X[:, wanted].toarray().astype(np.float64), np.asarray(means, np.float64)
    total = q.sum(axis=0)
    scaled = q * np.divide(truth.sum(axis=0), total, out=np.zeros(len(total)), where=total > 0)
    table = pd.DataFrame({"gene": panels.genes[wanted], **imputation_scores(truth, q, depth)._asdict()})
    for name, values in (("moran_truth", truth), ("moran_predicted", scaled)):
        table[name], _ = moran_of_counts(values, depth, W)
    if panels.rates is not None:
        table["rate_r"] = imputation_scores(panels.rates[:, wanted], q, depth).residual_r
    return table


def _blocks(n: int, t: int) -> Iterator[slice]:
    size = max(1, BLOCK // n)
    return (slice(start, min(start + size, t)) for start in range(0, t, size))
