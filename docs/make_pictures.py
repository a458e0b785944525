"""Draw the pictures of the README and of the documentation, from simulated tissue alone: python docs/make_pictures.py."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import scanpy as sc
from PIL import Image
from sklearn.mixture import GaussianMixture

import spotweave as sw

FOLDER = Path(__file__).parent / "_static"
N_DOMAINS, TRUTH = 6, "domain_true"
SMALL_TEXT, MUTED = 10, "#666666"


def simulated():
    """Tissue of which neither is easy: bands of unequal width, cell types mixed in each of them."""
    return sw.datasets.simulate_tissue(3_000, n_genes=800, n_domains=N_DOMAINS, layout="layers", rates=True, rng=0)


def without_space(adata):
    """Cluster by counts alone, as is usual for dissociated cells: normalise, log, PCA, Gaussian mixture."""
    table = adata.copy()
    sc.pp.normalize_total(table)
    sc.pp.log1p(table)
    sc.pp.pca(table, n_comps=15, random_state=0)
    mixture = GaussianMixture(N_DOMAINS, covariance_type="tied", n_init=3, max_iter=500, random_state=0)
    return mixture.fit_predict(table.obsm["X_pca"]).astype(str)


def draw_domains():
    """Truth, clusters without space, domains: names of the truth, hence its colours, in all three."""
    adata = simulated()
    truth = adata.obs[TRUTH]
    labels = {"no_space": without_space(adata), "domain": sw.tl.domains(adata, N_DOMAINS, copy=True).labels}
    for name, found in labels.items():
        adata.obs[name] = pd.Categorical(sw.metrics.align_labels(found, truth))
    titles = ["truth (simulated)", "without space", "spotweave"]
    figure = sw.pl.spatial(adata, [TRUTH, *labels], title=titles, legend=False, palette=colours(adata), ncols=3)
    notes = ["6 domains, 3,000 spots", *(f"ARI {sw.metrics.ari(truth, found):.2f}" for found in labels.values())]
    for ax, note in zip(figure.axes, notes, strict=True):
        ax.text(0.5, -0.02, note, transform=ax.transAxes, ha="center", va="top", fontsize=SMALL_TEXT, color=MUTED)
    save(figure, FOLDER / "domains.png")


def colours(adata):
    """Colours of the true domains, far apart where domains touch."""
    names = list(adata.obs[TRUTH].cat.categories)
    return dict(zip(names, sw.pl.palette(len(names)), strict=True))


def draw_curve():
    """How the number of domains was chosen."""
    adata = simulated()
    sw.tl.domains(adata, method="smooth")
    figure = sw.pl.domain_curve(adata)
    save(figure, FOLDER / "curve.png")


def draw_integrated():
    """Three slices, turned and with a batch effect: surroundings before and after, domains of all at once."""
    adata = sw.datasets.simulate_tissue(
        2_400, n_genes=400, n_domains=5, layout="blobs", n_slices=3, batch_effect=0.5, rng=0
    )
    sw.tl.align(adata, library_key="slice")
    sw.tl.integrate(adata, library_key="slice")
    sw.tl.domains(adata, 5, use_rep="X_integrated", library_key="slice")
    save(sw.pl.integrated(adata), FOLDER / "integrated.png")


def draw_denoised():
    """One gene of one domain, seen in a third of the spots: measured, denoised, true rate, at median depth."""
    adata = simulated()
    sw.tl.denoise(adata)
    place = adata.var_names.get_loc("gene_435")
    matrices = (adata.X.toarray(), adata.layers["denoised"], adata.layers["rate_true"])
    for name, values in zip(("measured", "denoised", "true rate"), matrices, strict=True):
        depth = values.sum(axis=1)
        adata.obs[name] = np.log1p(values[:, place] / depth * np.median(depth))
    figure = sw.pl.spatial(adata, ["measured", "denoised", "true rate"], legend=False, ncols=3)
    for ax, name in zip(figure.axes[:2], ("measured", "denoised"), strict=True):
        note = f"correlation with the true rate {adata.obs[name].corr(adata.obs['true rate']):.2f}"
        ax.text(0.5, -0.02, note, transform=ax.transAxes, ha="center", va="top", fontsize=SMALL_TEXT, color=MUTED)
    save(figure, FOLDER / "denoised.png")


def draw_genes():
    """The test of all genes of simulated tissue, and beside it the tissue's modules of genes."""
    adata = sw.datasets.simulate_patterns(2_000, n_genes=500, n_modules=8, pattern="mixed", rng=0)
    sw.tl.spatial_genes(adata, autocorrelation=False)
    sw.tl.gene_embedding(adata, method="smooth")
    sw.tl.gene_modules(adata)
    figures = (sw.pl.spatial_genes(adata, n_names=0), sw.pl.gene_modules(adata, range(6), ncols=3))
    save_side_by_side(figures, FOLDER / "genes.png")


