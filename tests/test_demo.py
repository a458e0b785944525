import re
import sys
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score

import spotweave
import spotweave.tl
from spotweave._demo import genes_to_show
from spotweave.cli import main

PICTURES = "before_after denoised spatial_genes gene_modules imputed composition integrated predicted"


def test_pictures_scores_and_report(capsys, tmp_path, monkeypatch):
    domains: Any = spotweave.tl.domains
    denoise: Any = spotweave.tl.denoise
    quick = {"method": "factor", "ranks": (5,)}
    monkeypatch.setattr(
        spotweave.tl, "domains", lambda *given, **options: domains(*given, **{"method": "smooth", **options})
    )
    monkeypatch.setattr(spotweave.tl, "denoise", lambda adata, rng, **_: denoise(adata, rng=rng, **quick))
    monkeypatch.setitem(sys.modules, "umap", None)  # half a minute of compilation; components stand in
    assert main(["demo", "-o", str(tmp_path / "demo"), "--n-obs", "500"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    pictures = {f"{name}.png" for name in PICTURES.split()}
    assert {p.name for p in (tmp_path / "demo").iterdir()} == {
        *pictures,
        "report.html",
        "from_picture.html",
        "tissue.h5ad",
    }
    without, with_space = (float(v) for v in re.findall(r"^(?:without space|spotweave) +([\d.-]+)", out, re.MULTILINE))
    tissue = anndata.read_h5ad(tmp_path / "demo" / "tissue.h5ad")
    assert with_space == pytest.approx(spotweave.metrics.ari(tissue.obs["domain_true"], tissue.obs["domain"]), abs=1e-3)
    assert without == pytest.approx(spotweave.metrics.ari(tissue.obs["domain_true"], tissue.obs["no_space"]), abs=1e-3)
    assert with_space > without + 0.1
    assert all((tmp_path / "demo" / name).read_bytes()[:4] == b"\x89PNG" for name in pictures)
    assert {"denoised", "spatial-genes", "proportions"} <= sections_of(tmp_path / "demo" / "report.html")
    check_picture(out, tmp_path / "demo" / "from_picture.html")
    kinds = r"^  (?:measured|denoised|predicted) +([\d.]+)$"
    measured, denoised, outside, predicted = (float(v) for v in re.findall(kinds, out, re.MULTILINE))
    assert measured == pytest.approx(mean_correlation(tissue, tissue.X.toarray()), abs=1e-3)
    assert denoised == pytest.approx(mean_correlation(tissue, tissue.layers["denoised"]), abs=1e-3)
    assert denoised > measured + 0.1
    left = tissue[:, np.setdiff1d(np.arange(800), np.random.default_rng(0).choice(800, 100, replace=False))]
    assert outside == pytest.approx(mean_correlation(left, left.X.toarray()), abs=1e-3)
    assert predicted > outside + 0.1
    assert re.search(r"beyond depth 0\.\d+ \(median\), 90% intervals hold (8[7-9]|9[0-3])\.\d%", out)
    check_shares(out, tissue)
    check_slices(out)
    hits, vary, false, flat, modules, ari = numbers_of_genes(out)
    called = set(tissue.var_names[tissue.var["svg_qvalue"] < 0.05])
    truth = set(tissue.var_names[tissue.var["spatial_true"]])
    assert (hits, vary) == (len(called & truth), len(truth))
    assert (false, flat) == (len(called - truth), tissue.n_vars - len(truth))
    assert vary / 5 < hits >= 10 * false
    assert modules == len({tissue.var["module_true"][gene] for gene in truth})
    grouped = tissue.var.loc[tissue.var["spatial_true"] & tissue.var["gene_module"].notna()]
    assert ari == pytest.approx(adjusted_rand_score(grouped["module_true"], grouped["gene_module"]), abs=0.006)
    assert ari > 0.3


def sections_of(path):
    """Names of the sections of a page."""
    return set(re.findall(r'<section id="([^"]*)"', path.read_text()))


def check_picture(out, page):
    """Genes that follow what is stained are predicted, the others hardly."""
    assert "histology" in sections_of(page)
    kinds = r"^  (?:follow what is stained|do not) +([\d.-]+)  \(\d+ genes\)$"
    follow, others = (float(v) for v in re.findall(kinds, out, re.MULTILINE))
    assert follow > 0.1 > others + 0.03


def check_shares(out, tissue):
    """Distances of shares from the truth, as printed and anew."""
    apart, unmixed = (float(v) for v in re.findall(r"^  (?:mean of all spots|spotweave) +([\d.]+)$", out, re.MULTILINE))
    types = tissue.obsm["proportions_true"].to_numpy()
    squares = (tissue.obsm["proportions"].to_numpy(float) - types) ** 2
    assert unmixed == pytest.approx(np.sqrt(squares.mean()), abs=6e-4)
    assert apart == pytest.approx(np.sqrt(types.var(axis=0).mean()), abs=6e-4)
    assert unmixed < apart / 2


def numbers_of_genes(out):
    """What the output says of genes: found, of how many, false, of how many; modules and their agreement."""
    ((*counts,),) = re.findall(r"found (\d+) of (\d+), and (\d+) of (\d+) that do not", out)
    (modules,) = re.findall(r"into (\d+) modules", out)
    (ari,) = re.findall(r"true programs: ARI ([\d.-]+)$", out, re.MULTILINE)
    return (*map(int, counts), int(modules), float(ari))


def check_slices(out):
    """Domains of both slices are better integrated, and the slices lie upon each other."""
    apart, together = (float(v) for v in re.findall(r"^  (?:as measured|integrated) +([\d.]+)", out, re.MULTILINE))
    assert together > apart + 0.3
    before, after = re.findall(r"lie ([\d.]+) spot distances from their true places, aligned ([\d.]+)", out)[0]
    assert float(after) < 1 < float(before)


def mean_correlation(tissue, X):
    """Of log(1 + value at median depth) with that of the true rates, one gene after the other."""

    def logged(values):
        depth = values.sum(axis=1)
        return np.log1p(values / depth[:, None] * np.median(depth))

    A, B = (logged(np.asarray(values, dtype=float)) for values in (X, tissue.layers["rate_true"]))
    vary = np.flatnonzero(tissue.var["module_true"] != "none")
    return np.mean([np.corrcoef(A[:, j], B[:, j])[0, 1] for j in vary])


def test_the_demo_shows_sparse_genes_of_two_kinds():
    genes = ["everywhere", "flat", "clear", "same kind", "other kind"]
    adata = anndata.AnnData(np.array([[3, 0, 0, 1, 0], [2, 1, 1, 0, 0], [1, 0, 0, 0, 1]], dtype=np.float32))
    adata.var_names = genes
    adata.var["module_true"] = ["domain_1", "none", "domain_1", "domain_2", "gradient_1"]
    adata.varm["denoised"] = pd.DataFrame({"moran_before": [0.9, 0.0, 0.5, 0.4, 0.3]}, index=genes)
    assert genes_to_show(adata) == ["clear", "other kind"]
