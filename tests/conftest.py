"""Shared fixtures: a fresh generator, and the real data sets where they are present."""

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of the real data sets; skips the test, with the reason, where it is absent."""
    folder = Path(os.environ.get("SPOTWEAVE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"real data sets not found in {folder}: set SPOTWEAVE_DATA")
    return folder


@pytest.fixture
def domains_result():
    """Hand-made object in the form that tl.domains writes: 2 slides of hexagonal spots, 3 domains, 9 genes."""
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData

    rng = np.random.default_rng(7)
    rows, cols = np.divmod(np.arange(77), 11)
    slide = np.column_stack([cols + 0.5 * (rows % 2), rows * np.sqrt(3) / 2]) * 100
    xy = np.concatenate([slide, slide * 2 + 5000])
    codes = np.tile(np.minimum(cols // 4, 2), 2)
    counts = rng.poisson(2 + 6 * (np.arange(9) % 3 == codes[:, None]))
    adata = AnnData(sp.csr_matrix(counts.astype(np.float32)))
    adata.var_names = [f"gene{i}" for i in range(9)]
    adata.obs["slide"] = pd.Categorical(np.repeat(["A", "B"], 77))
    adata.obs["domain"] = pd.Categorical(codes.astype(str), categories=["0", "1", "2"])
    truth = np.array(["deep", "middle", "top"], dtype=object)[[2, 0, 1]][codes]
    truth[[3, 100]] = np.nan
    adata.obs["truth"] = pd.Categorical(truth)
    adata.obsm["spatial"] = xy
    P = np.full((154, 3), 0.1) + 0.7 * np.eye(3)[codes]
    P[5] = [0.4, 0.35, 0.25]
    adata.obsm["domain_probability"] = P
    adata.obsm["X_fusion"] = np.eye(3)[codes] @ rng.normal(size=(3, 5)) + 0.01 * rng.normal(size=(154, 5))
    adata.uns["domain_colors"] = ["#d55e00", "#0072b2", "#009e73"]
    adata.uns["domain"] = {
        "params": {"method": "fusion", "n_domains": 3, "library_key": "slide", "rng": 0, "spotweave_version": "0.1.0"},
        "n_domains": 3,
        "converged": True,
        "stability": 0.83,
        "log_likelihood": -12.5,
        "curve": {
            "n_domains": np.arange(2, 6),
            "stability": np.array([0.9, 0.95, 0.7, 0.6]),
            "held_out": np.array([-14.0, -12.25, -12.0, -12.125]),
        },
        "history": {"loss": np.array([3.0, 2.0, 1.5]), "contrast": np.array([0.7, 0.5, 0.4])},
    }
    return adata


@pytest.fixture
def markers_table():
    """Hand-made table in the form of tl.domain_markers, for `domains_result`."""
    import pandas as pd

    table = [(f"gene{g}", str(g % 3), 3.0 - g / 10, 1e-4, 1e-3) for g in range(9)]
    return pd.DataFrame(table, columns=["gene", "domain", "effect", "p", "q"])


@pytest.fixture
def denoised_result(domains_result):
    """`domains_result` with what tl.denoise writes: expected counts are the mean share of the domain times the depth."""
    import pandas as pd

    adata = domains_result
    counts = adata.X.toarray()
    depth = counts.sum(axis=1, keepdims=True)
    member = np.eye(3)[adata.obs["domain"].cat.codes]
    share = (member.T @ counts) / (member.T @ depth)
    adata.layers["denoised"] = (depth * (member @ share)).astype(np.float32)
    rng = np.random.default_rng(5)
    table = pd.DataFrame(rng.dirichlet([2, 2, 1], 9), columns=["weight_latent", "weight_neighbors", "weight_own"])
    table["moran_before"] = np.linspace(-0.004, 0.4, 9)
    table["moran_after"] = table["moran_before"] * 0.5 + 0.3
    table["deviance_mean"] = np.linspace(0.5, 2.1, 9)
    table["deviance"] = table["deviance_mean"] * np.array([0.9, 0.8, 0.7, 0.95, 0.5, 0.6, 0.85, 1.05, 0.75])
    adata.varm["denoised"] = table.set_axis(adata.var_names)
    adata.uns["denoised"] = {
        "method": "gmm_vgae",
        "likelihood": "negative_binomial",
        "scale": "counts",
        "warning": "Estimates share noise: do not test them.",
        "params": {"method": "gmm_vgae", "library_key": "slide", "rng": 0},
        "history": {"loss": np.array([3.0, 2.0])},
    }
    return adata


@pytest.fixture
def modules_result():
    """Hand-made object in the form that the verbs about genes write: planted modules "0" to "2", flat genes without."""
    import pandas as pd

    from spotweave import datasets

    adata = datasets.simulate_patterns(143, n_genes=41, n_modules=3, log_fold=(0.4, 0.8), rng=3)
    rng = np.random.default_rng(11)
    codes = np.where(adata.var["spatially_variable"], adata.var["module"].cat.codes.to_numpy(), -1)
    has = codes >= 0
    q = np.where(has, 10 ** -rng.uniform(2, 40, 41), rng.uniform(0.1, 1, 41))
    scale = rng.choice([100.0, 250.0], 41)
    scale[np.flatnonzero(~has)[0]] = np.nan  # not tested
    columns = {"statistic": -np.log(q), "pvalue": q / 3, "qvalue": q, "effect": adata.var["log_fold"], "scale": scale}
    for name, values in columns.items():
        adata.var[f"svg_{name}"] = np.asarray(values, dtype=float)
    adata.var["svg_moran"] = rng.uniform(-0.01, 0.8, 41)
    names = ["0", "1", "2"]
    adata.var["gene_module"] = pd.Categorical.from_codes(codes.astype(np.intp), pd.Index(names))
    P = np.where(has[:, None], 0.1 + 0.7 * np.eye(3)[codes], np.nan)
    adata.varm["gene_module_probability"] = pd.DataFrame(P, index=adata.var_names, columns=names)
    H = 4 * np.eye(3)[codes] @ rng.normal(size=(3, 5)) + rng.normal(size=(41, 5))
    adata.varm["X_gene"] = np.where(has[:, None], H, np.nan)
    curve = {"n_modules": np.arange(2, 6), "score": np.array([-3.0, -1.0, -1.5, -2.0])}
    adata.uns["gene_module"] = {"params": {"rng": 0}, "n_modules": 3, "curve": curve}
    adata.uns["svg"] = {"params": {}, "n_tested": 40}
    return adata


@pytest.fixture
def imputed_result(domains_result):
    """Hand-made object in the form that tl.impute returns, of the cells of `domains_result`: 40 genes from 30 held out."""
    import pandas as pd
    from anndata import AnnData

    rng = np.random.default_rng(19)
    depth = np.asarray(domains_result.X.sum(axis=1), dtype=float)
    member = domains_result.obs["domain"].cat.codes.to_numpy()
    X = depth * rng.lognormal(-3, 1, 40) * np.exp(0.8 * rng.normal(size=(3, 40)))[member]
    names = [f"new{j}" for j in range(40)]
    var = pd.DataFrame({"expected_correlation": rng.permutation(np.linspace(-0.02, 0.6, 40))}, index=names)
    var["pattern"], var["mean"] = np.log(X / depth).std(axis=0), X.mean(axis=0)
    var["moran"], var["reference_mean"] = rng.uniform(0, 0.9, 40), rng.lognormal(size=40)
    layers = {"lower": 0.3 * X, "upper": 0.3 * X + 2 * np.sqrt(X)}
    imputed = AnnData(X.astype(np.float32), obs=domains_result.obs[["slide"]].copy(), var=var)
    for name, end in layers.items():
        imputed.layers[name] = end.astype(np.float32)
    imputed.obs["panel_counts"] = depth.ravel()
    imputed.obsm["spatial"] = domains_result.obsm["spatial"].copy()
    held = pd.DataFrame(
        {"residual_r": rng.permutation(np.linspace(-0.1, 0.5, 30))}, index=[f"gene{j}" for j in range(30)]
    )
    held["expected_correlation"] = 0.5 * held["residual_r"] + rng.uniform(0, 0.1, 30)
    held["deviance_explained"], held["mean"] = held["residual_r"] * 0.3, rng.lognormal(size=30)
    held["moran"], held["moran_expected"] = np.linspace(-0.02, 0.5, 30), np.linspace(0.01, 0.3, 30)
    held["flat"] = held["moran"] < 0.1
    held["flat_patterned"] = held["flat"] & (held["moran_expected"] > 0.045)
    for level in (50, 80, 90, 95):
        held[f"coverage_{level}"] = np.clip(level / 100 + rng.uniform(-0.2, 0.2, 30), 0, 1)
    false = {"n_flat": 7, "n_patterned": 3, "share": 3 / 7}
    imputed.uns["impute"] = {
        "held_out": held,
        "coverage": {f"{level / 100:g}": float(held[f"coverage_{level}"].mean()) for level in (50, 80, 90, 95)},
        "false_patterns": false,
        "weights": {
            "ridge": 0.1,
            "factor": 0.3,
            "neighbors": 0.0,
            "neighbors_4_hops": 0.2,
            "depth": 0.95,
            "neighbors_depth": -0.02,
        },
        "converged": True,
        "level": {"slope": 0.8, "error": 0.7},
        "quality_correlation": 0.6,
        "n_shared": 30,
        "matched": "exact",
        "n_reference": 700,
        "scale": "expected counts",
        "note": "Predictions: do not test them.",
        "params": {
            "method": "combined",
            "n_folds": 5,
            "interval": 0.9,
            "library_key": "slide",
            "spatial_key": "spatial",
        },
    }
    return imputed


@pytest.fixture
def predicted_result(domains_result):
    """Hand-made object in the form that tl.Histology.predict returns, of the spots of `domains_result`: 6 of its genes."""
    import pandas as pd
    from anndata import AnnData

    rng = np.random.default_rng(23)
    slide = domains_result
    names = ["gene8", "gene1", "gene3", "gene5", "gene0", "gene6"]
    counts = slide[:, names].X.toarray() / slide.X.sum(axis=1)
    X = 4 + 0.4 * np.log1p(1e4 * np.asarray(counts)) + 0.3 * rng.normal(size=(154, 6))
    var = pd.DataFrame({"mean": X.mean(axis=0)}, index=pd.Index(names, name="gene"))
    var["held_out_pearson"] = [0.3, 0.41, -0.05, 0.22, 0.5, 0.1]
    var["held_out_r2"], var["p"], var["q"] = var["held_out_pearson"] ** 2, 1e-4, [4e-4, 0.01, 0.9, 0.02, 0.2, 0.6]
    var["predictable"] = var["q"] < 0.05
    predicted = AnnData(X.astype(np.float32), obs=slide.obs[["slide"]].copy(), var=var)
    predicted.obs["image_novelty"] = np.linspace(0.2, 1.1, 154)
    predicted.obs["out_of_distribution"] = predicted.obs["image_novelty"] > 1
    predicted.obsm["spatial"] = slide.obsm["spatial"].copy()
    bank = np.array([f"{s}:spot{i}" for s in ("T1", "T2:b") for i in range(9)], dtype=object)
    predicted.obsm["retrieved"] = pd.DataFrame(
        bank[rng.integers(18, size=(154, 2))], index=predicted.obs_names, columns=["nearest_1", "nearest_2"]
    )
    predicted.obsm["retrieved_weight"] = np.tile(np.array([0.7, 0.2], np.float32), (154, 1))
    predicted.uns["histology"] = {
        "params": {"method": "network", "n_top": 6, "target": "log_normalized", "n_neighs": 8},
        "trained_on": ["T1", "T2:b"],
        "groups": ["P1", "P2"],
        "inner_kind": "group",
        "held_out_pearson": float(var["held_out_pearson"].mean()),
        "n_predictable": 3,
        "slide_novelty": {"A": 0.5, "B": 0.8},
        "out_of_distribution": float(predicted.obs["out_of_distribution"].mean()),
    }
    return predicted


@pytest.fixture
def histology_scores_result():
    """Hand-made tables in the form of tl.cross_validate_histology: 4 rows, 3 patients of 2 sections."""
    from types import SimpleNamespace

    import pandas as pd

    rng = np.random.default_rng(29)
    level = {"ridge": 0.1, "network": 0.2, "mean": 0.0, "depth": 0.15}
    rows = [
        (m, g, f"{g}_{k}", b and b + 0.05 * rng.normal(), b and b / 3 - 0.03 + 0.02 * rng.normal())
        for m, b in level.items()
        for g in ("P1", "P2", "P3")
        for k in (1, 2)
    ]
    sections = pd.DataFrame(rows, columns=["method", "group", "section", "pearson", "r2"])
    summary = sections.groupby("method", sort=False)[["pearson", "r2"]].mean()
    summary["lower"], summary["upper"] = summary["pearson"] - 0.04, summary["pearson"] + 0.03
    summary["pearson_predictable"], summary["n_predictable"], summary["margin_depth"] = 0.3, 4.5, np.nan
    return SimpleNamespace(sections=sections, summary=summary)


@pytest.fixture
def slices_result(domains_result):
    """`domains_result` with what tl.integrate and tl.align write: slices "A" and "B" meet, and share all domains."""
    import pandas as pd

    adata = domains_result
    second = np.repeat([0.0, 1.0], 77)
    across = adata.obs["domain"].cat.codes.to_numpy() + 0.1 * np.random.default_rng(3).normal(size=154)
    adata.obsm["integrated_before"] = np.column_stack([across, 4 * second]).astype(np.float32)
    adata.obsm["integrated_after"] = np.column_stack([across, 2 + 0 * second]).astype(np.float32)
    adata.obs["integrated_support"] = np.linspace(0.5, 1, 154, dtype=np.float32)
    pair = np.ones((2, 2)) - np.eye(2)
    adata.uns["integrate"] = {
        "params": {"method": "matched", "library_key": "slide", "spatial_key": "spatial"},
        "batches": np.array(["A", "B"]),
        "ilisi_before": 0.125,
        "ilisi_after": 0.75,
        "neighbors_kept": 0.82,
        "n_matched": np.array([[0, 70], [65, 0]]),
        "apart": 1.25 * pair,
        "linked": pair.astype(bool),
        "support": np.array([0.9, 0.86]),
        "converged": True,
    }
    adata.obsm["spatial_aligned"] = np.where(
        second[:, None] == 1, (adata.obsm["spatial"] - 5000) / 2, adata.obsm["spatial"]
    )
    columns = {
        "via": ["", "A"],
        "rotation": [-1e-9, -12.34],
        "agreement_before": [np.nan, 0.25],
        "agreement": [np.nan, 0.75],
        "overlap": [np.nan, 0.98],
        "residual": [np.nan, 0.5],
        "rival": [np.nan, 0.1],
        "warning": ["", ""],
    }
    adata.uns["align"] = {
        "params": {"library_key": "slide", "spatial_key": "spatial"},
        "reference": "A",
        "slices": np.array(["A", "B"]),
        "fit": pd.DataFrame(columns, index=pd.Index(["A", "B"], name="slice")),
    }
    return adata


@pytest.fixture
def proportions_result(domains_result):
    """`domains_result` with what tl.deconvolve writes: five types by domain, the unknown, spot 3 almost all of one."""
    import pandas as pd

    adata, rng = domains_result, np.random.default_rng(23)
    names = ["B cell", "T cell", "glia", "neuron", "rare", "unknown"]
    mean = np.array([[8, 5, 2, 2, 0.3, 1], [1, 2, 9, 4, 0.3, 1], [1, 1, 2, 12, 0.3, 1]])[
        adata.obs["domain"].cat.codes.to_numpy()
    ]
    P = rng.gamma(mean)
    P[P < 0.2] = 0
    P[3] = [0, 0, 0, 7, 0, 0]
    P /= P.sum(axis=1, keepdims=True)
    frame = {"index": adata.obs_names, "columns": pd.Index(names)}
    adata.obsm["proportions"] = pd.DataFrame(P.astype(np.float32), **frame)
    adata.obsm["proportions_sd"] = pd.DataFrame((0.02 + 0.1 * P * (1 - P)).astype(np.float32), **frame)
    types = pd.DataFrame({"n_cells": [40, 35, 60, 200, 3], "depth": [900.0, 1000, 2500, 8000, 1500]}, index=names[:5])
    types["inflation"] = [4.0, 4.5, 1.1, 1.2, 1.0]
    types["confused_with"] = ["T cell", "B cell", "neuron", "glia", "neuron"]
    types["correlation"] = [-0.85, -0.85, -0.2, -0.2, 0.0]
    types["mean_share"] = P[:, :5].mean(axis=0)
    adata.uns["deconvolve"] = {
        "types": types,
        "n_used": 9,
        "n_shared": 9,
        "matched": "exact",
        "n_reference": 338,
        "platform_sd": 0.4,
        "background": 0.03,
        "converged": True,
        "params": {"method": "nb", "labels_key": "cell_type", "unknown": True, "spotweave_version": "0.1.0"},
    }
    return adata
