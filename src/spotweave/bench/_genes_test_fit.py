"""One test on one set of counts, whatever kind of method it is."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .. import _keys as keys
from . import _peer_process as process
from ._genes_test_data import Tissue
from ._peer_process import SCRIPTS, Peer
from ._sparkx import sparkx

N_NEIGHS = 6  # as squidpy's default
PEERS = {
    "flashs": Peer("SPOTWEAVE_PEER_FLASHS", "flashs"),
    "hotspot": Peer("SPOTWEAVE_PEER_HOTSPOT", "hotspotsc"),
    "squidpy": Peer("SPOTWEAVE_PEER_SQUIDPY", "squidpy"),
}


class GeneTests(NamedTuple):
    """What a method returns."""

    pvalue: np.ndarray
    """Of each gene ``[g]``, 1 where it was not tested."""
    statistic: np.ndarray
    """Of each gene ``[g]``, greater where the pattern is clearer; only breaks ties of p values."""
    costs: Mapping[str, float]
    """Columns of the table to be replaced, where the method did not run in this process."""


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs."""
    for module in ["anndata", "spotweave.io", "spotweave.datasets", *(["spotweave.tl"] if "verb" in settings else [])]:
        import_module(module)


def run_test(tissue: Tissue, settings: Mapping[str, Any], seed: int) -> GeneTests:
    """Test all genes of a tissue."""
    options = dict(settings)
    if "plain" in options:
        return GeneTests(*PLAIN[options["plain"]](tissue), {})
    if "peer" in options:
        name = options["peer"]
        given = {"X": tissue.X, "xy": tissue.xy, "seed": seed}
        found, costs = process.call("test_genes", script_of(name), PEERS[name], given)
        return GeneTests(*_complete(*np.asarray(found)), costs)
    return GeneTests(*_complete(*_ours(tissue, options)), {})


def missing(peer: str) -> str | None:
    """Say why a peer cannot be run; None when it can."""
    return process.missing(PEERS[peer])


def script_of(peer: str) -> Path:
    """File that calls the package."""
    return SCRIPTS / f"{peer}.py"


def _complete(pvalue: np.ndarray, statistic: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A gene that was not tested is one without evidence."""
    return np.where(np.isfinite(pvalue), pvalue, 1.0), np.where(np.isnan(statistic), -np.inf, statistic)


def _ours(tissue: Tissue, options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    from anndata import AnnData

    from .. import tl

    adata = AnnData(tissue.X, obsm={keys.SPATIAL: tissue.xy})
    getattr(tl, options.pop("verb"))(adata, **options)
    return adata.var["svg_pvalue"].to_numpy(dtype=float), adata.var["svg_statistic"].to_numpy(dtype=float)


def _moran(tissue: Tissue) -> tuple[np.ndarray, np.ndarray]:
    """Moran's I of log-normalised counts, upper tail."""
    from ..core.autocorrelation import morans_i
    from ..core.graph import knn

    depth = np.asarray(tissue.X.sum(axis=1), dtype=np.float64).ravel()
    factor = np.divide(np.median(depth[depth > 0]), depth, out=np.zeros_like(depth), where=depth > 0)
    L = sp.csr_matrix(sp.diags(factor) @ tissue.X)
    L.data = np.log1p(L.data)
    found = morans_i(L, knn(tissue.xy, n_neighs=N_NEIGHS).connectivities)
    return found.pvalue, found.z


def _sparkx(tissue: Tissue) -> tuple[np.ndarray, np.ndarray]:
    found = sparkx(tissue.X, tissue.xy)
    return found.pvalue, found.statistic


PLAIN = {"moran": _moran, "sparkx": _sparkx}
