"""Name -> predictor of expression from an image."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .._check import check_choice, fail
from .histology_linear import Linear, fit_mean, fit_programs, fit_ridge
from .histology_neighbors import fit_neighbors, neighbors_from_state
from .histology_params import HistologyParams
from .histology_training import Fitted, Predictor, Training

CLOSED_FORM: dict[str, Callable[[Training], Fitted]] = {
    "mean": fit_mean,
    "ridge": fit_ridge,
    "knn": fit_neighbors,
    "programs": fit_programs,
}
NETWORKS = {
    "network": HistologyParams(),
    # One tower per side without graphs, soft targets, equal weights of the 50 most similar (Xie et al. 2023, NeurIPS)
    "bleep": HistologyParams(
        predict="retrieval", linear=False, image_graphs=(), expression_graphs=(), retrieval="mean", contrast_weight=1.0
    ),
    # Spots in their spatial context on the expression side, hard targets, 1 / d^2 weights (Min et al. 2024)
    "mclstexp": HistologyParams(
        predict="retrieval",
        linear=False,
        image_graphs=(),
        expression_graphs=("spatial",),
        soft_targets=False,
        retrieval="distance",
        n_retrieved=200,
        contrast_weight=1.0,
    ),
}
"""The full model, and small configurations of it that follow published ones on the same features."""
METHODS = (*NETWORKS, *CLOSED_FORM)


def settings_of(method: str, params: HistologyParams | None, changes: dict[str, Any]) -> HistologyParams | None:
    """Settings of a method; those without any refuse them."""
    check_choice(method, METHODS, "method")
    if method in CLOSED_FORM:
        if params is not None or changes:
            raise fail(f"no settings for method {method!r}, which chooses its own", str(sorted(changes) or "params"))
        return None
    known = set(HistologyParams.__dataclass_fields__)
    if not set(changes) <= known:
        raise fail(f"settings out of {sorted(known)}", str(sorted(set(changes) - known)))
    return replace(params or NETWORKS[method], **changes)


def fit_method(
    method: str,
    training: Training,
    params: HistologyParams | None,
    *,
    rng: np.random.Generator,
    device: str = "cpu",
    progress: bool | None = None,
) -> Fitted:
    """Fit one of `METHODS`, a network on `device`."""
    if params is None:
        return CLOSED_FORM[method](training)
    from ..core.train import resolve_device  # torch is imported when it is needed, not before
    from .histology_network import fit_network

    return fit_network(training, params, rng=rng, device=resolve_device(device), progress=progress)


def predictor_from_state(
    method: str, state: dict[str, np.ndarray], params: HistologyParams | None, *, device: str = "cpu"
) -> Predictor:
    """Restore the predictor of one of `METHODS` from its arrays; a network is put on `device`."""
    if params is not None:
        from ..core.train import resolve_device
        from .histology_network import network_from_state

        return network_from_state(state, params, device=resolve_device(device))
    return neighbors_from_state(state) if method == "knn" else Linear(**state)
