"""Counts to be tested: as they are, drawn anew, or permuted."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._table import get_coords, get_counts, get_obs
from ._genes_test_sets import GeneSet

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Tissue:
    """Counts, positions, and what is known of them."""

    X: sp.csr_matrix
    """Counts ``[n, g]``, float32, each gene with at least one."""
    xy: np.ndarray
    """Coordinates ``[n, 2]``."""
    varying: np.ndarray | None = None
    """Which genes vary in space ``[g]``, where it is known."""
    labels: np.ndarray | None = None
    """Code of the region of each spot ``[n]``, -1 where it is not known."""


def read(dataset: GeneSet, file: Path) -> Tissue | Mapping[str, Any]:
    """Read the file, or pass on how the counts are to be drawn."""
    from .. import io

    return dataset.drawn if dataset.drawn is not None else tissue(io.read(file, images=False), dataset.labels)


def drawn(data: Tissue | Mapping[str, Any], settings: Mapping[str, Any], seed: int) -> Tissue:
    """Draw counts where they are to be drawn; the same for all methods."""
    if isinstance(data, Tissue):
        return data
    from ..datasets import simulate_patterns

    return tissue(simulate_patterns(**data, rng=seed))


def permuted(data: Tissue | Mapping[str, Any], settings: Mapping[str, Any], seed: int) -> Tissue:
    """Deal the rows of counts out to the coordinates anew: no gene varies in space, all else is as it was."""
    own = drawn(data, settings, seed)
    order = np.random.default_rng(seed).permutation(own.X.shape[0])
    return replace(own, X=own.X[order], varying=np.zeros(own.X.shape[1], dtype=bool), labels=None)


def tissue(adata: "AnnData", labels: str | None = None) -> Tissue:
    """Take from a table what is tested; genes without counts are left out, for all methods."""
    X = sp.csr_matrix(get_counts(adata), dtype=np.float32)
    X = sp.csr_matrix((X.data, X.indices, X.indptr), shape=X.shape)  # as files give them, indices may be of two types
    X.eliminate_zeros()
    found = np.asarray(X.sum(axis=0)).ravel() > 0
    varying = adata.var["spatially_variable"].to_numpy(dtype=bool)[found] if "spatially_variable" in adata.var else None
    codes = None if labels is None else pd.factorize(get_obs(adata, labels, name="labels"), sort=True)[0]
    return Tissue(X if found.all() else sp.csr_matrix(X[:, found]), get_coords(adata), varying, codes)
