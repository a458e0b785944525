"""`tl.denoise` as a user calls it: closer to the truth than the counts, keys written, guard, graph, panel of genes."""

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import mean_poisson_deviance

import spotweave as sw
from spotweave import InputError, datasets
from spotweave.core.flatness import SUPPORT
from spotweave.tl import _denoise, _denoise_methods
from spotweave.tl._denoise_methods import METHODS
from spotweave.tl._denoise_output import WARNING

tl: Any = sw.tl
FAST: dict[str, dict[str, Any]] = {
    "factor": {"method": "factor", "ranks": (1, 2, 3)},
    "gmm_vgae": {"max_steps": 60, "n_warmup": 20, "n_hidden": 32, "n_curved": 8, "n_latent": 8},
}
TABLE = ["weight_latent", "weight_neighbors", "weight_own", "moran_before", "moran_after"]
PATTERN, SCORES = ["pattern", "pattern_gain"], ["deviance", "deviance_mean"]
SAID = {"scale", "likelihood", "deviance", "deviance_mean", "converged", "warning", "method", "graph_used", "reach", "params"}  # fmt: skip
EXTRAS = {"factor": {"rank", "ranks", "log_likelihood"}, "gmm_vgae": {"n_panel", "n_steps", "history"}}
SUBSET = ["gene_07", "gene_03", "gene_31"]

both = pytest.mark.parametrize("method", FAST)


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    much: dict[str, Any] = {"signal": 1, "overdispersion": 0.05}
    return datasets.simulate_tissue(300, n_genes=80, n_domains=4, library_size=300, rates=True, rng=1, **much)


@pytest.fixture
def adata(tissue) -> ad.AnnData:
    return tissue.copy()


@pytest.fixture(scope="module")
def results(tissue) -> dict[str, Any]:
    return {method: tl.denoise(tissue, copy=True, sd=True, **FAST[method]) for method in FAST}


@pytest.fixture(scope="module")
def plain(tissue) -> Any:
    return tl.denoise(tissue, copy=True, **FAST["factor"])


def shares(M) -> np.ndarray:
    M = M.toarray() if sp.issparse(M) else np.asarray(M, float)
    return M / np.maximum(M.sum(axis=1, keepdims=True), 1)


def correlations(M, tissue, genes=slice(None)) -> np.ndarray:
    """Of each gene that varies in space, after division by depth."""
    ours, truth = shares(M), shares(tissue.layers["rate_true"])
    genes = np.intersect1d(np.arange(80)[genes], np.flatnonzero(tissue.var["spatial_true"]))
    return np.array([np.corrcoef(ours[:, j], truth[:, j])[0, 1] for j in genes])


@both
def test_is_closer_to_the_truth_than_the_counts(tissue, results, method):
    found = results[method]
    assert correlations(found.mean, tissue).mean() > correlations(tissue.X, tissue).mean() + 0.05
    assert found.report["deviance"] < found.report["deviance_mean"]
    np.testing.assert_allclose(found.mean.sum(axis=0), np.asarray(tissue.X.sum(axis=0)).ravel(), rtol=0.1)


@both
def test_writes_what_is_documented_and_nothing_else(adata, tissue, method):
    assert tl.denoise(adata, key_added="d", sd=True, **FAST[method]) is None
    new = {s: set(getattr(adata, s)) - set(getattr(tissue, s)) for s in ("obs", "var", "obsm", "varm", "layers", "uns")}
    assert new == {
        "obs": set(), "var": set(), "obsm": {f"X_{method}", f"{method}_probability"}, "varm": {"d"},
        "layers": {"d", "d_sd"}, "uns": {"d"},
    }  # fmt: skip
    for part in ("data", "indices", "indptr"):
        assert getattr(adata.X, part).tobytes() == getattr(tissue.X, part).tobytes()
    for name in ("d", "d_sd"):
        assert isinstance(adata.layers[name], np.ndarray)
        assert adata.layers[name].dtype == np.float32
        assert (adata.layers[name] > 0).all()
        assert np.isfinite(adata.layers[name]).all()
    table, said = adata.varm["d"], adata.uns["d"]
    assert list(table) == TABLE + PATTERN + SCORES
    assert table.index.equals(adata.var_names)
    np.testing.assert_allclose(table[TABLE[:3]].sum(axis=1), 1, rtol=1e-5)
    assert (table[TABLE[:3]].to_numpy() >= 0).all()
    assert table["pattern"].between(0, 1).all()
    P = adata.obsm[f"{method}_probability"]
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-4)
    assert P.dtype == adata.obsm[f"X_{method}"].dtype == np.float32
    assert set(said) == SAID | EXTRAS[method]
    assert said["warning"] == WARNING
    assert "not valid" in WARNING
    assert said["method"] == said["params"]["method"] == method
    assert said["likelihood"] == {"factor": "poisson", "gmm_vgae": "negative_binomial"}[method]
    assert (said["params"]["rng"], said["params"]["sd"]) == (0, True)


