"""The demonstration: domains, expression and genes of a simulated tissue, beside the truth; a report."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from . import _keys as keys
from ._check import fail
from ._demo_histology import FromPicture, from_picture, read_picture
from ._demo_slices import bring_together, in_common

if TYPE_CHECKING:
    from anndata import AnnData

_TRUTH, _BEFORE, _AFTER = "domain_true", "no_space", "domain"
_N_DOMAINS = 6
_STEPS = 100  # of training, to be quick: on this tissue twenty times as many move the score by less than a hundredth
_LEVEL = 0.05  # false discovery rate at which a gene counts as varying in space
_PANEL, _CELLS = 100, 1_000  # genes that a targeted panel has, and cells of the reference that predicts the others
_QUICK: dict[str, Any] = {"n_genes": 400, "n_directions": 10, "n_draws": 0}  # of deconvolution: a second
_VEILED = 0.5  # share of the spots; the map of a gene that is seen in fewer is mostly counting noise


def run(folder: Path, *, n_obs: int, rng: int, say: Callable[[str], None]) -> None:
    """Do all of it into `folder`, and say scores and times."""
    from . import datasets, io, tl
    from ._report import report

    _make(folder)
    clock = _Clock(say)
    adata = datasets.simulate_tissue(n_obs, n_genes=800, n_domains=_N_DOMAINS, rates=True, rng=rng)
    clock.lap(f"simulated {adata.n_obs:,} spots x {adata.n_vars:,} genes, {_N_DOMAINS} domains")
    adata.obs[_BEFORE] = cluster_without_space(adata, _N_DOMAINS, rng=rng)
    clock.lap("clustered without space (PCA + Gaussian mixture), to compare")
    tl.domains(adata, _N_DOMAINS, rng=rng)  # the number is given, as it is to the other one
    clock.lap("found domains with space (tl.domains)")
    scores = scores_of(adata)
    tl.denoise(adata, max_steps=_STEPS, restart=0, rng=rng)
    clock.lap(f"estimated the expression behind the counts (tl.denoise, {_STEPS} steps)")
    tl.spatial_genes(adata)
    clock.lap("tested which genes vary in space (tl.spatial_genes)")
    n_modules = adata.var.loc[adata.var["spatial_true"], "module_true"].nunique()
    tl.gene_embedding(adata, method="smooth", rng=rng)
    tl.gene_modules(adata, n_modules, rng=rng)
    clock.lap(f"grouped them into {n_modules} modules of like pattern (tl.gene_embedding, tl.gene_modules)")
    imputed = impute_beside_panel(adata, rng=rng)
    clock.lap(f"kept a panel of {_PANEL} genes and predicted the others from {_CELLS:,} other cells (tl.impute)")
    cells = datasets.simulate_reference(adata, _CELLS, rng=rng)
    tl.deconvolve(adata, cells, labels_key="cell_type", rng=rng, **_QUICK)
    clock.lap(f"found the cell types in each spot from {_CELLS:,} other cells (tl.deconvolve)")
    slices = bring_together(rng=rng)
    clock.lap("aligned and integrated two slices, found domains of both (tl.align, tl.integrate, tl.domains)")
    seen = read_picture(rng=rng)
    clock.lap("predicted a patient's expression from the stained picture (pp.tile_features, tl.Histology)")
    parts = (likeness(adata), discoveries(adata), foresight(imputed, adata), contents(adata), in_common(slices))
    _tell(say, [scores.round(3).to_string()], *parts, from_picture(seen))
    pictures = _draw(folder, adata, imputed, slices, seen, scores)
    markers = tl.domain_markers(adata)
    report(adata, folder / "report.html", title="spotweave demo", truth=_TRUTH, markers=markers)
    report(seen.predicted, folder / "from_picture.html", title="spotweave demo: expression from the picture")
    io.write(adata, folder / "tissue.h5ad")
    clock.lap("wrote pictures, report and data")
    for name in (*pictures, "report.html", "from_picture.html", "tissue.h5ad"):
        say(f"  {folder / name}")


def _tell(say: Callable[[str], None], *parts: list[str]) -> None:
    """Say parts of several lines, set apart."""
    say("")
    for part in parts:
        say("\n".join([*part, ""]))


def _draw(
    folder: Path, adata: "AnnData", imputed: "AnnData", slices: "AnnData", seen: FromPicture, scores: pd.DataFrame
) -> list[str]:
    """Write the pictures and return their names."""
    from . import pl
    from ._whole import write_whole
    from .pl._figure import to_png
    from .pl._predicted_values import best_predicted

    domains = pl.before_after(adata, _BEFORE, _AFTER, truth=_TRUTH)
    named = ["truth", *(f"{name} (ARI {ari:.2f})" for name, ari in scores["ARI"].items())]
    for ax, title in zip(domains.axes, named, strict=True):
        ax.set_title(title, fontsize=11)
    pictures = {
        "before_after.png": domains,
        "denoised.png": pl.denoised(adata, genes_to_show(adata)),
        "spatial_genes.png": pl.spatial_genes(adata),
        "gene_modules.png": pl.gene_modules(adata),
        "imputed.png": pl.imputed(imputed, measured=adata),
        "composition.png": pl.composition(adata, _AFTER),
        "integrated.png": pl.integrated(slices),
        "predicted.png": pl.predicted(seen.predicted, seen.slide, best_predicted(seen.predicted, 2)),
    }
    for name, figure in pictures.items():
        write_whole(folder / name, to_png(figure))
    return list(pictures)


def cluster_without_space(adata: "AnnData", n_clusters: int, *, rng: int) -> pd.Categorical:
    """Cluster cells by counts alone, as is usual for single cells: normalise, log, PCA, Gaussian mixture."""
    from sklearn.decomposition import PCA
    from sklearn.mixture import GaussianMixture
    from threadpoolctl import threadpool_limits

    X = sp.csr_matrix(adata.X, dtype=float)
    total = np.asarray(X.sum(axis=1)).ravel()
    X = sp.diags_array(np.median(total) / np.maximum(total, 1)) @ X
    H = PCA(15, svd_solver="arpack", random_state=rng).fit_transform(sp.csr_matrix(X.log1p()))
    mixture = GaussianMixture(n_clusters, covariance_type="tied", n_init=3, max_iter=500, random_state=rng)
    with threadpool_limits(1):  # small products: threads would only wait for each other
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


def likeness(adata: "AnnData") -> list[str]:
    """Say how far counts and denoised counts go with the true rates over spots, as a mean over genes that vary."""
    vary = (adata.var["module_true"] != "none").to_numpy()
    truth = _logged(adata.layers["rate_true"], vary)
    found = {"measured": adata.X, "denoised": adata.layers[keys.DENOISED]}
    values = {name: float(_correlation(_logged(X, vary), truth).mean()) for name, X in found.items()}
    return [
        f"correlation with the true rates over spots, mean of the {vary.sum()} genes that vary",
        "(of log(1 + x), x counts or rates at median depth):",
        *(f"  {name:<10} {value:.3f}" for name, value in values.items()),
    ]


def discoveries(adata: "AnnData") -> list[str]:
    """Say how many of the genes that truly vary in space were found, and how far modules are the true programs."""
    from . import metrics

    vary = adata.var["spatial_true"].to_numpy(bool)
    found = adata.var[f"{keys.SPATIAL_GENES}_qvalue"].to_numpy() < _LEVEL
    both = adata.var[vary & adata.var[keys.GENE_MODULE].notna().to_numpy()]
    ari = metrics.ari(both["module_true"], both[keys.GENE_MODULE])
    return [
        f"genes that vary in space (q < {_LEVEL}): found {(vary & found).sum()} of {vary.sum()}, "
        f"and {(~vary & found).sum()} of {(~vary).sum()} that do not",
        f"agreement of their modules with the true programs: ARI {ari:.2f}",
    ]


def impute_beside_panel(adata: "AnnData", *, rng: int) -> "AnnData":
    """Predict all genes but a panel drawn at random, as if they had not been measured."""
    from . import datasets, tl

    panel = np.sort(np.random.default_rng(rng).choice(adata.n_vars, _PANEL, replace=False))
    measured = type(adata)(
        adata.X[:, panel], obs=adata.obs, var=adata.var.iloc[panel], obsm={"spatial": adata.obsm["spatial"]}
    )
    return tl.impute(measured, datasets.simulate_reference(adata, _CELLS, rng=rng), rng=rng)


def foresight(imputed: "AnnData", adata: "AnnData") -> list[str]:
    """Say how far predicted genes go with their true rates, and what held-out panel genes said of it beforehand."""
    columns = adata.var_names.get_indexer(imputed.var_names)
    vary = (adata.var["module_true"] != "none").to_numpy()[columns]
    truth = _logged(adata.layers["rate_true"][:, columns], vary)
    values = {
        name: float(_correlation(_logged(X, vary), truth).mean())
        for name, X in {"measured": adata.X[:, columns], "predicted": imputed.X}.items()
    }
    said = imputed.uns[keys.IMPUTED]
    return [
        f"the same of the {vary.sum()} genes that vary and are not in the panel, if they are measured or predicted:",
        *(f"  {name:<10} {value:.3f}" for name, value in values.items()),
        f"held-out panel genes: correlation beyond depth {said['held_out']['residual_r'].median():.2f} (median), "
        f"90% intervals hold {said['coverage']['0.9']:.1%} of their counts",
    ]


def contents(adata: "AnnData") -> list[str]:
    """Say how far the shares of cell types in a spot are from the true ones."""
    truth = adata.obsm["proportions_true"]
    found = adata.obsm[keys.PROPORTIONS][list(truth.columns)].to_numpy(float)
    values = {"mean of all spots": truth.to_numpy().mean(axis=0), "spotweave": found}
    return [
        "distance of the shares of cell types in a spot from the true ones (root mean square):",
        *(f"  {name:<18}{np.sqrt(np.mean((x - truth.to_numpy()) ** 2)):.3f}" for name, x in values.items()),
    ]


def genes_to_show(adata: "AnnData") -> list[str]:
    """Return the two genes of clearest pattern, of two kinds of program, among those that noise veils."""
    table = adata.varm[keys.DENOISED]
    veiled = np.asarray((adata.X > 0).mean(axis=0)).ravel() < _VEILED
    ranked = table["moran_before"].where(veiled).sort_values(ascending=False, kind="stable").dropna().index
    kinds = adata.var.loc[ranked, "module_true"].astype(str).str.partition("_")[0]
    return [str(name) for name in ranked[~kinds.duplicated()][:2]]


def _logged(X: Any, genes: np.ndarray) -> np.ndarray:
    """``log(1 + x m / s)``, s the row's sum and m the median of s ``[n, genes]``."""
    size = np.maximum(np.asarray(X.sum(axis=1), dtype=float).ravel(), 1e-12)
    part = X[:, genes]
    values = np.asarray(part.toarray() if sp.issparse(part) else part, dtype=float)
    return np.log1p(values * (np.median(size) / size)[:, None])


def _correlation(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Pearson correlation of each column of A with that of B; 0 for a column without variance."""
    A, B = A - A.mean(axis=0), B - B.mean(axis=0)
    scale = np.sqrt((A**2).sum(axis=0) * (B**2).sum(axis=0))
    return np.divide((A * B).sum(axis=0), scale, out=np.zeros(len(scale)), where=scale > 0)


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
