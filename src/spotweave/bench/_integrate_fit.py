"""One way to integrate slices and one to find their domains, whatever kinds they are."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._table import get_counts
from . import _peer_process as process
from ._integrate_methods import ALONE, OWN, UNCORRECTED
from ._integrate_sets import SLICE, TRUTH, SliceSet
from ._measure import Stopwatch
from ._peer_process import SCRIPTS, Peer

if TYPE_CHECKING:
    from anndata import AnnData

PEERS = {
    "scvi": Peer("SPOTWEAVE_PEER_SCVI", "scvi-tools"),
    "graphst": Peer("SPOTWEAVE_PEER_GRAPHST", "GraphST"),
    "cellcharter": Peer("SPOTWEAVE_PEER_CELLCHARTER", "cellcharter"),
}
N_TOP, N_COMPONENTS = 3_000, 100  # genes of high variance and components, as in `tl.domains`
INTEGRATED = "X_integrated"


class Slices(NamedTuple):
    """A data set that has been read."""

    dataset: SliceSet
    adata: "AnnData"


class Joint(NamedTuple):
    """What a method returns."""

    labels: np.ndarray
    """Domains ``[n]``, strings; those of different slices have nothing in common where each was taken alone."""
    H: np.ndarray | None
    """Integrated components ``[n, d]``; None where each slice was taken alone."""
    costs: Mapping[str, float]
    """Columns of the table, some of which replace those that were measured in this process."""


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs, torch for trained domains only."""
    needed = ["anndata", "spotweave.io", "spotweave.metrics", "spotweave.tl"]
    if settings.get("domains") == "fusion":
        needed += ["spotweave.core.train", "spotweave.models.fusion"]
    if settings.get("method") == "harmony":
        needed += ["harmonypy"]
    for module in needed:
        import_module(module)


def load(dataset: SliceSet, path: Path) -> Slices:
    """Read the files."""
    return Slices(dataset, dataset.read(path))


def fit(slices: Slices, settings: Mapping[str, Any], seed: int) -> Joint:
    """Integrate, and find as many domains as there are labels."""
    if settings["name"] == ALONE:
        return Joint(each_alone(slices, settings["domains"], seed), None, {})
    with Stopwatch() as integrating:
        H, theirs = integrated(slices, settings, seed)
    with Stopwatch() as finding:
        if settings["domains"] == OWN:
            labels, H = H[:, 0].astype(int).astype(str), H[:, 1:]
        else:
            labels = domains_of(slices, H, settings["domains"], seed)
    return Joint(labels, H, _costs(integrating, theirs, finding))


def integrated(slices: Slices, settings: Mapping[str, Any], seed: int) -> tuple[np.ndarray, Mapping[str, float]]:
    """Components of all slices ``[n, d]`` (of packages with domains of their own, these in front), and their costs."""
    if "peer" in settings:
        return _by_peer(slices, settings["peer"], seed)
    if settings["name"] == UNCORRECTED:
        return uncorrected(slices.adata, seed), {}
    from .. import tl

    adata = slices.adata.copy()
    tl.integrate(adata, library_key=SLICE, method=settings["method"], rng=seed)
    return np.asarray(adata.obsm[INTEGRATED]), {}


def uncorrected(adata: "AnnData", seed: int) -> np.ndarray:
    """Principal components of all slices together, as `tl.domains` takes them of one."""
    from ..pp import prepare

    rng = np.random.default_rng(seed)
    return prepare(adata, layer=None, n_top=N_TOP, n_components=N_COMPONENTS, rng=rng).components.scores


def domains_of(slices: Slices, H: np.ndarray, method: Any, seed: int) -> np.ndarray:
    """Domains of all slices together ``[n]`` from integrated components ``[n, d]``."""
    from anndata import AnnData

    from .. import tl

    adata = slices.adata
    rows = AnnData(obs=adata.obs[[SLICE]], obsm={"spatial": adata.obsm["spatial"], INTEGRATED: H})
    n = slices.dataset.n_domains
    found = tl.domains(
        rows, n, method=method, use_rep=INTEGRATED, library_key=SLICE, rng=seed, progress=False, copy=True
    )
    assert found is not None, "a copy was asked for"
    return found.labels.to_numpy(str)


def each_alone(slices: Slices, method: Any, seed: int) -> np.ndarray:
    """Domains of each slice from its own counts ``[n]``, as many as it has labels (as all have, where unknown)."""
    from .. import tl

    labels = np.empty(slices.adata.n_obs, dtype=object)
    for name, rows in slices.adata.obs.groupby(SLICE, observed=True).indices.items():
        part = slices.adata[rows].copy()
        n = part.obs[TRUTH].nunique() or slices.dataset.n_domains
        found = tl.domains(part, n, method=method, rng=seed, progress=False, copy=True)
        assert found is not None, "a copy was asked for"
        labels[rows] = [f"{name}:{label}" for label in found.labels]
    return labels.astype(str)


def missing(peer: str) -> str | None:
    """Say why a peer cannot be run; None when it can."""
    return process.missing(PEERS[peer])


def script_of(peer: str) -> Path:
    """File that calls the package."""
    return SCRIPTS / f"{peer}.py"


def _by_peer(slices: Slices, peer: str, seed: int) -> tuple[np.ndarray, Mapping[str, float]]:
    """Run a package on the counts of the genes that the other methods use."""
    from ..pp import select_genes

    adata = slices.adata
    chosen = select_genes(adata, n_top=N_TOP, copy=True)
    assert chosen is not None, "a copy was asked for"
    X = sp.csr_matrix(get_counts(adata)[:, chosen["highly_variable"].to_numpy()], dtype=np.float32)
    batch = np.unique(adata.obs[SLICE].astype(str), return_inverse=True)[1]
    given = {"X": X, "xy": adata.obsm["spatial"], "batch": batch, "n": slices.dataset.n_domains, "seed": seed}
    found, costs = process.call("integrate", script_of(peer), PEERS[peer], given)
    return np.asarray(found), costs


def _costs(integrating: Stopwatch, theirs: Mapping[str, float], finding: Stopwatch) -> dict[str, float]:
    """Seconds of the integration alone; of a package also those of the whole run, which this process did not see."""
    if not theirs:
        return {"integrate_s": integrating.wall, "integrate_cpu_s": integrating.cpu}
    after = {"fit_s": finding.wall, "wall_s": finding.wall, "fit_cpu_s": finding.cpu, "cpu_s": finding.cpu}
    run = {name: value + after.get(name, 0.0) for name, value in theirs.items()}
    return {"integrate_s": theirs["fit_s"], "integrate_cpu_s": theirs["fit_cpu_s"], **run}
