"""The methods of `domains`, on arrays: components and a graph in, soft assignments and an embedding out."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..core.directions import leading_coordinates
from ..core.ensemble import EnsembleParams, by_predictability, closed_form_embeddings, ensemble
from ..core.feature_graph import feature_knn
from ..core.mixture import tied_mixture
from ..core.propagate import row_normalise, symmetrise
from ..core.refine import vote
from ..core.regression import reduced_rank_regression
from ..core.tiles import spatial_tiles

if TYPE_CHECKING:
    from ..models.fusion import FusionParams


@dataclass(frozen=True)
class Tissue:
    """What every method reads."""

    P: np.ndarray
    """Principal components [n, d]."""
    xy: np.ndarray
    library: np.ndarray | None
    W: sp.csr_matrix
    """Symmetric spatial graph without self loops [n, n]."""


class DomainFit(NamedTuple):
    """What every method gives."""

    probability: np.ndarray
    embedding: np.ndarray
    log_likelihood: float
    converged: bool
    stability: float | None = None
    """Agreement between the fits that were averaged, where there are several."""
    extras: dict[str, Any] = {}  # noqa: RUF012  (a NamedTuple's default is never written to)
    """More for ``uns``: history, attention, what was kept."""


@dataclass(frozen=True)
class SmoothParams:
    """Settings of ``method="smooth"`` and ``"rrr"``."""

    n_hops: int = 1
    """Averages over the graph neighbourhood (with the point itself)."""
    n_components: int = 20
    """Principal components, or rank of the regression."""
    n_starts: int = 10
    """k-means starts of the mixture, beside one hierarchical start."""


@dataclass(frozen=True)
class FusionMethodParams:
    """Settings of ``method="fusion"`` beside those of its networks."""

    n_networks: int = 2
    """Trained networks; 0 leaves the closed-form embeddings alone."""
    closed_form: bool = True
    """Offer the closed-form embeddings to the consensus beside the networks'."""
    n_neighs_features: int = 20
    """Neighbours in the feature graph."""
    n_components: int = 40
    """Principal components that the networks read."""
    ensemble: EnsembleParams = field(default_factory=EnsembleParams)
    network: "FusionParams | None" = None


def smooth(tissue: Tissue, k: int, params: SmoothParams, rng: np.random.Generator, **_: Any) -> DomainFit:
    """Average over neighbours, reduce, fit a tied Gaussian mixture."""
    S = row_normalise(tissue.W).astype(tissue.P.dtype)
    H = tissue.P
    for _hop in range(params.n_hops):
        H = S @ H
    return _mixture(leading_coordinates(H, params.n_components), k, params, rng)


def rrr(tissue: Tissue, k: int, params: SmoothParams, rng: np.random.Generator, **_: Any) -> DomainFit:
    """Regress the features on their propagated selves at reduced rank, fit a tied Gaussian mixture."""
    S = row_normalise(tissue.W).astype(tissue.P.dtype)
    X = S @ (S @ tissue.P)
    fit = reduced_rank_regression(np.asarray(X, np.float64), tissue.P, rank=params.n_components)
    return _mixture(fit.scores, k, params, rng)


def _mixture(H: np.ndarray, k: int, params: SmoothParams, rng: np.random.Generator) -> DomainFit:
    fit = tied_mixture(H, k, n_starts=params.n_starts, rng=rng)
    return DomainFit(fit.probability, H, fit.log_likelihood, fit.converged)


def fusion(
    tissue: Tissue,
    k: int,
    params: FusionMethodParams,
    rng: np.random.Generator,
    *,
    device: str = "auto",
    progress: bool | None = None,
) -> DomainFit:
    """Train a few small networks, offer their embeddings and the closed-form ones to the consensus."""
    fits = _networks(tissue, params, rng, device=device, progress=progress)
    embeddings = {f"network-{i}": by_predictability(fit.embedding, tissue.W) for i, fit in enumerate(fits)}
    extras: dict[str, Any] = {}
    if fits:
        extras["history"] = {"loss": fits[0].history.loss, **fits[0].history.terms}
        extras["attention"] = np.mean([fit.attention for fit in fits], axis=0)
    if params.closed_form or not fits:
        embeddings |= closed_form_embeddings(tissue.P, tissue.W, params.ensemble)
    result = ensemble(embeddings, tissue.P, tissue.W, k, params=params.ensemble, rng=rng)
    shown = next(iter(embeddings.values()))
    converged = result.converged and all(fit.history.converged for fit in fits)
    extras["kept"] = result.kept
    return DomainFit(result.probability, shown, result.log_likelihood, converged, result.agreement, extras)


def _networks(
    tissue: Tissue, params: FusionMethodParams, rng: np.random.Generator, *, device: str, progress: bool | None
) -> list[Any]:
    if not params.n_networks:
        return []
    from ..core.train import resolve_device
    from ..models.fusion import FusionParams, fit_fusion

    settings = params.network or FusionParams()
    S = row_normalise(tissue.W).astype(np.float32)
    P = _balanced(tissue.P[:, : max(min(params.n_components, len(tissue.P) // 5), 1)])
    feature = feature_knn(S @ P, n_neighs=params.n_neighs_features, library=tissue.library, rng=rng).connectivities
    F = row_normalise(symmetrise(feature)).astype(np.float32)
    tiles = spatial_tiles(tissue.xy, max_size=settings.tile_size, library=tissue.library)
    return [
        fit_fusion(P, S, F, tiles, params=settings, rng=child, device=resolve_device(device), progress=progress)
        for child in rng.spawn(params.n_networks)
    ]


def _balanced(P: np.ndarray) -> np.ndarray:
    """Components scaled to the square root of their spread: between raw (the first rules) and white (noise rules)."""
    spread = np.maximum(P.std(axis=0), 1e-8)
    P = P / np.sqrt(spread)
    return (P / max(float(P.std()), 1e-8)).astype(np.float32)


def refined(probability: np.ndarray, W: sp.csr_matrix) -> tuple[np.ndarray, int]:
    """Hard labels after one majority vote of the graph neighbours, and how many moved."""
    labels = probability.argmax(axis=1)
    voted = vote(labels, W, n_labels=probability.shape[1])
    return voted, int((voted != labels).sum())


def configured(params: Any, options: dict[str, Any]) -> Any:
    """Settings with some fields replaced; an unknown name is an error that lists the known ones."""
    from .._check import fail, listing

    unknown = sorted(set(options) - set(vars(params)))
    if unknown:
        raise fail(f"settings out of {listing(vars(params), most=30)}", listing(unknown))
    return replace(params, **options)
