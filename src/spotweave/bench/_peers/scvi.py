"""scVI (Lopez et al. 2018, Nat. Methods 15:1053) with the defaults of scvi-tools, stopped early."""

from typing import Any

import numpy as np
import scvi  # type: ignore[import-not-found]


def denoise(X: Any, xy: np.ndarray, seed: int) -> np.ndarray:
    """Expected counts ``[n, g]`` at each cell's own depth, decoded from the posterior means."""
    from anndata import AnnData

    scvi.settings.seed = seed
    adata = AnnData(X.astype(np.float32))
    scvi.model.SCVI.setup_anndata(adata)
    model = scvi.model.SCVI(adata)
    model.train(early_stopping=True, accelerator="cpu", enable_progress_bar=False)
    return model.get_normalized_expression(library_size="latent", return_numpy=True)


def integrate(X: Any, xy: np.ndarray, batch: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Means of the latent space ``[n, 10]``, with the slice as batch."""
    from anndata import AnnData

    scvi.settings.seed = seed
    adata = AnnData(X.astype(np.float32))
    adata.obs["batch"] = batch.astype(str)
    scvi.model.SCVI.setup_anndata(adata, batch_key="batch")
    model = scvi.model.SCVI(adata)
    model.train(early_stopping=True, accelerator="cpu", enable_progress_bar=False)
    return model.get_latent_representation()
