"""The route through cells: the reference cells whose panel is most alike."""

from collections.abc import Iterator

import numpy as np
import scipy.sparse as sp

from .linear import components, panel_features
from .pair import CEILING, Pair, Predict, sizes, totals

FLOOR = 0.02
"""Of a gene's share in the reference: neighbours without a count do not say that the gene is impossible."""
CHUNK = 20_000_000  # similarities held at once, 80 MB


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
    N = nearest(A @ axes, B @ axes, min(n_neighs, len(B)))
    pooled = np.maximum(N @ sizes(pair.R), 1e-12)
    share = lambda genes: totals(pair.Y[:, genes]) / sizes(pair.R).sum()
    return lambda genes: log_ratio((N @ pair.Y[:, genes].toarray()) / pooled[:, None], share(genes))


def principal_axes(B: np.ndarray, rank: int) -> np.ndarray:
    """Leading principal axes of centred features ``[m, g]``: orthonormal columns ``[g, k]``."""
    scores = components(B, rank).scores
    return np.linalg.qr(B.T @ scores)[0].astype(np.float32)


def nearest(A: np.ndarray, B: np.ndarray, k: int) -> sp.csr_matrix:
    """Ones where a row of B is among the k with the largest cosine to a row of A ``[n, m]``, in chunks of rows."""
    B = B / np.maximum(np.linalg.norm(B, axis=1, keepdims=True), 1e-12)
    found = np.empty((len(A), k), np.int64)
    for rows in _chunks(len(A), len(B)):
        similarity = A[rows] @ B.T  # the length of a row of A does not change its order
        found[rows] = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
    n = len(A)
    return sp.csr_matrix((np.ones(n * k, np.float32), found.ravel(), np.arange(0, n * k + 1, k)), (n, len(B)))


def log_ratio(means: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Log ratio of predicted means ``[n, b]`` to the gene's share ``[b]``; 0 for a gene without counts."""
    share = np.where(share > 0, share, np.inf)
    ratio = np.maximum(means / share, FLOOR)
    return np.where(np.isinf(share), 0.0, np.clip(np.log(ratio), -CEILING, CEILING)).astype(np.float32)


def _chunks(n: int, m: int) -> Iterator[slice]:
    step = max(1, CHUNK // m)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
