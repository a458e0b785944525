"""RCTD (Cable et al. 2022, Nat. Biotechnol. 40:517) in Python (rctd-py), full mode, defaults of spacexr.

But for cells: its least of 25 of a type would drop rare types, so that every type of the reference is kept.
"""

from typing import Any

import numpy as np
import rctd  # type: ignore[import-not-found]


def deconvolve(X: Any, R: Any, labels: np.ndarray, xy: np.ndarray, seed: int) -> np.ndarray:
    """Weights ``[n, t]`` of the types; spots that it leaves out for too few counts get zeros."""
    import pandas as pd
    from anndata import AnnData

    names = [f"type{k:03d}" for k in range(labels.max() + 1)]
    genes = [f"gene{j}" for j in range(X.shape[1])]
    spots, cells = AnnData(X.astype(np.float32)), AnnData(R.astype(np.float32))
    spots.var_names = cells.var_names = genes
    cells.obs["cell_type"] = pd.Categorical([names[k] for k in labels])
    reference = rctd.Reference(cells, cell_min=1, min_UMI=1)
    result = rctd.run_rctd(spots, reference, mode="full", config=rctd.RCTDConfig(device="cpu", compile=False))
    weights = pd.DataFrame(np.maximum(result.weights, 0), columns=result.cell_type_names)
    found = np.zeros((X.shape[0], len(names)))
    kept = slice(None) if result.pixel_mask is None else result.pixel_mask
    found[kept] = weights.reindex(columns=names, fill_value=0.0)
    return found
