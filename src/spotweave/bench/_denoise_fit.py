"""One method on one set of counts, whatever kind of method it is."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .. import _keys as keys
from ._denoise_peers import run_peer
from ._denoise_rivals import RIVALS, Predict


class Denoised(NamedTuple):
    """What a method returns."""

    predict: Predict
    """``rows -> [len(rows), g]``: expected counts at the depth of the counts that were given."""
    costs: dict[str, float]
    """Columns of the table to be replaced, where the method did not run in this process."""


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs, torch for trained methods only."""
    needed = ["anndata", "spotweave.io"]
    if "method" in settings:
        needed += ["spotweave.tl"]
    if settings.get("method") == "gmm_vgae":
        needed += ["spotweave.core.train", "spotweave.models.gmm_vgae_fit"]
    for module in needed:
        import_module(module)


def run_method(A: sp.csr_matrix, xy: np.ndarray, settings: Mapping[str, Any], seed: int) -> Denoised:
    """Fit a method to counts ``[n, g]`` and coordinates ``[n, 2]``."""
    options = dict(settings)
    if "rival" in options:
        return Denoised(RIVALS[options.pop("rival")](A, xy, None, np.random.default_rng(seed), **options), {})
    if "peer" in options:
        return Denoised(*run_peer(options["peer"], A, xy, seed))
    return Denoised(_ours(A, xy, options, seed), {})


def _ours(A: sp.csr_matrix, xy: np.ndarray, options: dict[str, Any], seed: int) -> Predict:
    from anndata import AnnData

    from .. import tl

    adata = AnnData(A, obsm={keys.SPATIAL: xy})
    tl.denoise(adata, rng=seed, progress=False, **options)
    layer = adata.layers[keys.DENOISED]
    return lambda rows: np.asarray(layer[rows])
