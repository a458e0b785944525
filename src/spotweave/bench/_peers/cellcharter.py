"""CellCharter (Varrone et al. 2024, Nat. Genet. 56:74) as in its tutorial: scVI, three rings of neighbours, mixture."""

from typing import Any

import cellcharter  # type: ignore[import-not-found]
import numpy as np
import scvi  # type: ignore[import-not-found]
import squidpy  # type: ignore[import-not-found]


def integrate(X: Any, xy: np.ndarray, batch: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Domain of each cell, and beside it the latent space without its neighbours ``[n, 1 + 10]``."""
    from anndata import AnnData

    scvi.settings.seed = seed
    adata = AnnData(X.astype(np.float32), obsm={"spatial": xy})
    adata.obs["batch"] = batch.astype(str)
    adata.obs["batch"] = adata.obs["batch"].astype("category")
    scvi.model.SCVI.setup_anndata(adata, batch_key="batch")
    model = scvi.model.SCVI(adata)
    model.train(early_stopping=True, accelerator="cpu", enable_progress_bar=False)
    adata.obsm["X_scVI"] = model.get_latent_representation().astype(np.float32)
    squidpy.gr.spatial_neighbors(adata, library_key="batch", coord_type="generic", delaunay=True)
    cellcharter.gr.remove_long_links(adata)
    cellcharter.gr.aggregate_neighbors(adata, n_layers=3, use_rep="X_scVI", out_key="X_cellcharter", sample_key="batch")
    model = cellcharter.tl.Cluster(n_clusters=n, random_state=seed, trainer_params={"accelerator": "cpu"})
    model.fit(adata, use_rep="X_cellcharter")
    labels = np.asarray(model.predict(adata, use_rep="X_cellcharter"))
    return np.column_stack([labels.astype(float), adata.obsm["X_scVI"]])
