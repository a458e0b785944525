"""Stereoscope (Andersson et al. 2020, Commun. Biol. 3:565) of scvi-tools.

Epochs of either model are as many as make up 10,000 steps: a number of epochs, as in its tutorials, would be too few
steps for a small reference.
"""

from typing import Any

import numpy as np
import scvi  # type: ignore[import-not-found]

N_STEPS, BATCH = 10_000, 128


def deconvolve(X: Any, R: Any, labels: np.ndarray, xy: np.ndarray, seed: int) -> np.ndarray:
    """Shares ``[n, t]`` of the types, its noise type left out."""
    import pandas as pd
    from anndata import AnnData

    scvi.settings.seed = seed
    names = [f"type{k:03d}" for k in range(labels.max() + 1)]
    genes = [f"gene{j}" for j in range(X.shape[1])]
    cells = AnnData(R.astype(np.float32), obs=pd.DataFrame({"type": [names[k] for k in labels]}, dtype="category"))
    cells.obs_names = cells.obs_names.astype(str)
    spots = AnnData(X.astype(np.float32))
    spots.var_names = cells.var_names = genes
    scvi.external.RNAStereoscope.setup_anndata(cells, labels_key="type")
    reference = scvi.external.RNAStereoscope(cells)
    reference.train(max_epochs=_epochs(R.shape[0]), batch_size=BATCH, accelerator="cpu", enable_progress_bar=False)
    scvi.external.SpatialStereoscope.setup_anndata(spots)
    model = scvi.external.SpatialStereoscope.from_rna_model(spots, reference)
    model.train(max_epochs=_epochs(X.shape[0]), batch_size=BATCH, accelerator="cpu", enable_progress_bar=False)
    return model.get_proportions()[names].to_numpy()


def _epochs(n: int) -> int:
    return -(-N_STEPS // -(-n // BATCH))
