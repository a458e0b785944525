"""Moran's I as a user of squidpy (Palla et al. 2022, Nat. Methods 19:171) gets it: defaults, analytic p value."""

from typing import Any

import numpy as np
import squidpy  # type: ignore[import-not-found]


def test_genes(X: Any, xy: np.ndarray, seed: int) -> np.ndarray:
    """P value and I ``[2, g]`` of log-normalised counts on 6 nearest neighbours; p = 1 where it is not a number."""
    import scanpy
    from anndata import AnnData

    adata = AnnData(X.astype(np.float32))
    adata.obsm["spatial"] = xy
    scanpy.pp.normalize_total(adata)
    scanpy.pp.log1p(adata)
    squidpy.gr.spatial_neighbors(adata)
    table = squidpy.gr.spatial_autocorr(adata, mode="moran", copy=True, show_progress_bar=False)
    table = table.loc[adata.var_names]
    return np.stack([table["pval_norm"].fillna(1.0), table["I"].fillna(0.0)])


def warm() -> None:
    """Compile."""
    import scipy.sparse as sp

    rng = np.random.default_rng(0)
    test_genes(sp.csr_matrix(rng.poisson(1.0, (200, 12)).astype(np.float32)), rng.random((200, 2)), 0)
