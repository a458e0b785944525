"""The demonstration: a simulated tissue, its domains with and without space, scores, pictures and a report."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ._check import fail

if TYPE_CHECKING:
    from anndata import AnnData

_TRUTH, _BEFORE, _AFTER = "domain_true", "no_space", "domain"
_N_DOMAINS = 6


def run(folder: Path, *, n_obs: int, rng: int, say: Callable[[str], None]) -> None:
    """Do all of it into `folder`, and say scores and times."""
    from . import datasets, io, pl, tl
    from ._report import report
    from ._whole import write_whole
    from .pl._figure import to_png

    _make(folder)
    clock = _Clock(say)
    adata = datasets.simulate_tissue(n_obs, n_genes=800, n_domains=_N_DOMAINS, rng=rng)
    clock.lap(f"simulated {adata.n_obs:,} spots x {adata.n_vars:,} genes, {_N_DOMAINS} domains")
    adata.obs[_BEFORE] = cluster_without_space(adata, _N_DOMAINS, rng=rng)
    clock.lap("clustered without space (PCA + Gaussian mixture), to compare")
    tl.domains(adata, _N_DOMAINS, rng=rng)  # the number is given, as it is to the other one
    clock.lap("found domains with space (tl.domains)")
    scores = scores_of(adata)
    say("")
    say(scores.round(3).to_string())
    say("")
    figure = pl.before_after(adata, _BEFORE, _AFTER, truth=_TRUTH)
    named = ["truth", *(f"{name} (ARI {ari:.2f})" for name, ari in scores["ARI"].items())]
    for ax, title in zip(figure.axes, named, strict=True):
        ax.set_title(title, fontsize=11)
    write_whole(folder / "before_after.png", to_png(figure))
    markers = tl.domain_markers(adata)
    report(adata, folder / "report.html", title="spotweave demo", truth=_TRUTH, markers=markers)
    io.write(adata, folder / "tissue.h5ad")
    clock.lap("wrote pictures, report and data")
    for name in ("before_after.png", "report.html", "tissue.h5ad"):
        say(f"  {folder / name}")


def cluster_without_space(adata: "AnnData", n_clusters: int, *, rng: int) -> pd.Categorical:
    """Cluster cells by counts alone, as is usual for single cells: normalise, log, PCA, Gaussian mixture."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture

    X = sp.csr_matrix(adata.X, dtype=float)
    total = np.asarray(X.sum(axis=1)).ravel()
    X = sp.diags_array(np.median(total) / np.maximum(total, 1)) @ X
    H = PCA(15, svd_solver="arpack", random_state=rng).fit_transform(sp.csr_matrix(X.log1p()))
    mixture = GaussianMixture(n_clusters, covariance_type="tied", n_init=3, max_iter=500, random_state=rng)
    return pd.Categorical(mixture.fit_predict(H).astype(str))


def scores_of(adata: "AnnData") -> pd.DataFrame:
    """Agreement with the truth and smoothness in space, of both clusterings."""
    from . import metrics

    truth, xy = adata.obs[_TRUTH], adata.obsm["spatial"]
    kinds: dict[str, Callable[[Any], float]] = {
        "ARI": lambda labels: metrics.ari(truth, labels),
        "NMI": lambda labels: metrics.nmi(truth, labels),
        "spots unlike their surroundings (PAS)": lambda labels: metrics.pas(labels, xy),
    }
    names = {_BEFORE: "without space", _AFTER: "spotweave"}
    table = {names[key]: {kind: score(adata.obs[key]) for kind, score in kinds.items()} for key in names}
    return pd.DataFrame(table).T


def _make(folder: Path) -> None:
    if not folder.parent.is_dir():
        raise fail(f"a folder {folder.parent} to make {folder.name} in", "none", "Make it first.")
    if folder.exists() and not folder.is_dir():
        raise fail(f"a folder or nothing at {folder}", "a file", "Choose another name.")
    folder.mkdir(exist_ok=True)


class _Clock:
    """Says what was done, and the seconds since the last time."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.last = time.perf_counter()

    def lap(self, what: str) -> None:
        now = time.perf_counter()
        self.say(f"{now - self.last:6.1f} s  {what}")
        self.last = now
