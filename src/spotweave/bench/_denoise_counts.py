"""Counts of a data set, and one split of them: a part to fit, a part to judge by."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from .._table import get_coords, get_counts
from ..core.splitting import split_negative_binomial, thin
from ._denoise_dispersion import neutral_dispersion
from ._denoise_rivals import depths
from ._sets import DataSet

LEAST = 20  # counts of a cell to stay and of a gene to be judged: about 10 in either half
SHARE = 0.5
STRIDE = 100  # seeds of a split: 100 * split + repeat
RATES = "rate_true"


@dataclass(frozen=True)
class Counts:
    """A data set that has been read."""

    X: sp.csr_matrix
    """Counts ``[n, g]``, float32, of cells that have at least 20."""
    xy: np.ndarray
    """Coordinates ``[n, 2]``."""
    rates: np.ndarray | None = None
    """True expected counts ``[n, g]`` of a simulated tissue."""

    @cached_property
    def scored(self) -> np.ndarray:
        """Genes that are judged ``[g]``: those of at least 20 counts. Methods see all."""
        return np.asarray(self.X.sum(axis=0)).ravel() >= LEAST

    @cached_property
    def dispersion(self) -> np.ndarray:
        """Of each gene ``[g]``; the same for all methods, splits and seeds."""
        return neutral_dispersion(self.X)


@dataclass(frozen=True)
class Split:
    """Molecules dealt out at random, the same for all methods."""

    counts: Counts
    splitting: str
    """``"poisson"`` (thinning) or ``"nb"`` (negative binomial)."""
    seed: int
    train: sp.csr_matrix
    """Counts to fit ``[n, g]``, float32."""
    held_out: sp.csr_matrix
    """Counts to judge by ``[n, g]``, as many in expectation."""

    @property
    def dispersion(self) -> np.ndarray:
        """Of the held-out counts ``[g]``: thinning leaves it as it is, negative binomial splitting divides it."""
        return self.counts.dispersion / (1 - SHARE if self.splitting == "nb" else 1.0)


def read_counts(dataset: DataSet, file: Path) -> Counts:
    """Read the file; cells of fewer than 20 counts are left out, for all methods."""
    adata = dataset.read(file)
    X = sp.csr_matrix(get_counts(adata), dtype=np.float32)
    X = sp.csr_matrix((X.data, X.indices, X.indptr), shape=X.shape)  # as files give them, indices may be of two types
    X.eliminate_zeros()
    kept = depths(X) >= LEAST
    rates = np.asarray(adata.layers[RATES])[kept] if RATES in adata.layers else None
    return Counts(X[kept], get_coords(adata)[kept], rates)


def split_counts(counts: Counts, splitting: str, seed: int) -> Split:
    """Deal out the molecules. Seeds of one split (``100 * split + repeat``) give the same."""
    rng = np.random.default_rng(seed // STRIDE)
    if splitting == "nb":
        parts = split_negative_binomial(counts.X, counts.dispersion, rng, share=SHARE)
    else:
        parts = thin(counts.X, rng, share=SHARE)
    train, held_out = (sp.csr_matrix(part, dtype=np.float32) for part in parts)
    for part in (train, held_out):
        part.eliminate_zeros()
    return Split(counts, splitting, seed, train, held_out)
