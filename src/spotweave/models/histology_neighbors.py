"""The plain neighbour rule: alike tiles have alike expression."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..core.histology.basis import principal_basis
from ..core.histology.retrieval import Retrieved, retrieve, shares
from ..core.histology.tissue import Tissue
from .histology_training import Answer, Fitted, Training, centred, inner_splits, mean_expression

CHOICES = (25, 50, 100, 200)
N_AXES = 100


class Neighbors(NamedTuple):
    """Training tiles along their principal axes, and their expression."""

    axes: np.ndarray
    """[2 d, q]."""
    bank: np.ndarray
    """Unit-length training tiles [m, q]."""
    values: sp.csr_matrix
    """Their expression [m, g]."""
    means: np.ndarray
    """Mean expression of each training tile's section [s, g]."""
    section: np.ndarray
    """Section of each training tile [m]."""
    k: int

    def __call__(self, tissue: Tissue, types: np.ndarray | None = None) -> Answer:
        """Average the expression of the nearest training tiles; types are not used."""
        found = retrieve(_unit(tissue.joined @ self.axes), self.bank, k=self.k, weighting="distance")
        return Answer(self.average(found), found)

    def average(self, found: Retrieved) -> np.ndarray:
        """Departure of the retrieved spots' expression from the mean of their sections ``[n, g]``."""
        spread = shares(found, len(self.bank))
        by_section = sp.csr_matrix(
            (np.ones(len(self.section)), (np.arange(len(self.section)), self.section)),
            shape=(len(self.section), len(self.means)),
        )
        return np.asarray((spread @ self.values).todense()) - (spread @ by_section) @ self.means

    def state(self) -> dict[str, np.ndarray]:
        """Return the arrays that restore the predictor."""
        return {
            "axes": self.axes,
            "bank": self.bank,
            "values_data": self.values.data,
            "values_indices": self.values.indices,
            "values_indptr": self.values.indptr,
            "values_shape": np.array(self.values.shape),
            "means": self.means,
            "section": self.section,
            "k": np.array(self.k),
        }


def neighbors_from_state(state: dict[str, np.ndarray]) -> Neighbors:
    """Restore what `Neighbors.state` kept."""
    parts = (state["values_data"], state["values_indices"], state["values_indptr"])
    values = sp.csr_matrix(parts, shape=tuple(int(v) for v in state["values_shape"]))
    return Neighbors(state["axes"], state["bank"], values, state["means"], state["section"], int(state["k"]))


def fit_neighbors(training: Training) -> Fitted:
    """Average the k most alike training tiles, weighted by 1 / distance^2, with k chosen on inner folds.

    Tiles are compared by the cosine of their leading principal axes, features and surroundings together.
    """
    axes = principal_basis(training.tissue.joined).axes[:, :N_AXES]
    queries = _unit(training.tissue.joined @ axes)
    error = dict.fromkeys(CHOICES, 0.0)
    truth, splits, retrieved = centred(training), inner_splits(training.fold), []
    for stay, out in splits:
        base = _bank(training, axes, queries, stay, max(CHOICES))
        found = retrieve(queries[out], base.bank, k=max(CHOICES), weighting="distance")
        for k in CHOICES:
            error[k] += float(((base.average(_nearest(found, k)) - truth[out]) ** 2).sum())
        retrieved.append(found)
    k = min(error, key=error.__getitem__)
    held_out = np.empty(training.target.shape)
    for (stay, out), found in zip(splits, retrieved, strict=True):
        held_out[out] = _bank(training, axes, queries, stay, k).average(_nearest(found, k))
    fitted = _bank(training, axes, queries, np.arange(len(queries)), k)
    return Fitted(fitted, mean_expression(training), None, held_out, {"k": k})


def _bank(training: Training, axes: np.ndarray, queries: np.ndarray, rows: np.ndarray, k: int) -> Neighbors:
    codes, section = np.unique(training.tissue.section[rows], return_inverse=True)
    values = training.target[rows]
    means = (np.arange(len(codes))[:, None] == section).astype(float) @ values / np.bincount(section)[:, None]
    return Neighbors(axes, queries[rows], values, means, section, k)


def _nearest(found: Retrieved, k: int) -> Retrieved:
    """Only the first k, their shares summing to 1 again."""
    rows, weights, similarity = (part[:, :k] for part in found)
    return Retrieved(rows, weights / weights.sum(axis=1, keepdims=True), similarity)


def _unit(x: np.ndarray) -> np.ndarray:
    return x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
