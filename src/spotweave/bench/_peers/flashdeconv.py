"""FlashDeconv (Yang 2025) with its defaults: regression on log profiles of weighted genes, smoothed over neighbours."""

from typing import Any

import flashdeconv  # type: ignore[import-not-found]
import numpy as np


def warm() -> None:
    """Have its loops compiled."""
    rng = np.random.default_rng(0)
    X, R = rng.poisson(5.0, (40, 60)), rng.poisson(5.0, (30, 60))
    deconvolve(X, R, np.arange(30) % 3, rng.random((40, 2)), 0)


def deconvolve(X: Any, R: Any, labels: np.ndarray, xy: np.ndarray, seed: int) -> np.ndarray:
    """Shares ``[n, t]`` of the types, by its function for AnnData."""
    import pandas as pd
    from anndata import AnnData
    from scipy.sparse import csr_matrix

    names = [f"type{k:03d}" for k in range(labels.max() + 1)]
    spots, cells = (AnnData(csr_matrix(counts, dtype=np.float32)) for counts in (X, R))
    cells.obs["cell_type"] = pd.Categorical([names[k] for k in labels])
    spots.obsm["spatial"] = xy
    flashdeconv.tl.deconvolve(spots, cells, cell_type_key="cell_type", random_state=seed)
    return spots.obsm["flashdeconv"][names].to_numpy()
