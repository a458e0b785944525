"""Domains by consensus: several embeddings of one tissue, each clustered a few times, the best fits averaged."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .consensus import consensus, matching, surroundings
from .directions import leading_coordinates, spatial_directions
from .mixture import MAX_ROWS, Mixture, tied_mixture
from .propagate import row_normalise
from .refine import potts


@dataclass(frozen=True)
class EnsembleParams:
    """Settings of the consensus; one set for every data set."""

    widths: tuple[int, ...] = (8, 12, 16, 20)
    """Leading dimensions of an embedding that a mixture is fitted to; no one number suits every tissue."""
    n_starts: int = 2
    """Mixtures (of one k-means start each) on each embedding and width."""
    n_hops: int = 3
    """Closed-form embeddings average over 1 to this many hops."""
    n_components: tuple[int, ...] = (30, 60)
    """Principal components among which predictable directions are sought."""
    n_keep: int = 5
    """Clusterings that are averaged."""
    n_explained: int = 30
    """Principal components of the surroundings that clusterings are scored on."""
    strength: float = 1.0
    """Coupling of the Potts prior that smooths the average; 0 leaves it out."""


class Ensemble(NamedTuple):
    """Result of the consensus."""

    probability: np.ndarray
    """[n, k]."""
    log_likelihood: float
    """Mean over the kept mixtures, per row."""
    agreement: float
    """Mean share of rows on which a kept clustering agrees with the consensus."""
    converged: bool
    kept: list[str]
    """Names of the embeddings whose clusterings were kept, best first."""


def closed_form_embeddings(P: np.ndarray, W: sp.csr_matrix, params: EnsembleParams) -> dict[str, np.ndarray]:
    """Embeddings that need no training: smoothed components, by variance and by spatial predictability.

    Parameters
    ----------
    P
        Principal components ``[n, d]``.
    W
        Symmetric spatial graph ``[n, n]`` without self loops.
    params
        Settings.

    Returns
    -------
    Name -> ``[n, r]``, columns in falling order of importance.
    """
    S = row_normalise(W).astype(P.dtype)
    width, n, result, H = max(params.widths), len(P), {}, P
    bases = sorted({min(c, P.shape[1], max(n // 5, 2)) for c in params.n_components})
    found = {b: spatial_directions(P[:, :b], W, width).weights.astype(P.dtype) for b in bases}
    for hop in range(1, params.n_hops + 1):
        H = S @ H
        result[f"smooth-{hop}"] = leading_coordinates(H, width)
        for b, weights in found.items():
            result[f"predictable-{b}-{hop}"] = H[:, :b] @ weights
    return result


def by_predictability(E: np.ndarray, W: sp.csr_matrix) -> np.ndarray:
    """Rotate an embedding ``[n, d]`` so that its columns fall in spatial correlation, each of unit variance."""
    return (E - E.mean(axis=0)) @ spatial_directions(E, W, E.shape[1]).weights.astype(E.dtype)


def ensemble(
    embeddings: dict[str, np.ndarray],
    P: np.ndarray,
    W: sp.csr_matrix,
    n_domains: int,
    *,
    params: EnsembleParams | None = None,
    rng: np.random.Generator,
) -> Ensemble:
    """Cluster each embedding at several widths, keep the fits that explain the surroundings best, and average them.

    Fits and scores use at most `core.mixture.MAX_ROWS` rows; only the kept mixtures see all rows.

    Parameters
    ----------
    embeddings
        Name -> ``[n, r]``, columns in falling order of importance.
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
    params = params or EnsembleParams()
    n = len(P)
    rows = np.arange(n) if n <= MAX_ROWS else np.sort(rng.choice(n, MAX_ROWS, replace=False))
    base = P[:, : max(min(params.n_explained, n // 8), 1)]
    views = [view[rows] for view in surroundings(base, W)]
    names, fits = zip(*_fits(embeddings, rows, n_domains, params, rng), strict=True)
    chosen = consensus([fit.probability for fit in fits], views, n_keep=params.n_keep)
    kept = [(names[i], fits[i]) for i in chosen.kept]
    average = chosen.probability
    if len(rows) < n:
        average = _predict_all(kept, embeddings, average, rows)
    smooth = potts(average, W, strength=params.strength) if params.strength else average
    return Ensemble(
        smooth,
        float(np.mean([fit.log_likelihood for _, fit in kept])),
        chosen.agreement,
        all(fit.converged for _, fit in kept),
        [f"{name}:{width}" for (name, width), _ in kept],
    )


Name = tuple[str, int]


def _fits(
    embeddings: dict[str, np.ndarray], rows: np.ndarray, k: int, params: EnsembleParams, rng: np.random.Generator
) -> Iterator[tuple[Name, Mixture]]:
    for name, E in embeddings.items():
        most = max(min(E.shape[1], len(rows) // 10), 1)  # a covariance needs rows: 10 for each dimension
        for width in sorted({min(w, most) for w in params.widths}):
            for _ in range(params.n_starts):
                yield (name, width), tied_mixture(E[rows, :width], k, n_starts=1, ward=False, rng=rng)


def _predict_all(
    kept: Sequence[tuple[Name, Mixture]], embeddings: dict[str, np.ndarray], average: np.ndarray, rows: np.ndarray
) -> np.ndarray:
    """Average the kept mixtures on all rows, labels matched on the rows that they were chosen on."""
    total = 0.0
    for (name, width), fit in kept:
        P = fit.model.predict_proba(np.asarray(embeddings[name][:, :width], np.float64))
        total = total + P[:, matching(average, P[rows])]
    return np.asarray(total) / len(kept)
