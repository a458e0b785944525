"""The methods of `domains`, on arrays: components and a graph in, soft assignments and an embedding out."""

from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._check import fail, listing
from ..core.directions import leading_axes, leading_coordinates
from ..core.ensemble import EnsembleParams, by_predictability, ensemble
from ..core.expression import project_halves
from ..core.feature_graph import feature_knn
from ..core.mixture import tied_mixture
from ..core.propagate import row_normalise, symmetrise
from ..core.refine import vote
from ..core.regression import reduced_rank_regression
from ..core.tiles import spatial_tiles
from ..models.fusion_params import FusionParams
from ..models.gmm_vgae_params import GmmVgaeParams
from ._domain_gmm_vgae import mixture_of_counts
from ._tissue import Tissue

if TYPE_CHECKING:
    from ..core.number import Half
    from ..models.fusion import FusionFit
    from ..pp import Prepared


class DomainFit(NamedTuple):
    """What every method gives."""

    probability: np.ndarray
    """[n, k]."""
    embedding: np.ndarray
    """[n, d]."""
    converged: bool
    stability: float | None = None
    """Agreement between the fits that were averaged, where there are several."""
    extras: dict[str, Any] = {}
    """More for ``uns``: history, attention, what was kept."""


@dataclass(frozen=True)
class SmoothParams:
    """Settings of ``method="smooth"`` and ``"rrr"``."""

    n_hops: int = 1
    """Averages over the graph neighbourhood (with the point itself)."""
    n_components: int = 20
    """Principal components, or rank of the regression."""
    n_starts: int | None = None
    """k-means starts of the mixture, beside one hierarchical start; None: `core.mixture.tied_mixture`'s rule."""


@dataclass(frozen=True)
class FusionMethodParams:
    """Settings of ``method="fusion"``; those of its networks are in ``network``, of its consensus in ``ensemble``."""

    n_networks: int = 1
    """Trained networks; 0 leaves them out, at a third of the time."""
    min_rows: int = 1_000
    """Below this many cells no network is trained: there is too little to learn from."""
    closed_form: bool = True
    """Start from smoothed components too, not from the networks' embeddings alone."""
    use_features: bool = True
    """Sharpen on the feature view too, not on the spatial one alone."""
    n_neighs_features: int = 20
    """Neighbours in the feature graph."""
    n_components: int = 40
    """Principal components that the networks read."""
    ensemble: EnsembleParams = field(default_factory=EnsembleParams)
    """Settings of the candidates and their consensus."""
    network: FusionParams = field(default_factory=FusionParams)
    """Settings of a network and its training."""


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
    return DomainFit(fit.probability, H, fit.converged, extras={"log_likelihood": fit.log_likelihood})


def fusion(
    tissue: Tissue,
    k: int,
    params: FusionMethodParams,
    rng: np.random.Generator,
    *,
    device: str = "auto",
    progress: bool | None = None,
) -> DomainFit:
    """Train a few small networks, cluster their embeddings and smoothed components, sharpen on both views, average."""
    S = row_normalise(tissue.W).astype(np.float32)
    once = S @ tissue.P
    twice = S @ once
    F = _feature_operator(tissue, twice, params, rng)
    views = [twice, F @ twice] if params.use_features else [twice]
    fits = _networks(tissue, S, F, params, rng, device=device, progress=progress)
    starts = {f"network-{i}": by_predictability(fit.embedding, tissue.W) for i, fit in enumerate(fits)}
    if params.closed_form or not fits:
        width = max(params.ensemble.widths)
        hops = {"smooth-1": once, "smooth-2": twice, "smooth-3": S @ twice}
        starts |= {name: leading_coordinates(H, width) for name, H in hops.items()}
    result = ensemble(starts, views, tissue.P, tissue.W, k, params=params.ensemble, rng=rng)
    extras: dict[str, Any] = {"kept": result.kept, "explained": result.explained}
    if fits:
        extras["history"] = {"loss": fits[0].history.loss, **fits[0].history.terms}
        extras["network_converged"] = all(fit.history.converged for fit in fits)
        extras["attention"] = float(np.mean([fit.attention.mean() for fit in fits]))
    return DomainFit(result.probability, next(iter(starts.values())), result.converged, result.agreement, extras)


