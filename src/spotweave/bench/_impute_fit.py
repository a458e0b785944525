"""One method on all folds of one data set, whatever kind of method it is."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from . import _peer_process as process
from ._impute_data import Panels
from ._impute_methods import ROUTES
from ._impute_pair import Pair
from ._impute_rivals import RIVALS
from ._peer_process import SCRIPTS, Peer

SCVI = Peer("SPOTWEAVE_PEER_SCVI", "scvi-tools")
PEERS = {
    "tangram": Peer("SPOTWEAVE_PEER_TANGRAM", "tangram-sc"),
    "gimvi": SCVI,
    "spage": Peer("SPOTWEAVE_PEER_SPAGE", "SpaGE"),
}


class Imputed(NamedTuple):
    """What a method returns."""

    means: list[np.ndarray]
    """Expected counts ``[n, t]`` of each fold, up to one factor a gene."""
    costs: Mapping[str, float]
    """Columns of the table to be replaced, where the method did not run in this process."""
    run: tuple[str, int]
    """Name of the method and seed."""
    ends: list[Mapping[float, Any]] | None = None
    """Ends of intervals of each fold by level, two arrays ``[n, t]``, of methods that have them."""


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs."""
    for module in ["anndata", "spotweave.io", "spotweave.metrics"]:
        import_module(module)


def run_method(panels: Panels, settings: Mapping[str, Any], seed: int) -> Imputed:
    """Predict the genes of each fold from all others."""
    options = dict(settings)
    run = options.pop("name", ""), seed
    if "peer" in options:
        results = [_call(options["peer"], pair, seed) for pair in panels.pairs()]
        return Imputed([means for means, _ in results], summed([costs for _, costs in results]), run)
    if "rival" in options:
        predict = RIVALS[options["rival"]]
        return Imputed([predict(pair, np.random.default_rng(seed)) for pair in panels.pairs()], {}, run)
    route = ROUTES[options.pop("route")]
    found = [route(pair, np.random.default_rng(seed), **options) for pair in panels.pairs()]
    return Imputed([means for means, _ in found], {}, run, [ends for _, ends in found])


def missing(peer: str) -> str | None:
    """Say why a peer cannot be run; None when it can."""
    return process.missing(PEERS[peer])


def script_of(peer: str) -> Path:
    """File that calls the package."""
    return SCRIPTS / f"{peer}.py"


def _call(peer: str, pair: Pair, seed: int) -> tuple[np.ndarray, Mapping[str, float]]:
    return process.call("impute", script_of(peer), PEERS[peer], {**pair._asdict(), "seed": seed})


def summed(costs: list[Mapping[str, float]]) -> dict[str, float]:
    """Seconds of all folds, greatest memory of any."""
    return {name: (max if name == "peak_mb" else sum)(fold[name] for fold in costs) for name in costs[0]}
