"""gimVI (Lopez et al. 2019, arXiv:1905.02269) with the defaults of scvi-tools: 200 epochs, 10 dimensions."""

from typing import Any

import numpy as np
import scvi  # type: ignore[import-not-found]


def impute(X: Any, R: Any, Y: Any, xy: np.ndarray, seed: int) -> np.ndarray:
    """Expected counts of the target ``[n, t]``, decoded from the posterior means as in its tutorial."""
    import scipy.sparse as sp
    from anndata import AnnData

    scvi.settings.seed = seed
    p = X.shape[1]
    names = [f"gene{j}" for j in range(p + Y.shape[1])]
    reference = AnnData(sp.hstack([R, Y], format="csr").astype(np.float32))
    target = AnnData(X.astype(np.float32))
    reference.var_names, target.var_names = names, names[:p]
    reference = reference[np.asarray(reference.X.sum(axis=1)).ravel() > 0].copy()
    for adata in (reference, target):
        scvi.external.GIMVI.setup_anndata(adata)
    model = scvi.external.GIMVI(reference, target)
    model.train(accelerator="cpu", enable_progress_bar=False)
    return model.get_imputed_values(normalized=False)[1][:, p:]
