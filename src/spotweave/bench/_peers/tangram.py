"""Tangram (Biancalani et al. 2021, Nat. Methods 18:1352) with its defaults: each reference cell spread over the target.

Mode "cells", 1000 epochs, density prior by counts.
"""

from typing import Any

import numpy as np
import tangram  # type: ignore[import-not-found]


def impute(X: Any, R: Any, Y: Any, xy: np.ndarray, seed: int) -> np.ndarray:
    """Sums of the reference cells ``[n, t]`` mapped to each cell of the target, as its ``project_genes`` does.

    Counts of the reference are normalised by depth, as in its tutorial.
    """
    import scanpy
    import scipy.sparse as sp
    from anndata import AnnData

    p = X.shape[1]
    names = [f"gene{j}" for j in range(p + Y.shape[1])]
    reference = AnnData(sp.hstack([R, Y], format="csr").astype(np.float32))
    target = AnnData(X.astype(np.float32))
    reference.var_names, target.var_names = names, names[:p]
    scanpy.pp.normalize_total(reference)
    tangram.pp_adatas(reference, target, genes=names[:p])
    mapped = tangram.map_cells_to_space(reference, target, device="cpu", random_state=seed, verbose=False)
    found = tangram.project_genes(mapped, reference)
    result = np.zeros((X.shape[0], Y.shape[1]))
    for j, name in enumerate(names[p:]):
        if name in found.var_names:  # genes without counts are gone
            result[:, j] = np.asarray(found[:, name].X).ravel()
    return result


def deconvolve(X: Any, R: Any, labels: np.ndarray, xy: np.ndarray, seed: int, mode: str = "cells") -> np.ndarray:
    """Sums ``[n, t]`` of the probabilities of the cells of each type, as its ``project_cell_annotations`` does.

    In mode "clusters" the mean of each type is mapped instead.
    """
    import pandas as pd
    import scanpy
    from anndata import AnnData

    names = [f"type{k:03d}" for k in range(labels.max() + 1)]
    reference, target = AnnData(R.astype(np.float32)), AnnData(X.astype(np.float32))
    reference.var_names = target.var_names = [f"gene{j}" for j in range(X.shape[1])]
    reference.obs["type"] = pd.Categorical([names[k] for k in labels])
    scanpy.pp.normalize_total(reference)
    tangram.pp_adatas(reference, target, genes=list(target.var_names))
    mapped = tangram.map_cells_to_space(
        reference,
        target,
        mode=mode,
        cluster_label="type" if mode == "clusters" else None,
        device="cpu",
        random_state=seed,
        verbose=False,
    )
    tangram.project_cell_annotations(mapped, target, annotation="type")
    return target.obsm["tangram_ct_pred"][names].to_numpy()
