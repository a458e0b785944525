"""`tl.domains` as a user calls it: truth found, keys written, every container, slides apart, bad input."""

import logging
from types import SimpleNamespace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

import spotweave as sw
from spotweave import InputError, datasets
from spotweave.core.ensemble import EnsembleParams
from spotweave.core.number import Curve
from spotweave.core.refine import vote
from spotweave.models.fusion import FusionParams
from spotweave.tl import _domain_methods, _domains
from spotweave.tl._domain_methods import SmoothParams
from spotweave.tl._tissue import Where, read_tissue

tl: Any = sw.tl
METHODS = ["fusion", "smooth", "rrr"]
CHEAP = EnsembleParams(widths=(10,), n_starts=2)
NETWORK = {"min_rows": 10, "n_networks": 1, "network": FusionParams(n_epochs=3), "ensemble": CHEAP}


def tissue_of(adata, **where):
    at = Where(**{"spatial_key": "spatial", "library_key": None, "graph_key": None, **where})
    rng = np.random.default_rng(0)
    return read_tissue(adata, at, layer=None, use_rep=None, genes=None, n_top_genes=3000, rng=rng)[0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("layout", ["layers", "blobs"])
def test_finds_the_truth(method, layout):
    adata = datasets.simulate_tissue(600, n_genes=200, n_domains=4, layout=layout, rng=1)
    tl.domains(adata, 4, method=method)
    assert adjusted_rand_score(adata.obs["domain_true"], adata.obs["domain"]) > 0.6


@pytest.mark.parametrize("method", METHODS)
def test_writes_what_is_documented_and_nothing_else(adata, method, caplog, tmp_path):
    before = adata.copy()
    with caplog.at_level(logging.INFO, "spotweave"):
        assert tl.domains(adata, 4, method=method, key_added="d") is None
    new = {
        slot: set(getattr(adata, slot)) - set(getattr(before, slot))
        for slot in ("obs", "var", "obsm", "uns", "obsp", "layers")
    }
    assert new == {
        "obs": {"d"}, "obsm": {"d_probability", f"X_{method}"}, "uns": {"d", "d_colors"},
        "var": set(), "obsp": set(), "layers": set(),
    }  # fmt: skip
    assert {r.message.split(" ")[1] for r in caplog.records} == {
        "adata.obs['d']", "adata.obsm['d_probability']", f"adata.obsm['X_{method}']", "adata.uns['d']", "adata.uns['d_colors']",
    }  # fmt: skip
    labels, P = adata.obs["d"], adata.obsm["d_probability"]
    assert list(labels.cat.categories) == ["0", "1", "2", "3"]
    np.testing.assert_array_equal(labels.cat.codes, P.argmax(axis=1))
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-5)
    assert (np.diff(P.sum(axis=0)) <= 0).all()
    assert P.dtype == adata.obsm[f"X_{method}"].dtype == np.float32
    report = adata.uns["d"]
    assert report["n_domains"] == 4
    assert report["converged"] in {True, False}
    assert report["params"]["method"] == method
    assert report["params"]["rng"] == 0
    assert report["params"]["spotweave_version"] == sw.__version__
    assert ("log_likelihood" in report) == (method != "fusion")
    assert ("stability" in report) == (method == "fusion")
    assert len(adata.uns["d_colors"]) == 4
    adata.write_h5ad(tmp_path / "a.h5ad")
    read = ad.read_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_series_equal(read.obs["d"], adata.obs["d"])
    np.testing.assert_array_equal(read.obsm["d_probability"], P)
    np.testing.assert_equal(read.uns["d"]["params"], report["params"])
    assert list(read.uns["d_colors"]) == list(adata.uns["d_colors"])


