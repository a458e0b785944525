"""Hotspot (DeTomaso and Yosef 2021, Cell Syst. 12:446): local autocorrelation of counts under its depth-adjusted NB."""

from typing import Any

import hotspot  # type: ignore[import-not-found]
import numpy as np


def test_genes(X: Any, xy: np.ndarray, seed: int) -> np.ndarray:
    """P value and Z ``[2, g]``, 30 neighbours (the default); constant genes are refused by it, p = 1 and Z = 0 here."""
    from anndata import AnnData

    least, most = (np.asarray(extreme.todense()).ravel() for extreme in (X.min(axis=0), X.max(axis=0)))
    tested = np.flatnonzero(least != most)
    adata = AnnData(X[:, tested].tocsc().astype(np.float64))
    adata.obsm["spatial"], adata.obs["depth"] = xy, np.asarray(X.sum(axis=1)).ravel()
    model = hotspot.Hotspot(adata, model="danb", latent_obsm_key="spatial", umi_counts_obs_key="depth")
    model.create_knn_graph(weighted_graph=False, n_neighbors=min(30, len(xy) - 1))
    table = model.compute_autocorrelations(jobs=1).loc[adata.var_names]
    result = np.stack([np.ones(X.shape[1]), np.zeros(X.shape[1])])
    result[:, tested] = table[["Pval", "Z"]].to_numpy().T
    return result


def warm() -> None:
    """Compile."""
    import scipy.sparse as sp

    rng = np.random.default_rng(0)
    test_genes(sp.csr_matrix(rng.poisson(1.0, (200, 12)).astype(np.float32)), rng.random((200, 2)), 0)
