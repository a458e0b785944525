"""The route through cells: the reference cells whose panel is most alike."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .linear import components, panel_features
from .pair import CEILING, Pair, Predict, sizes, totals

FLOOR = 0.02
"""Of a gene's share in the reference: neighbours without a count do not say that the gene is impossible."""
ENTRIES = 4_000_000
"""Similarities at once (16 MB, and 32 MB to sort them)."""


class Near(NamedTuple):
    """Cells of the reference that are most alike to each cell of the target, in order of likeness."""

    cells: np.ndarray
    """Rows of the reference ``[n, k]``."""
    similarity: np.ndarray
    """Cosines ``[n, k]``."""


def neighbors(pair: Pair, rng: np.random.Generator, *, n_neighs: int = 100, rank: int = 20) -> Predict:
    r"""Pool the counts of the reference cells that are most alike.

    Cells are alike by the cosine between their panels, standardised within each data set and projected on the leading
    principal axes of the reference. With N the neighbours of a cell and r the panel counts of a reference cell,

    .. math:: \hat f_{ig} = \log \frac{\sum_{j \in N_i} y_{jg} / \sum_{j \in N_i} r_j}{\sum_j y_{jg} / \sum_j r_j}

    Parameters
    ----------
    pair
        Counts.
    rng
        Not used.
    n_neighs
        Neighbours of each cell.
    rank
        Principal axes.

    Returns
    -------
    Log ratios of wanted genes.
    """
    A, B = panel_features(pair, "residual")
    axes = principal_axes(B, rank)
    cells = nearest(A @ axes, B @ axes, n_neighs).cells
    N = sparse_rows(cells, np.ones(cells.shape), len(B))
    pooled = np.maximum(N @ sizes(pair.R), 1e-12)
    share = lambda genes: totals(pair.Y[:, genes]) / sizes(pair.R).sum()
    return lambda genes: log_ratio((N @ pair.Y[:, genes].toarray()) / pooled[:, None], share(genes))


def principal_axes(B: np.ndarray, rank: int) -> np.ndarray:
    """Leading principal axes of centred features ``[m, g]``: orthonormal columns ``[g, k]``."""
    scores = components(B, rank).scores
    return np.linalg.qr(B.T @ scores)[0].astype(np.float32)


def nearest(A: np.ndarray, B: np.ndarray, n_neighs: int, *, entries: int = ENTRIES) -> Near:
    """Rows of B ``[m, q]`` at the largest cosine to each row of A ``[n, q]``, in chunks of rows of A."""
    A, B = _unit(A), _unit(B)
    n, m = len(A), len(B)
    k = min(n_neighs, m)
    found = Near(np.empty((n, k), np.int32), np.empty((n, k), np.float32))
    step = max(1, entries // m)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        cosine = A[rows] @ B.T
        index = np.argpartition(cosine, m - k, axis=1)[:, m - k :]
        similarity = np.take_along_axis(cosine, index, axis=1)
        order = np.argsort(-similarity, axis=1, kind="stable")
        found.cells[rows] = np.take_along_axis(index, order, axis=1)
        found.similarity[rows] = np.take_along_axis(similarity, order, axis=1)
    return found


def sparse_rows(index: np.ndarray, weights: np.ndarray, m: int) -> sp.csr_matrix:
    """Weights ``[n, k]`` of rows `index` as a matrix ``[n, m]`` float32."""
    n, k = index.shape
    start = np.arange(0, n * k + 1, k)
    return sp.csr_matrix((weights.astype(np.float32).ravel(), index.ravel(), start), shape=(n, m))


def log_ratio(means: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Log ratio of predicted means ``[n, b]`` to the gene's share ``[b]``; 0 for a gene without counts."""
    share = np.where(share > 0, share, np.inf)
    ratio = np.maximum(means / share, FLOOR)
    return np.where(np.isinf(share), 0.0, np.clip(np.log(ratio), -CEILING, CEILING)).astype(np.float32)


def _unit(A: np.ndarray) -> np.ndarray:
    """Rows of length one, or zero."""
    length = np.linalg.norm(A, axis=1, keepdims=True)
    return A / np.where(length > 1e-9, length, np.inf).astype(A.dtype)
