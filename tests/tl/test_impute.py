"""`tl.impute` as a user calls it: nearer to the truth than depth alone, what is written, what stays as it was."""

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import spotweave as sw
from spotweave import datasets
from spotweave.core.imputation.methods import METHODS

tl: Any = sw.tl
N, PANEL, WANTED = 300, 60, 30


@pytest.fixture(scope="module")
def whole() -> ad.AnnData:
    much: dict[str, Any] = {"signal": 1.0, "overdispersion": 0.05}
    return datasets.simulate_tissue(N, n_genes=PANEL + WANTED, n_domains=4, library_size=600, rates=True, rng=2, **much)


@pytest.fixture(scope="module")
def tissue(whole) -> ad.AnnData:
    """Two of three genes."""
    return whole[:, np.arange(whole.n_vars) % 3 != 0].copy()


@pytest.fixture(scope="module")
def reference(whole) -> ad.AnnData:
    return datasets.simulate_reference(whole, 250, rng=3)


@pytest.fixture(scope="module")
def results(tissue, reference) -> dict[str, ad.AnnData]:
    return {method: tl.impute(tissue, reference, method=method) for method in METHODS}


@pytest.fixture
def adata(tissue) -> ad.AnnData:
    return tissue.copy()


def correlations(imputed, whole, depth) -> np.ndarray:
    """With the true shares, of each gene that varies in space, after division by depth."""
    rate = pd.DataFrame(whole.layers["rate_true"], columns=whole.var_names)
    share = rate.div(rate.sum(axis=1), axis=0)
    varying = [g for g in imputed.var_names if whole.var.loc[g, "spatial_true"]]
    assert len(varying) > 8
    found = imputed[:, varying].X / np.maximum(depth, 1)[:, None]
    return np.array([np.corrcoef(found[:, j], share[g])[0, 1] for j, g in enumerate(varying)])


def depth_of(adata) -> np.ndarray:
    return np.asarray(adata.X.sum(axis=1)).ravel()


def test_is_nearer_to_the_truth_than_depth_alone(results, whole, tissue):
    found = {m: correlations(results[m], whole, depth_of(tissue)).mean() for m in ("combined", "mean")}
    assert found["combined"] > 0.5
    assert found["combined"] > found["mean"] + 0.4
    held = {m: results[m].uns["impute"]["held_out"]["residual_r"].mean() for m in ("combined", "mean")}
    assert held["combined"] > held["mean"] + 0.1


def test_wanted_genes_of_other_cells_are_not_predicted(results, whole, tissue, reference, rng):
    """The reference's wanted columns are dealt out to the wrong cells."""
    shuffled, wanted = reference.copy(), ~reference.var_names.isin(tissue.var_names)
    X = shuffled.X.toarray()
    X[:, wanted] = X[rng.permutation(len(X))][:, wanted]
    shuffled.X = sp.csr_matrix(X)
    found = tl.impute(tissue, shuffled, method="combined", interval=None)
    wrong, right = (correlations(of, whole, depth_of(tissue)) for of in (found, results["combined"]))
    assert abs(wrong.mean()) < 0.25
    assert wrong.mean() < right.mean() - 0.4


@pytest.mark.parametrize("method", METHODS)
def test_returns_what_is_documented(results, tissue, reference, method):
    found = results[method]
    wanted = [g for g in reference.var_names if g not in set(tissue.var_names)]
    assert list(found.var_names) == wanted
    assert found.shape == (N, WANTED)
    assert found.X.dtype == np.float32
    lower, upper = found.layers["lower"], found.layers["upper"]
    assert set(found.layers) == {"lower", "upper"}
    for values in (found.X, lower, upper):
        assert np.isfinite(values).all()
        assert (values >= 0).all()
    assert (found.X > 0).all()
    assert (lower <= found.X * (1 + 1e-5)).all()
    assert (upper >= found.X * (1 - 1e-5)).all()
    assert list(found.var) == ["expected_correlation", "pattern", "mean", "moran", "reference_mean"]
    assert np.isfinite(found.var.to_numpy()).all()
    np.testing.assert_allclose(found.var["mean"], found.X.mean(axis=0), rtol=1e-5)
    means = pd.Series(np.asarray(reference.X.mean(axis=0)).ravel(), reference.var_names)
    np.testing.assert_allclose(found.var["reference_mean"], means[wanted], rtol=1e-5)
    pd.testing.assert_frame_equal(found.obs.drop(columns="panel_counts"), tissue.obs)
    np.testing.assert_array_equal(found.obs["panel_counts"], depth_of(tissue))
    np.testing.assert_array_equal(found.obsm["spatial"], tissue.obsm["spatial"])


@pytest.mark.parametrize("method", METHODS)
def test_says_how_it_was_made(results, method):
    said = results[method].uns["impute"]
    assert set(said) == {
        "held_out", "coverage", "false_patterns", "weights", "converged", "level", "quality_correlation", "n_shared",
        "matched", "n_reference", "scale", "note", "params",
    }  # fmt: skip
    names = [route.__name__ for route in METHODS[method].routes] + [f"neighbors_{h}_hops" for h in METHODS[method].hops]
    assert list(said["weights"]) == [*names, "depth", "neighbors_depth"]
    assert all(said["weights"][name] >= 0 for name in names)
    assert said["converged"]
    assert (said["n_shared"], said["n_reference"], said["matched"]) == (PANEL, 250, "exact")
    assert list(said["coverage"]) == ["0.5", "0.8", "0.9", "0.95"]
    for nominal, covered in said["coverage"].items():
        assert covered == pytest.approx(float(nominal), abs=0.04)
    assert said["params"]["method"] == method
    assert 0 <= said["quality_correlation"] <= 1


