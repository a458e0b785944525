"""Reading back the truth that a simulation keeps in its AnnData."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import _keys as keys
from .._check import fail, listing
from .._table import get_obs

if TYPE_CHECKING:
    from anndata import AnnData


def get_truth(adata: "AnnData") -> dict[str, Any]:
    """Return ``uns["simulation"]``."""
    truth = adata.uns.get(keys.SIMULATION)
    if truth is None:
        raise fail(
            "a simulated tissue (adata.uns['simulation'])",
            f"uns keys {listing(adata.uns)}",
            "Make one with spotweave.datasets.simulate_tissue.",
        )
    return truth


def get_cell_types(truth: dict[str, Any]) -> list[str]:
    """Return the names of the cell types."""
    return [str(name) for name in truth["cell_types"]]


def get_proportions(adata: "AnnData", truth: dict[str, Any]) -> np.ndarray:
    """Return the share of each cell type in each observation ``[n, t]``; 0 and 1 for single cells."""
    if truth["params"]["resolution"] == "cell":
        types = get_cell_types(truth)
        return np.eye(len(types))[pd.Categorical(get_obs(adata, "cell_type"), categories=types).codes]
    if "proportions_true" not in adata.obsm:
        raise fail("the truth in adata.obsm['proportions_true']", f"obsm keys {listing(adata.obsm)}")
    return np.array(adata.obsm["proportions_true"], dtype=float)