def draw_imputed():
    """One gene that the panel lacks: measured counts that were kept back, prediction, true rate, at median depth."""
    adata = simulated()
    panel = adata[:, :150].copy()
    imputed = sw.tl.impute(
        panel, sw.datasets.simulate_reference(adata, 1_500, rng=1), genes=list(adata.var_names[150:])
    )
    spatial = [g for g in imputed.var_names if adata.var.loc[g, "spatial_true"]]
    gene = imputed.var.loc[spatial, "expected_correlation"].sort_values().index[int(0.75 * len(spatial))]
    place, rates = adata.var_names.get_loc(gene), adata.layers["rate_true"]
    sources = {
        "measured, kept back": (adata.X[:, place].toarray().ravel(), adata.X.sum(axis=1)),
        "predicted": (imputed[:, gene].X.ravel(), imputed.obs["panel_counts"]),
        "true rate": (rates[:, place], rates.sum(axis=1)),
    }
    for name, (values, depth) in sources.items():
        size = np.asarray(depth, dtype=float).ravel()
        adata.obs[name] = np.log1p(values / size * np.median(size))
    figure = sw.pl.spatial(adata, list(sources), legend=False, ncols=3)
    for ax, name in zip(figure.axes[:2], list(sources)[:2], strict=True):
        note = f"correlation with the true rate {adata.obs[name].corr(adata.obs['true rate']):.2f}"
        ax.text(0.5, -0.02, note, transform=ax.transAxes, ha="center", va="top", fontsize=SMALL_TEXT, color=MUTED)
    save(figure, FOLDER / "imputed.png")


def draw_deconvolved():
    """Pies at the spots, and beside them one type: its share as found, and the true one."""
    adata = sw.datasets.simulate_tissue(900, n_genes=400, n_domains=5, n_types=6, layout="layers", rng=0)
    cells = sw.datasets.simulate_reference(adata, 800, rng=1)
    sw.tl.deconvolve(adata, cells, labels_key="cell_type")
    truth, found = adata.obsm["proportions_true"], adata.obsm["proportions"]
    name = "type_2"
    adata.obs[f"{name}, found"], adata.obs[f"{name}, true"] = found[name], truth[name]
    maps = sw.pl.spatial(adata, [f"{name}, found", f"{name}, true"], legend=False, ncols=2)
    error = np.sqrt(np.mean((found[truth.columns].to_numpy() - truth.to_numpy()) ** 2))
    note = f"all types: root mean square error {error:.3f}"
    ax = maps.axes[0]
    ax.text(0.5, -0.02, note, transform=ax.transAxes, ha="center", va="top", fontsize=SMALL_TEXT, color=MUTED)
    save_side_by_side((sw.pl.proportions(adata), maps), FOLDER / "deconvolved.png")


def draw_predicted():
    """A gene on a patient's section whose counts were not used: measured, predicted, and the picture."""
    cohort = sw.datasets.simulate_cohort(
        4, n_sections=1, n_obs=400, n_genes=150, library_size=3_000, stain_effect=0.1, um_per_px=2.0, rng=0
    )
    sw.pp.tile_features(cohort, library_key="section", um_per_px=1.0, scales=(1.0, 2.0), cache_dir=None)
    new = (cohort.obs["patient"] == "P4").to_numpy()
    slide = cohort[new].copy()
    model = sw.tl.Histology("programs").fit(cohort[~new].copy(), library_key="section")
    predicted = model.predict(slide, library_key="section")
    gene = predicted.var["held_out_pearson"].where(predicted.var["predictable"]).idxmax()
    save(sw.pl.predicted(predicted, slide, gene), FOLDER / "predicted.png", rare=True)


def save_side_by_side(figures, path):
    """Paste pictures of figures beside each other, at the height of the lowest."""
    pictures = [Image.open(drawn(figure, dpi=110)).convert("RGB") for figure in figures]
    height = min(p.height for p in pictures)
    pictures = [p.resize((round(p.width * height / p.height), height), Image.Resampling.LANCZOS) for p in pictures]
    whole = Image.new("RGB", (sum(p.width for p in pictures), height), "white")
    for left, p in zip(np.cumsum([0, *(p.width for p in pictures[:-1])]), pictures, strict=True):
        whole.paste(p, (int(left), 0))
    save_small(whole, path)


def save(figure, path, *, rare=False):
    """Write a figure as a small PNG."""
    save_small(Image.open(drawn(figure)).convert("RGB"), path, rare=rare)


def drawn(figure, *, dpi=150):
    """A PNG of the figure, in memory."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer


def save_small(picture, path, *, rare=False):
    """Write a PNG: 128 colours are enough for flat areas and grey text; for a photograph 256, rare ones among them."""
    colors, method = (256, Image.Quantize.MAXCOVERAGE) if rare else (128, Image.Quantize.MEDIANCUT)
    picture.quantize(colors, method=method, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    draw_domains()
    draw_curve()
    draw_integrated()
    draw_denoised()
    draw_genes()
    draw_imputed()
    draw_deconvolved()
    draw_predicted()
