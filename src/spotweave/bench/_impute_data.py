"""Counts of a target and a reference for the genes that both have, dealt out to folds."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from .._check import fail
from .._table import get_coords, get_counts
from ._denoise_counts import RATES
from ._impute_pair import Pair
from ._impute_sets import ImputeSet

if TYPE_CHECKING:
    from anndata import AnnData

MODULE = "module_true"  # program of a simulated gene, "none" when it has none


@dataclass(frozen=True)
class Panels:
    """A data set that has been read: cells and genes without counts are left out, for all methods."""

    dataset: ImputeSet
    X: sp.csr_matrix
    """Counts of the target ``[n, s]``, float32."""
    R: sp.csr_matrix
    """Counts of the reference ``[m, s]``, float32, of the same genes."""
    xy: np.ndarray
    """Coordinates of the target ``[n, 2]``."""
    genes: np.ndarray
    """Names ``[s]``, as in the target."""
    rates: np.ndarray | None = None
    """True expected counts ``[n, s]`` of a simulated target."""

    def folds(self) -> list[np.ndarray]:
        """Genes to be predicted, fold by fold: the same for all methods and seeds."""
        order = np.random.default_rng(0).permutation(len(self.genes))
        return np.array_split(order, self.dataset.n_folds)[: self.dataset.n_used]

    def pairs(self) -> Iterator[Pair]:
        """What a method is given, fold by fold."""
        for wanted in self.folds():
            panel = np.setdiff1d(np.arange(len(self.genes)), wanted)
            yield Pair(columns(self.X, panel), columns(self.R, panel), columns(self.R, wanted), self.xy)


def read_panels(dataset: ImputeSet, file: Path) -> Panels:
    """Read both files. Genes are matched by name, whatever its case; the first of a name counts."""
    from .. import io

    target = _kept(io.read(file, images=False), dataset.keep)
    reference = _kept(io.read(dataset.source.reference_of(file), images=False), dataset.reference_keep)
    own, other = shared(target, reference)
    X, R = (columns(counts(adata), genes) for adata, genes in ((target, own), (reference, other)))
    found = sums(X, 0) * sums(R, 0) > 0
    if MODULE in target.var:
        found &= np.asarray(target.var[MODULE].astype(str))[own] != "none"
    if found.sum() < 2 * dataset.n_folds:
        raise fail(f"at least {2 * dataset.n_folds} genes that both have", f"{found.sum()}")
    X, R, own = columns(X, np.flatnonzero(found)), columns(R, np.flatnonzero(found)), own[found]
    cells = sums(X, 1) > 0
    rates = np.asarray(target.layers[RATES])[np.ix_(cells, own)] if RATES in target.layers else None
    names = np.asarray(target.var_names, dtype=object)[own]
    return Panels(dataset, X[cells], R[sums(R, 1) > 0], get_coords(target)[cells], names, rates)


def _kept(adata: "AnnData", keep: tuple[str, tuple[Any, ...]] | None) -> "AnnData":
    if keep is None:
        return adata
    column, values = keep
    return adata[adata.obs[column].astype(str).isin([str(value) for value in values]).to_numpy()].copy()


def shared(target: "AnnData", reference: "AnnData") -> tuple[np.ndarray, np.ndarray]:
    """Columns of the genes that both have, in the order of the target."""
    places, own, other = {}, [], []
    for j, name in reversed(list(enumerate(reference.var_names))):
        places[str(name).casefold()] = j
    for j, name in enumerate(target.var_names):
        k = places.pop(str(name).casefold(), None)
        if k is not None:
            own.append(j)
            other.append(k)
    return np.array(own, dtype=np.intp), np.array(other, dtype=np.intp)


def counts(adata: "AnnData") -> sp.csr_matrix:
    X = sp.csr_matrix(get_counts(adata), dtype=np.float32)
    X = sp.csr_matrix((X.data, X.indices, X.indptr), shape=X.shape)  # as files give them, indices may be of two types
    X.eliminate_zeros()
    return X


def columns(X: sp.csr_matrix, genes: np.ndarray) -> sp.csr_matrix:
    return sp.csr_matrix(X[:, genes])


def sums(X: sp.csr_matrix, axis: int) -> np.ndarray:
    return np.asarray(X.sum(axis=axis), dtype=np.float64).ravel()