def gmm_vgae(
    tissue: Tissue,
    k: int,
    params: GmmVgaeParams,
    rng: np.random.Generator,
    *,
    device: str = "auto",
    progress: bool | None = None,
) -> DomainFit:
    """Take the components of the mixture prior of a graph autoencoder of counts."""
    settings = replace(params, n_components=k, prior="mixture")
    probability, embedding, extras = mixture_of_counts(tissue, settings, rng, device=device, progress=progress)
    return DomainFit(probability, embedding, converged=True, extras=extras)


def _feature_operator(
    tissue: Tissue, smoothed: np.ndarray, params: FusionMethodParams, rng: np.random.Generator
) -> sp.csr_matrix:
    """Row-normalised graph of like surroundings, within each slide."""
    H = leading_coordinates(smoothed, 20)
    graph = feature_knn(H, n_neighs=params.n_neighs_features, metric="euclidean", library=tissue.library, rng=rng)
    return row_normalise(symmetrise(graph.connectivities)).astype(np.float32)


def _networks(
    tissue: Tissue,
    S: sp.csr_matrix,
    F: sp.csr_matrix,
    params: FusionMethodParams,
    rng: np.random.Generator,
    *,
    device: str,
    progress: bool | None,
) -> "list[FusionFit]":
    if not params.n_networks or len(tissue.P) < params.min_rows:
        return []
    from ..core.train import resolve_device
    from ..models.fusion import fit_fusion

    settings = params.network
    P = _balanced(tissue.P[:, : params.n_components])
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


def halves(tissue: Tissue, prepared: "Prepared | None", rng: np.random.Generator) -> "tuple[Half, Half]":
    """Draw two halves of the counts; both are seen along the components of all counts, so that they compare."""
    assert prepared is not None
    S = row_normalise(tissue.W).astype(np.float32)
    parts = project_halves(prepared.chunks, prepared.size, prepared.components, rng=rng)
    wanted = min(20, max(len(tissue.P) // 10, 1))
    smooth = [S @ (S @ part) for part in parts]
    axes = leading_axes(smooth[0] + smooth[1], wanted)
    return (smooth[0] @ axes, parts[0][:, :wanted]), (smooth[1] @ axes, parts[1][:, :wanted])


def refined(probability: np.ndarray, W: sp.csr_matrix) -> tuple[np.ndarray, int]:
    """Hard labels after one majority vote of the graph neighbours, and how many moved."""
    labels = probability.argmax(axis=1)
    voted = vote(labels, W, n_labels=probability.shape[1])
    return voted, int((voted != labels).sum())


def configured(params: Any, options: dict[str, Any]) -> Any:
    """Settings with some fields replaced, their own or those of the settings within; unknown names are an error."""
    inner = {f.name: getattr(params, f.name) for f in fields(params) if is_dataclass(getattr(params, f.name))}
    own = {f.name for f in fields(params)}
    changes: dict[str, Any] = {name: value for name, value in options.items() if name in own}
    for where, part in inner.items():
        mine = {n: v for n, v in options.items() if n not in own and n in {f.name for f in fields(part)}}
        if mine:
            changes[where] = replace(changes.get(where, part), **mine)
    known = own.union(*({f.name for f in fields(part)} for part in inner.values()))
    unknown = sorted(set(options) - known)
    if unknown:
        raise fail(f"settings out of {listing(sorted(known), most=40)}", listing(unknown))
    return replace(params, **changes)


METHODS: dict[str, tuple[Any, Any]] = {
    "fusion": (fusion, FusionMethodParams()),
    "smooth": (smooth, SmoothParams()),
    "rrr": (rrr, SmoothParams()),
    "gmm_vgae": (gmm_vgae, GmmVgaeParams()),
}
"""Name -> function and default settings."""
