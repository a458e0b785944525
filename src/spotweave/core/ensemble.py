"""Domains by consensus: clusterings from several embeddings, sharpened on both views, the best ones averaged."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .consensus import consensus, matching, surroundings
from .directions import leading_coordinates, spatial_directions
from .discriminant import sharpen
from .mixture import MAX_ROWS, tied_mixture
from .refine import potts


@dataclass(frozen=True)
class EnsembleParams:
    """Settings of the consensus; one set for every data set."""

    widths: tuple[int, ...] = (10, 15, 20)
    """Leading dimensions of an embedding that a mixture starts from; no one number suits every tissue."""
    n_starts: int | None = None
    """k-means starts of each mixture, beside one hierarchical start; None: `core.mixture.tied_mixture`'s rule."""
    n_view: int = 25
    """Leading dimensions of either view on which a clustering is sharpened."""
    n_rounds: int = 20
    """Most rounds of sharpening; 0 leaves it out."""
    n_keep: int = 8
    """Clusterings that are averaged."""
    n_explained: int = 30
    """Principal components of the surroundings that clusterings are scored on."""
    strength: float = 1.0
    """Coupling of the Potts prior that smooths the average; 0 leaves it out."""


class Ensemble(NamedTuple):
    """Result of the consensus."""

    probability: np.ndarray
    """[n, k]."""
    explained: float
    """How much of the surroundings the kept clusterings explain, nats per row (`core.consensus.explained`)."""
    agreement: float
    """Mean adjusted Rand index between the kept clusterings and the consensus."""
    converged: bool
    kept: list[str]
    """Embedding and width that the kept clusterings started from, best first."""


class Candidate(NamedTuple):
    """A clustering of the sampled rows."""

    name: str
    probability: np.ndarray
    predict: Callable[[], np.ndarray]
    """Its posteriors of all rows."""
    converged: bool


def by_predictability(E: np.ndarray, W: sp.csr_matrix) -> np.ndarray:
    """Rotate an embedding ``[n, d]`` so that its columns fall in spatial correlation, each of unit variance."""
    return (E - E.mean(axis=0)) @ spatial_directions(E, W, E.shape[1]).weights.astype(E.dtype)


def ensemble(
    starts: dict[str, np.ndarray],
    views: Sequence[np.ndarray],
    P: np.ndarray,
    W: sp.csr_matrix,
    n_domains: int,
    *,
    params: EnsembleParams | None = None,
    rng: np.random.Generator,
) -> Ensemble:
    """Cluster each embedding at several widths, sharpen on the views, average what explains the surroundings best.

    Fits and scores use at most `core.mixture.MAX_ROWS` rows; only the kept ones see all rows.

    Parameters
    ----------
    starts
        Name -> embedding ``[n, r]``, columns in falling order of importance.
    views
        Features ``[n, p]`` to sharpen on: their leading dimensions, side by side.
    P
        Principal components ``[n, d]`` before any smoothing.
    W
        Symmetric spatial graph ``[n, n]`` without self loops.
    n_domains
        Number of domains k.
    params
        Settings.
    rng
        Draws rows and starts.

    Returns
    -------
    Soft assignment and what says how far to trust it.
    """
    params, n = params or EnsembleParams(), len(P)
    rows = np.arange(n) if n <= MAX_ROWS else np.sort(rng.choice(n, MAX_ROWS, replace=False))
    most = _most_dimensions(len(rows))
    H = np.hstack([leading_coordinates(view, min(params.n_view, most)) for view in views])
    base = P[:, : max(min(params.n_explained, n // 8), 1)]
    rings = [ring[rows] for ring in surroundings(base, W)]
    candidates = list(_candidates(starts, H, rows, n_domains, params, rng))
    chosen = consensus([c.probability for c in candidates], rings, n_keep=params.n_keep)
    kept = [candidates[i] for i in chosen.kept]
    average = chosen.probability if len(rows) == n else _everywhere(kept, chosen.probability)
    smooth = potts(average, W, strength=params.strength) if params.strength else average
    score = float(chosen.score[chosen.kept].mean())
    return Ensemble(smooth, score, chosen.agreement, all(c.converged for c in kept), [c.name for c in kept])


def _candidates(
    starts: dict[str, np.ndarray],
    H: np.ndarray,
    rows: np.ndarray,
    k: int,
    params: EnsembleParams,
    rng: np.random.Generator,
) -> Iterator[Candidate]:
    most = _most_dimensions(len(rows))
    for name, E in starts.items():
        for width in sorted({min(w, most, E.shape[1]) for w in params.widths}):
            start = tied_mixture(E[rows, :width], k, n_starts=params.n_starts, rng=rng)
            if not params.n_rounds:
                predict = partial(start.model.predict, E[:, :width])
                yield Candidate(f"{name}:{width}", start.probability, predict, start.converged)
                continue
            model = sharpen(H[rows], start.probability, n_rounds=params.n_rounds)
            yield Candidate(f"{name}:{width}", model.predict(H[rows]), partial(model.predict, H), model.converged)


def _most_dimensions(n_rows: int) -> int:
    """A covariance needs rows: a dozen for each dimension."""
    return max(n_rows // 12, 2)


def _everywhere(kept: Sequence[Candidate], average: np.ndarray) -> np.ndarray:
    """Average the kept models on all rows, their labels matched as on the rows that they were chosen on."""
    total: np.ndarray = np.zeros(1, np.float32)
    for candidate in kept:
        order = matching(average, candidate.probability)
        total = total + candidate.predict()[:, order].astype(np.float32)  # [n, k]
    return total / len(kept)