@pytest.mark.parametrize("method", METHODS)
def test_copy_leaves_the_table_alone_and_equals_what_is_written(simulated, adata, method):
    state = np.random.get_state(legacy=False)  # noqa: NPY002
    result = tl.domains(adata, 4, method=method, copy=True)
    assert adata.X.data.tobytes() == simulated.X.data.tobytes()
    pd.testing.assert_frame_equal(adata.obs, simulated.obs)
    assert [list(a) for a in (adata.obsm, adata.uns, adata.obsp)] == [
        list(a) for a in (simulated.obsm, simulated.uns, simulated.obsp)
    ]
    np.testing.assert_equal(np.random.get_state(legacy=False), state)  # noqa: NPY002
    tl.domains(adata, 4, method=method, rng=np.random.default_rng(0))
    pd.testing.assert_series_equal(adata.obs["domain"], result.labels, check_names=False)
    np.testing.assert_array_equal(adata.obsm["domain_probability"], result.probability)
    np.testing.assert_array_equal(adata.obsm[f"X_{method}"], result.embedding)
    assert adata.uns["domain"]["params"]["rng"] == "generator"


def test_networks_train_repeatably_and_are_reported(adata):
    a, b, c = (tl.domains(adata, 4, rng=seed, copy=True, **NETWORK) for seed in (0, 0, 1))
    np.testing.assert_array_equal(a.probability, b.probability)
    np.testing.assert_array_equal(a.embedding, b.embedding)
    assert not np.array_equal(a.embedding, c.embedding)
    assert set(a.report["history"]) == {"loss", "reconstruction", "contrast"}
    assert a.report["history"]["loss"].shape == (3,)
    assert 0 < a.report["attention"] < 1
    assert a.report["network_converged"] in {True, False}
    assert adjusted_rand_score(adata.obs["domain_true"], a.labels) > 0.6
    only = tl.domains(adata, 4, closed_form=False, use_features=False, copy=True, **NETWORK)
    assert {name.split(":")[0] for name in only.report["kept"]} == {"network-0"}


def test_report_with_networks_survives_h5ad(adata, tmp_path):
    tl.domains(adata, 4, **{**NETWORK, "ensemble": EnsembleParams(widths=(10,), n_starts=2, n_rounds=0)})
    adata.write_h5ad(tmp_path / "a.h5ad")
    read = ad.read_h5ad(tmp_path / "a.h5ad").uns["domain"]
    np.testing.assert_array_equal(read["history"]["loss"], adata.uns["domain"]["history"]["loss"])
    assert list(read["kept"]) == adata.uns["domain"]["kept"]


@pytest.mark.parametrize("kind", ["dense", "csc", "int", "layer", "backed", "backed dense", "chunks"])
def test_same_result_whatever_the_container(simulated, adata, kind, tmp_path):
    expected = tl.domains(simulated, 4, method="smooth", copy=True)
    X = adata.X
    forms = {"dense": X.toarray, "csc": X.tocsc, "int": lambda: X.astype(np.int64), "backed dense": X.toarray}
    adata.X = forms.get(kind, X.copy)()
    if kind == "layer":
        adata.layers["counts"], adata.X = X.copy(), X * 0.5
    if kind.startswith("backed"):
        adata.write_h5ad(tmp_path / "a.h5ad")
        adata = ad.read_h5ad(tmp_path / "a.h5ad", backed="r")
    with sw.settings.override(chunk_size=97 if kind == "chunks" else 10_000):
        assert tl.domains(adata, 4, method="smooth") is None
    np.testing.assert_allclose(adata.obsm["X_smooth"], expected.embedding, atol=1e-2)
    assert (adata.obs["domain"] == expected.labels).mean() > 0.99
    if kind in {"dense", "csc", "backed"}:
        np.testing.assert_array_equal(adata.obsm["X_smooth"], expected.embedding)


@pytest.fixture
def slides(adata) -> ad.AnnData:
    """The same coordinates twice, other cells on them; rows of the slides alternate."""
    other = datasets.simulate_tissue(600, n_genes=200, n_domains=4, rng=5)
    both = ad.AnnData(sp.vstack([adata.X, other.X], format="csr"))
    both.obsm["spatial"] = np.tile(adata.obsm["spatial"], (2, 1))
    both.obs["slide"] = pd.Categorical(np.repeat(["s1", "s2"], 600))
    both.obs_names = [f"c{i}" for i in range(1200)]
    return both[np.arange(1200).reshape(2, 600).T.ravel()].copy()