def test_genes_are_those_columns_of_the_whole_run_and_each_takes_the_others_place(adata, plain):
    tl.denoise(adata, sd=True, **FAST["factor"])
    assert {"denoised", "denoised_sd"} <= set(adata.layers)
    tl.denoise(adata, genes=SUBSET, sd=True, **FAST["factor"])
    assert list(adata.layers) == ["rate_true"]
    found, order = adata.obsm["denoised"], sorted(SUBSET)
    pd.testing.assert_frame_equal(found, plain.mean[order], rtol=1e-5)
    assert list(adata.obsm["denoised_sd"]) == order
    table = adata.varm["denoised"]
    pd.testing.assert_frame_equal(table.loc[order], plain.genes.loc[order], rtol=1e-5, check_names=False)
    assert table.drop(index=order).isna().all(axis=None)
    tl.denoise(adata, genes=SUBSET, **FAST["factor"])
    assert "denoised_sd" not in adata.obsm
    tl.denoise(adata, **FAST["factor"])
    assert set(adata.layers) == {"rate_true", "denoised"}
    assert not {"denoised", "denoised_sd"} & set(adata.obsm)
    np.testing.assert_array_equal(adata.layers["denoised"], plain.mean)


@pytest.mark.parametrize("kind", [np.array, pd.Index, tuple, pd.Series])
def test_genes_in_any_sequence_and_one_by_name(adata, plain, kind):
    found = tl.denoise(adata, genes=kind(SUBSET), copy=True, **FAST["factor"])
    pd.testing.assert_frame_equal(found.mean, plain.mean[sorted(SUBSET)], rtol=1e-5)
    assert found.report["params"]["genes"] == SUBSET


def test_one_gene_by_name(adata, plain):
    found = tl.denoise(adata, genes="gene_03", copy=True, **FAST["factor"])
    pd.testing.assert_frame_equal(found.mean, plain.mean[["gene_03"]], rtol=1e-5)
    assert found.report["params"]["genes"] == ["gene_03"]


def test_a_normal_prior_leaves_no_probability_of_an_earlier_run(adata):
    options = {**FAST["gmm_vgae"], "max_steps": 5, "n_warmup": 2}
    tl.denoise(adata, **options)
    assert "gmm_vgae_probability" in adata.obsm
    tl.denoise(adata, prior="normal", **options)
    assert "gmm_vgae_probability" not in adata.obsm


@both
def test_without_guard_it_is_the_model_alone(adata, method, monkeypatch):
    seen = spied(monkeypatch, method)
    found = tl.denoise(adata, guard=False, copy=True, **FAST[method])
    assert list(found.genes) == TABLE + SCORES
    assert (found.genes["weight_latent"] == 1).all()
    assert (found.genes[["weight_neighbors", "weight_own"]] == 0).all(axis=None)
    np.testing.assert_allclose(found.mean, seen["fit"].means(slice(None), slice(None)), rtol=1e-5)


def spied(monkeypatch, method) -> dict[str, Any]:
    """What the method is given and gives."""
    run, defaults = METHODS[method]
    seen: dict[str, Any] = {}

    def spy(parts, W, *args, **options):
        seen.update(parts=parts, W=W, fit=run(parts, W, *args, **options))
        return seen["fit"]

    monkeypatch.setitem(METHODS, method, (spy, defaults))
    return seen


