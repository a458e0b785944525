"""GraphST (Long et al. 2023, Nat. Commun. 14:1155) with its defaults, on slices put side by side."""

from typing import Any

import numpy as np
from GraphST.GraphST import GraphST  # type: ignore[import-not-found]

N_COMPONENTS = 20  # of its output, which it clusters


def integrate(X: Any, xy: np.ndarray, batch: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Principal components of the reconstructed genes ``[n, 20]``; it knows of no batches."""
    from anndata import AnnData
    from sklearn.decomposition import PCA

    wide = 10 * np.ptp(xy, axis=0).max()
    adata = AnnData(X.astype(np.float32), obsm={"spatial": xy + np.column_stack([batch * wide, 0 * batch])})
    adata.var_names = [f"gene{j}" for j in range(X.shape[1])]
    found = GraphST(adata, random_seed=seed).train()
    return PCA(N_COMPONENTS, random_state=seed).fit_transform(np.asarray(found.obsm["emb"]))
