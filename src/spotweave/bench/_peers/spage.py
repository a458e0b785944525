"""SpaGE (Abdelaal et al. 2020, Nucleic Acids Res. 48:e107) as in its tutorial: principal vectors, 50 neighbours."""

from typing import Any

import numpy as np
import pandas as pd
from SpaGE.main import SpaGE  # type: ignore[import-not-found]

PER_MILLION = 1e6
VECTORS = 30, 50  # principal vectors of its authors: for a panel of 33 genes (its tutorial), and for larger ones


def impute(X: Any, R: Any, Y: Any, xy: np.ndarray, seed: int) -> np.ndarray:
    """Counts per million ``[n, t]``: predicted logarithms, transformed back.

    As in its tutorial logarithms of the reference are of counts per million, those of the target of counts at the
    median depth. It divides by the standard deviation of each panel gene, so constant ones are left out.
    """
    reference, target = log_normalised([R, Y], PER_MILLION), log_normalised([X], None)
    p = X.shape[1]
    kept = np.flatnonzero((target.std(axis=0) > 0) & (reference[:, :p].std(axis=0) > 0))
    panel, wanted = [f"panel{j}" for j in kept], [f"wanted{j}" for j in range(Y.shape[1])]
    RNA = pd.DataFrame(np.hstack([reference[:, kept], reference[:, p:]]), columns=[*panel, *wanted])
    n_vectors = VECTORS[len(kept) > VECTORS[1]]
    np.random.seed(seed)  # noqa: NPY002 (its PCA draws from there when there are many genes)
    found = SpaGE(pd.DataFrame(target[:, kept], columns=panel), RNA, min(n_vectors, len(kept)), wanted)
    return np.expm1(np.nan_to_num(found[wanted].to_numpy(dtype=np.float64)))


def log_normalised(parts: Any, total: float | None) -> np.ndarray:
    """Logarithms of counts at a common depth (None: the median one), dense."""
    counts = np.hstack([part.toarray() for part in parts]).astype(np.float64)
    depth = counts.sum(axis=1, keepdims=True)
    return np.log1p(counts / np.maximum(depth, 1) * (np.median(depth) if total is None else total))
