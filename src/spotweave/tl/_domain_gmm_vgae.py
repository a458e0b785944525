"""Domains as components of the mixture prior of a graph autoencoder of counts."""

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from .._check import fail
from ._tissue import Tissue

if TYPE_CHECKING:
    from ..models.gmm_vgae_params import GmmVgaeParams

N_STEPS = 500  # there is no held-out part here: the labels need the shape of the latent space, not its last digits


def mixture_of_counts(
    tissue: Tissue,
    params: "GmmVgaeParams",
    rng: np.random.Generator,
    *,
    device: str,
    progress: bool | None,
) -> tuple[np.ndarray, np.ndarray, dict[str, Any]]:
    """Train with as many components as domains are wanted; responsibilities ``[n, k]``, latent means ``[n, d]``, and the history."""
    from ..core.train import resolve_device
    from ..models.gmm_vgae_fit import Observed, fit_gmm_vgae

    prepared = tissue.prepared
    if prepared is None:
        raise fail("counts with method='gmm_vgae'", "use_rep, an embedding", "Leave use_rep out.")
    X = sp.vstack([sp.csr_matrix(block, dtype=np.float32) for _, block in prepared.chunks()], format="csr")
    observed = Observed(tissue.P, tissue.W, X, prepared.size)
    n_steps = min(N_STEPS, params.max_steps)
    fit = fit_gmm_vgae(observed, params, rng=rng, n_steps=n_steps, device=resolve_device(device), progress=progress)
    return fit.responsibility, fit.mean, {"history": {"loss": fit.stopped.loss}}