def test_slides_share_no_edge(slides):
    library = slides.obs["slide"].cat.codes.to_numpy()
    W = tissue_of(slides, library_key="slide").W
    edges = W.tocoo()
    assert (library[edges.row] == library[edges.col]).all()
    alone = slides[library == 0].copy()
    first = np.flatnonzero(library == 0)
    assert (W[first][:, first] != tissue_of(alone).W).nnz == 0
    mixed = tissue_of(slides).W.tocoo()
    assert (library[mixed.row] != library[mixed.col]).any()  # without the key they do touch


def test_feature_graph_stays_within_slides(slides, rng):
    tissue, params = tissue_of(slides, library_key="slide"), _domain_methods.FusionMethodParams()
    edges = _domain_methods._feature_operator(tissue, rng.normal(size=(1200, 5)), params, rng).tocoo()
    assert (tissue.library[edges.row] == tissue.library[edges.col]).all()


def test_labels_of_a_slide_do_not_depend_on_the_place_of_another(slides):
    options = {"library_key": "slide", "refine": True, "copy": True, "rng": 0, **NETWORK}
    a = tl.domains(slides, 4, **options)
    second = (slides.obs["slide"] == "s2").to_numpy()
    slides.obsm["spatial"] = slides.obsm["spatial"] + 1e5 * second[:, None]
    b = tl.domains(slides, 4, **options)
    assert (a.labels == b.labels).mean() > 0.99


def test_refine_moves_labels_as_the_vote_does(adata):
    plain = tl.domains(adata, 4, method="smooth", copy=True)
    refined = tl.domains(adata, 4, method="smooth", refine=True, copy=True)
    expected = vote(plain.probability.argmax(axis=1), tissue_of(adata).W)
    np.testing.assert_array_equal(refined.labels.cat.codes, expected)
    assert refined.report["n_moved"] == (expected != plain.labels.cat.codes).sum() > 0
    assert "n_moved" not in plain.report
    np.testing.assert_array_equal(refined.probability, plain.probability)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, pd.DataFrame])
def test_use_rep_reads_the_embedding_not_the_counts(adata, form):
    truth = adata.obs["domain_true"].cat.codes.to_numpy()
    H = np.eye(4, 6)[truth] + 0.1 * np.random.default_rng(0).normal(size=(600, 6))
    adata.obsm["X_own"] = pd.DataFrame(H, index=adata.obs_names) if form is pd.DataFrame else form(H)
    adata.X = None
    tl.domains(adata, 4, method="smooth", use_rep="X_own")
    assert adjusted_rand_score(truth, adata.obs["domain"]) > 0.85
    assert adata.uns["domain"]["params"]["use_rep"] == "X_own"


def test_graph_key_reads_that_graph_and_symmetrises_it(adata):
    sw.gr.knn(adata, n_neighs=6)
    adata.obsp["spatial_connectivities"].setdiag(1)
    before = adata.obsp["spatial_connectivities"].copy()
    W = tissue_of(adata, graph_key="spatial_connectivities").W
    assert (tissue_of(adata).W != W).nnz == 0  # knn made symmetric, the loops gone
    assert (before != adata.obsp["spatial_connectivities"]).nnz == 0
    adata.obsp["none"] = sp.csr_matrix((600, 600))
    apart = tl.domains(adata, 4, method="smooth", graph_key="none", copy=True)
    assert not np.allclose(apart.embedding, tl.domains(adata, 4, method="smooth", copy=True).embedding)


def test_genes_named_are_the_ones_read(adata):
    genes = list(adata.var_names[10:60])
    expected = tl.domains(adata, 4, method="smooth", genes=genes, copy=True)
    everything = tl.domains(adata, 4, method="smooth", copy=True)
    assert not np.allclose(expected.embedding, everything.embedding)
    X = adata.X.toarray()
    X[:, 60:] = X[:, :59:-1]  # the other genes' counts trade places, the size of each cell stays
    adata.X = sp.csr_matrix(X)
    found = tl.domains(adata, 4, method="smooth", genes=genes, copy=True)
    np.testing.assert_array_equal(found.embedding, expected.embedding)


