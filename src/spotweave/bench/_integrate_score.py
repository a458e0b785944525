"""Integrated slices judged: domains against known labels, mixing, and what was kept of each slice."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ._integrate_fit import Joint, Slices, uncorrected
from ._integrate_sets import SLICE, TRUTH

ALL = "all"
"""In the column ``slice``: all slices together."""
HOPS = 2


def score(slices: Slices, joint: Joint) -> list[dict[str, Any]]:
    """A row of all slices together, and one of each that has labels."""
    adata, item = slices.adata, slices.dataset
    names = adata.obs[SLICE].astype(str).to_numpy()
    sizes = {"n_obs": adata.n_obs, "n_genes": adata.n_vars, "n_slices": len(np.unique(names))}
    common = {"truth": item.truth.column if item.truth else "", **sizes, "n_domains": item.n_domains, **joint.costs}
    return [{"slice": name, **common, **scores} for name, scores in _parts(slices, joint, names)]


def _parts(slices: Slices, joint: Joint, names: np.ndarray) -> Iterator[tuple[str, dict[str, float]]]:
    known = slices.adata.obs[TRUTH].notna().to_numpy()
    together = {}
    if joint.H is not None:
        together = {**(_agreement(slices, joint, known) if known.any() else {}), **mixing(slices, joint.H)}
    yield ALL, together
    for name in np.unique(names[known]):
        yield name, _agreement(slices, joint, known & (names == name))


def _agreement(slices: Slices, joint: Joint, rows: np.ndarray) -> dict[str, float]:
    from .. import metrics

    truth, labels = slices.adata.obs[TRUTH].to_numpy(object)[rows], joint.labels[rows]
    return {"ari": metrics.ari(truth, labels), "nmi": metrics.nmi(truth, labels)}


def mixing(slices: Slices, H: np.ndarray) -> dict[str, float]:
    """Scores of components ``[n, d]``, averaged over the surroundings of each row, which is what makes a domain."""
    from .. import metrics

    names, truth = slices.adata.obs[SLICE].astype(str).to_numpy(), slices.adata.obs[TRUTH].to_numpy(object)
    S, before = (surroundings(slices, X) for X in (H, uncorrected(slices.adata, 0)))
    has = slices.adata.obs[TRUTH].notna().to_numpy()
    several = has.any() and len(np.unique(names[has])) > 1
    return {
        "ilisi": metrics.ilisi(S, names, scaled=True),
        "kbet": metrics.kbet(S, names),
        "batch_asw": metrics.batch_asw(S, names, truth if several else None),
        "label_asw": metrics.label_asw(S, truth) if has.any() else float("nan"),
        "neighbors_kept": metrics.neighbors_kept(before, S, names),
    }


def surroundings(slices: Slices, H: np.ndarray) -> np.ndarray:
    """Average over neighbours on the same slice (6 nearest, symmetric), twice: the same for all methods."""
    from ..core.graph import knn
    from ..core.propagate import propagate, row_normalise, symmetrise

    names = slices.adata.obs[SLICE].astype(str).to_numpy()
    W = symmetrise(knn(slices.adata.obsm["spatial"], n_neighs=6, library=names).connectivities)
    return np.asarray(propagate(np.asarray(H, np.float64), row_normalise(W), HOPS))
