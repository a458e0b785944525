"""What integration did, in numbers and pictures that need no known labels."""

from typing import NamedTuple

import numpy as np

from ..core.directions import leading_axes
from ..core.integration.slices import batch_means
from ..core.integration.surroundings import averaged
from ..metrics import ilisi, neighbors_kept
from ._tissue import Tissue

N_HOPS, N_AXES = 2, 20
MAX_ROWS = 20_000


class Seen(NamedTuple):
    """Surroundings before and after integration."""

    scores: dict[str, float]
    """``ilisi_before``, ``ilisi_after`` (0 apart, 1 mixed) and ``neighbors_kept`` (0 to 1)."""
    before: np.ndarray
    """View of the surroundings before [n, 2],"""
    after: np.ndarray
    """and after, on the same axes [n, 2]."""


def before_and_after(tissue: Tissue, P: np.ndarray, batch: np.ndarray, rng: np.random.Generator) -> Seen:
    """Score and outline the surroundings of cells before and after integration.

    Parameters
    ----------
    tissue
        Components before, and the graph.
    P
        Components after ``[n, d]``.
    batch
        Codes ``[n]``.
    rng
        Draws the cells that are scored.

    Returns
    -------
    Scores, and a view of all cells.
    """
    n = len(P)
    rows = np.arange(n) if n <= MAX_ROWS else np.sort(rng.choice(n, MAX_ROWS, replace=False))
    both = [averaged(H, tissue.W, N_HOPS) for H in (tissue.P, P)]
    both = [H - H.mean(axis=0) for H in both]
    axes = [leading_axes(H, N_AXES) for H in both]
    before, after = ((H @ A)[rows] for H, A in zip(both, axes, strict=True))
    library = None if tissue.library is None else tissue.library[rows]
    scores = {
        "ilisi_before": float(ilisi(before, batch[rows], scaled=True, rng=rng)),
        "ilisi_after": float(ilisi(after, batch[rows], scaled=True, rng=rng)),
        "neighbors_kept": float(neighbors_kept(before, after, library, rng=rng)),
    }
    view = axes[0] @ telling_axes(both[0] @ axes[0], batch)
    return Seen(scores, *((H @ view).astype(np.float32) for H in both))


def telling_axes(H: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Axes ``[r, 2]`` that show batches: the leading one within batches, and the one that tells batches apart best.

    The second is Fisher's: of all directions of `H` ``[n, r]`` the variance between batches is largest there, measured
    by that within. Without an effect batches overlap on it.
    """
    means = batch_means(H, batch)
    inner = np.asarray(H - means[batch], np.float64)
    variance, axes = np.linalg.eigh(inner.T @ inner / len(H))
    whiten = axes / np.sqrt(np.maximum(variance, 1e-9 * max(variance[-1], 1e-300)))
    share = np.sqrt(np.bincount(batch) / len(batch))
    apart = np.linalg.svd(share[:, None] * (means - H.mean(axis=0)) @ whiten)[2][0]
    return np.column_stack([axes[:, -1], whiten @ apart])