def test_the_score_is_of_molecules_that_nothing_was_chosen_by(adata, monkeypatch):
    seen = spied(monkeypatch, "factor")
    found = tl.denoise(adata, copy=True, **FAST["factor"])
    X, train, held_out, ratio = seen["parts"].X, seen["parts"].train, seen["parts"].held_out, seen["parts"].ratio
    judged = (X - train - held_out).toarray()
    assert judged.min() >= 0
    assert held_out.sum() / train.sum() == pytest.approx(ratio, rel=0.05)
    assert judged.sum() / train.sum() == pytest.approx(_denoise._RATIO_JUDGED, rel=0.05)
    assert judged.sum() / X.sum() == pytest.approx(0.05, rel=0.05)
    size = np.asarray(train.sum(axis=1), float)
    flat = _denoise._RATIO_JUDGED * size * np.asarray(train.sum(axis=0), float) / train.sum()
    slow = [mean_poisson_deviance(judged[:, j], flat[:, j]) for j in range(80)]
    np.testing.assert_allclose(found.genes["deviance_mean"], slow, rtol=1e-4)
    told = judged.sum(axis=0) > 0
    for name in SCORES:
        assert found.report[name] == pytest.approx(found.genes[name].to_numpy()[told].mean())


def test_strict_gives_no_pattern_without_support(tissue, plain):
    strict = tl.denoise(tissue, strict=True, copy=True, **FAST["factor"]).genes
    weak = (strict["pattern_gain"] < SUPPORT).to_numpy()
    assert weak.any()
    assert (strict["pattern"][weak] == 0).all()
    assert (strict["weight_neighbors"][weak] == 0).all()
    assert (strict["pattern"][~weak] > 0).any()
    assert (plain.genes["pattern"][weak] > 0).any()


@both
def test_graph_is_used_where_there_is_spatial_order_only(adata, results, method, monkeypatch):
    assert results[method].report["graph_used"] is True
    seen = spied(monkeypatch, method)
    adata.obsm["spatial"] = np.random.default_rng(0).permutation(adata.obsm["spatial"])
    found = tl.denoise(adata, copy=True, **{**FAST[method], **({"max_steps": 5} if method == "gmm_vgae" else {})})
    assert found.report["graph_used"] is False
    assert seen["W"].nnz == 0
    assert (found.genes["weight_neighbors"] == 0).all()


@both
def test_without_graph_coordinates_do_not_matter(adata, tissue, method):
    first = tl.denoise(tissue, use_graph=False, copy=True, **FAST[method])
    adata.obsm["spatial"] = np.random.default_rng(0).permutation(adata.obsm["spatial"])
    second = tl.denoise(adata, use_graph=False, copy=True, **FAST[method])
    pd.testing.assert_frame_equal(first.mean, second.mean, check_exact=True)
    assert not np.allclose(first.genes["moran_after"], second.genes["moran_after"])


def test_genes_outside_the_panel_get_means_by_regression(adata, tissue, monkeypatch):
    monkeypatch.setattr(_denoise_methods, "INPUT_GENES", 20)
    seen = spied(monkeypatch, "gmm_vgae")
    options = {**FAST["gmm_vgae"], "max_steps": 100}
    found = tl.denoise(adata, max_entries=1, guard=False, copy=True, **options)
    assert found.report["n_panel"] == 20
    rest = np.setdiff1d(np.arange(80), _denoise_methods.input_genes(seen["parts"].X, 20))
    assert np.isfinite(found.mean.to_numpy()).all()
    total = np.asarray(tissue.X.sum(axis=0)).ravel()
    np.testing.assert_allclose(found.mean.sum(axis=0).to_numpy()[rest], total[rest], rtol=1e-3)
    assert correlations(found.mean, tissue, rest).mean() > correlations(tissue.X, tissue, rest).mean() + 0.1


def test_a_latent_space_adds_to_the_standard_deviation_and_no_guard_leaves_it_alone(adata):
    assert (tl.denoise(adata, sd=True, guard=False, copy=True, **FAST["factor"]).sd == 0).all(axis=None)
    assert (tl.denoise(adata, sd=True, guard=False, copy=True, **FAST["gmm_vgae"]).sd > 0).all(axis=None)


def test_domains_by_the_same_network(adata):
    options = {**FAST["gmm_vgae"], "max_steps": 50, "method": "gmm_vgae"}
    tl.domains(adata, 4, **options)
    assert list(adata.obs["domain"].cat.categories) == ["0", "1", "2", "3"]
    P = adata.obsm["domain_probability"]
    assert P.shape == (300, 4)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-4)
    np.testing.assert_array_equal(adata.obs["domain"].cat.codes, P.argmax(axis=1))
    assert adata.obsm["X_gmm_vgae"].shape == (300, 8)
    with pytest.raises(InputError, match=r"counts with method='gmm_vgae'.*use_rep"):
        tl.domains(adata, 4, use_rep="X_gmm_vgae", **options)
