"""One method on all problems of one data set, whatever kind of method it is."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import _keys as keys
from . import _peer_process as process
from ._deconvolve_data import Problem, Spots
from ._impute_fit import script_of, summed
from ._peer_process import Peer

PEERS = {
    "cell2location": Peer("SPOTWEAVE_PEER_CELL2LOCATION", "cell2location"),
    "rctd": Peer("SPOTWEAVE_PEER_RCTD", "rctd-py"),
    "flashdeconv": Peer("SPOTWEAVE_PEER_FLASHDECONV", "flashdeconv"),
    "tangram": Peer("SPOTWEAVE_PEER_TANGRAM", "tangram-sc"),
    "stereoscope": Peer("SPOTWEAVE_PEER_SCVI", "scvi-tools"),
}


class Composition(NamedTuple):
    """What a method returns."""

    shares: list[np.ndarray]
    """Shares or abundances ``[n, t]`` of each problem; ``[n, t + 1]`` where the last is of no type."""
    costs: Mapping[str, float]
    """Columns of the table to be replaced, where the method did not run in this process."""
    run: tuple[str, int]
    """Name of the method and seed."""


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs."""
    for module in ["anndata", "spotweave.io", "spotweave.metrics", *(["spotweave.tl"] if "method" in settings else [])]:
        import_module(module)


def run_method(spots: Spots, settings: Mapping[str, Any], seed: int) -> Composition:
    """Find the composition of the spots of each problem."""
    options = dict(settings)
    run = options.pop("name", ""), seed
    if "peer" in options:
        results = [_call(problem, seed, **options) for problem in spots.problems]
        return Composition([shares for shares, _ in results], summed([costs for _, costs in results]), run)
    if "rival" in options:
        return Composition([RIVALS[options["rival"]](problem) for problem in spots.problems], {}, run)
    return Composition([_ours(problem, seed, **options) for problem in spots.problems], {}, run)


def missing(peer: str) -> str | None:
    """Say why a peer cannot be run; None when it can."""
    return process.missing(PEERS[peer])


def uniform(problem: Problem) -> np.ndarray:
    """Equal shares of all types."""
    return np.full((problem.X.shape[0], len(problem.types)), 1 / len(problem.types))


def reference(problem: Problem) -> np.ndarray:
    """In every spot what the reference is made of."""
    counts = np.bincount(problem.labels, minlength=len(problem.types))
    return np.tile(counts / counts.sum(), (problem.X.shape[0], 1))


RIVALS = {"uniform": uniform, "reference": reference}


def _call(
    problem: Problem, seed: int, *, peer: str, told: tuple[str, ...] = (), **options: Any
) -> tuple[np.ndarray, Mapping[str, float]]:
    """Hand a problem to another package, with what it is `told` beside the counts."""
    given = {"X": problem.X, "R": problem.R, "labels": problem.labels, "xy": problem.xy, "seed": seed}
    more = {name: getattr(problem, name) for name in told}
    return process.call("deconvolve", script_of(peer), PEERS[peer], {**given, **more, **options})


def _ours(problem: Problem, seed: int, **options: Any) -> np.ndarray:
    """`tl.deconvolve` on tables."""
    from anndata import AnnData

    from .. import tl

    genes = pd.DataFrame(index=[f"gene{j}" for j in range(problem.X.shape[1])])
    labels = np.array(problem.types)[problem.labels]
    cells = pd.DataFrame({"type": labels}, index=[f"cell{i}" for i in range(problem.R.shape[0])])
    spots = AnnData(problem.X, var=genes, obsm={"spatial": problem.xy})
    tl.deconvolve(spots, AnnData(problem.R, obs=cells, var=genes), labels_key="type", rng=seed, **options)
    found = spots.obsm["proportions"]
    unknown = [keys.UNKNOWN] if keys.UNKNOWN in found.columns else []
    return found[[*problem.types, *unknown]].to_numpy()