def test_number_is_chosen_and_its_curve_kept(adata, monkeypatch, tmp_path):
    monkeypatch.setattr(_domains, "_numbers", lambda n: [2, 3, 4, 5])
    tl.domains(adata, method="smooth")
    report = adata.uns["domain"]
    assert set(report["curve"]) == {"n_domains", "stability", "stability_se", "held_out"}
    assert list(report["curve"]["n_domains"]) == [2, 3, 4, 5]
    assert report["params"]["n_domains"] == adata.obs["domain"].cat.categories.size
    assert report["curve"]["held_out"][2] > report["curve"]["held_out"][0]
    adata.write_h5ad(tmp_path / "a.h5ad")


def test_chosen_number_is_used(adata, monkeypatch):
    curve = Curve(np.array([2, 3]), np.ones(2), np.zeros(2), np.ones(2), 3)
    monkeypatch.setattr(_domains, "choose_number", lambda *_, **__: curve)
    assert tl.domains(adata, method="smooth", copy=True).probability.shape == (600, 3)


@pytest.mark.parametrize(("n", "expected"), [(2, [2]), (45, [2]), (100, [2, 3, 4, 5]), (9_999, list(range(2, 16)))])
def test_numbers_tried(n, expected):
    assert _domains._numbers(n) == expected


def test_halves_see_the_tissue_twice(adata):
    where, rng = Where("spatial", None, None), np.random.default_rng(0)
    tissue, prepared = read_tissue(adata, where, layer=None, use_rep=None, genes=None, n_top_genes=99, rng=rng)
    (A, raw_a), (B, raw_b) = _domain_methods.halves(tissue, prepared, np.random.default_rng(1))
    assert A.shape == B.shape == raw_a.shape == (600, 20)
    assert np.corrcoef(A[:, 0], B[:, 0])[0, 1] > 0.9
    assert not np.allclose(raw_a, raw_b)


def test_spatialdata_and_other_keys(adata):
    data = SimpleNamespace(tables={"cells": adata})
    adata.obsm["xy"] = adata.obsm.pop("spatial")
    tl.domains(data, 3, method="smooth", table_key="cells", spatial_key="xy")
    assert adata.obs["domain"].nunique() == 3


def test_three_dimensions(adata):
    adata.obsm["spatial"] = np.column_stack([adata.obsm["spatial"], np.zeros(600)])
    result = tl.domains(adata, 4, method="smooth", copy=True)
    assert adjusted_rand_score(adata.obs["domain_true"], result.labels) > 0.6


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("n", "k"), [(600, 1), (2, 1), (2, 2), (3, 2), (20, 20), (41, 5)])
def test_few_cells_and_extreme_numbers(simulated, method, n, k):
    result = tl.domains(simulated[:n].copy(), k, method=method, copy=True)
    assert result.probability.shape == (n, k)
    assert np.isfinite(result.probability).all()
    assert 1 <= result.report["n_domains"] <= k


@pytest.mark.data
def test_layers_of_a_real_cortex(data_dir):
    path = next((data_dir / "starmap_visual_cortex_1207").glob("*.h5ad"))
    adata = ad.read_h5ad(path)
    tl.domains(adata, 7)
    known = adata.obs["label"].notna().to_numpy()
    assert adjusted_rand_score(adata.obs["label"][known], adata.obs["domain"][known]) > 0.5


def test_settings_as_an_object_or_by_name(adata):
    named = tl.domains(adata, 3, method="smooth", n_hops=2, n_components=5, copy=True)
    given = tl.domains(adata, 3, method="smooth", params=SmoothParams(n_hops=2), n_components=5, copy=True)
    np.testing.assert_array_equal(named.probability, given.probability)
    assert given.report["params"]["settings"]["n_components"] == 5
    with pytest.raises(InputError, match="FusionMethodParams with method='fusion'.*SmoothParams"):
        tl.domains(adata, 3, params=SmoothParams())