def test_intervals_cover_counts_that_were_kept_aside(results, whole):
    """As a platform's level of a gene is unknown, they cannot be exact for some genes in one panel."""
    found = results["combined"]
    counts = whole[:, found.var_names].X.toarray()
    inside = (counts >= found.layers["lower"]) & (counts <= found.layers["upper"])
    assert inside.mean() == pytest.approx(0.9, abs=0.07)


def test_caller_keeps_data_as_they_were(adata, reference):
    before, before_reference = adata.copy(), reference.copy()
    found = tl.impute(adata, reference, method="ridge")
    for was, now in ((before, adata), (before_reference, reference)):
        for part in ("data", "indices", "indptr"):
            assert getattr(was.X, part).tobytes() == getattr(now.X, part).tobytes()
        for part in ("obs", "var"):
            pd.testing.assert_frame_equal(getattr(was, part), getattr(now, part))
        for part in ("obsm", "layers", "uns", "obsp"):
            assert set(getattr(was, part)) == set(getattr(now, part))
    found.obsm["spatial"][:] = 0
    found.obs["slice"] = "other"
    np.testing.assert_array_equal(before.obsm["spatial"], adata.obsm["spatial"])
    pd.testing.assert_frame_equal(before.obs, adata.obs)


def test_writes_and_reads(results, tmp_path):
    found = results["combined"]
    found.write_h5ad(tmp_path / "imputed.h5ad")
    read = ad.read_h5ad(tmp_path / "imputed.h5ad")
    np.testing.assert_array_equal(read.X, found.X)
    np.testing.assert_array_equal(read.layers["upper"], found.layers["upper"])
    pd.testing.assert_frame_equal(read.var, found.var)
    said, wanted = read.uns["impute"], found.uns["impute"]
    pd.testing.assert_frame_equal(said["held_out"], wanted["held_out"], check_names=False)
    assert said["weights"] == wanted["weights"]
    assert said["params"] == wanted["params"]
    assert said["note"] == wanted["note"]


def test_the_seed_decides(tissue, reference, results):
    again = tl.impute(tissue, reference, rng=0)
    np.testing.assert_array_equal(again.X, results["combined"].X)
    np.testing.assert_array_equal(again.layers["upper"], results["combined"].layers["upper"])
    few: dict[str, Any] = {"method": "ridge", "max_reference": 50}
    first, other = (tl.impute(tissue, reference, rng=seed, **few) for seed in (0, np.random.default_rng(1)))
    assert (first.X != other.X).any()
    assert first.uns["impute"]["n_reference"] == 50
    assert other.uns["impute"]["params"]["rng"] == "generator"


def test_chosen_genes_come_in_the_order_wanted(tissue, reference, results):
    wanted = list(results["ridge"].var_names[[7, 2, 20]])
    found = tl.impute(tissue, reference, genes=wanted, method="ridge")
    assert list(found.var_names) == wanted
    np.testing.assert_allclose(found.X, results["ridge"][:, wanted].X, rtol=1e-4)
    assert tl.impute(tissue, reference, genes=wanted[0], method="ridge").shape == (N, 1)


def test_no_interval_gives_no_layers(tissue, reference, results):
    found = tl.impute(tissue, reference, method="ridge", interval=None)
    assert not len(found.layers)
    np.testing.assert_array_equal(found.X, results["ridge"].X)
    wide, narrow = (tl.impute(tissue, reference, method="ridge", interval=level) for level in (0.95, 0.5))
    width = [(of.layers["upper"] - of.layers["lower"]).mean() for of in (wide, results["ridge"], narrow)]
    assert width[0] > width[1] > width[2]


def test_counts_are_taken_from_layers(tissue, reference, results):
    logs = [adata.copy() for adata in (tissue, reference)]
    for log in logs:
        log.layers["raw"] = log.X
        log.X = log.X.log1p()
    found = tl.impute(*logs, layer="raw", reference_layer="raw", method="ridge")
    np.testing.assert_array_equal(found.X, results["ridge"].X)


def test_large_tissues_are_judged_on_pieces(tissue, reference, results, monkeypatch, caplog):
    monkeypatch.setattr("spotweave.core.imputation.patches.MOST_CELLS", 120)
    monkeypatch.setattr("spotweave.core.imputation.patches.PATCH", 40)
    empty = reference.copy()
    empty.X = sp.vstack([sp.csr_matrix((1, empty.n_vars)), empty.X[1:]]).tocsr()
    imputed = tl.impute(tissue, empty, method="ridge")
    assert not caplog.records, "an empty cell of the reference matters to nobody"
    whole = results["ridge"]
    assert imputed.shape == whole.shape
    assert np.isfinite(imputed.X).all()
    together = np.corrcoef(np.log(imputed.X).ravel(), np.log(whole.X).ravel())[0, 1]
    assert together > 0.95
    ratio = imputed.uns["impute"]["held_out"]["mean"] / whole.uns["impute"]["held_out"]["mean"]
    assert (np.abs(ratio - 1) > 1e-6).any(), "means over all cells and over pieces differ"
