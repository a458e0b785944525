"""`tl.Histology` as a user calls it: what it learns, on what, and one seed, one model."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from spotweave import InputError, tl
from spotweave.core.histology.novelty import learn_novelty
from spotweave.core.histology.tissue import make_tissue
from spotweave.models.histology_methods import METHODS, NETWORKS
from spotweave.tl import _histology

SMALL: dict[str, Any] = {"width": 8, "n_heads": 2, "n_steps": 5, "n_programs": 4}


def make(method="programs", **options: Any) -> tl.Histology:
    settings = SMALL if method in NETWORKS else {}
    return tl.Histology(method, **{"n_top": 25, "progress": False, **settings, **options})


@pytest.fixture(scope="module")
def train(stained):
    return stained[stained.obs["patient"] != "P3"].copy()


@pytest.fixture(scope="module")
def test(stained):
    return stained[stained.obs["patient"] == "P3"].copy()


@pytest.fixture(scope="module")
def programs(train):
    return make().fit(train, library_key="section")


def truth_of(adata, genes):
    X = adata.X.toarray()
    return np.log1p(1e4 * pd.DataFrame(X, columns=adata.var_names)[list(genes)] / X.sum(axis=1, keepdims=True))


@pytest.mark.parametrize("method", ["programs", "ridge", "knn", "network"])
def test_genes_of_a_new_patient_that_the_image_shows_are_told(train, test, method):
    predicted = make(method, genes=train.var_names).fit(train, library_key="section").predict(test)
    r = predicted.to_df().corrwith(truth_of(test, predicted.var_names).set_index(predicted.obs_names)).fillna(0)
    shown = test.var.loc[predicted.var_names, "image_true"].to_numpy()
    assert r[shown].mean() > r[~shown].mean() + 0.15
    assert r[shown].mean() > 0.2


def test_table_of_genes(programs, train):
    genes = programs.genes_
    assert list(genes.columns) == ["mean", "held_out_pearson", "held_out_r2", "p", "q", "predictable"]
    assert len(genes) == 25
    assert list(genes.index) == [gene for gene in train.var_names if gene in genes.index], "in the order of the table"
    np.testing.assert_allclose(genes["mean"], truth_of(train, genes.index).mean(), rtol=1e-5)
    assert (genes["q"] >= genes["p"]).all()
    assert genes["predictable"].dtype == bool
    assert programs.inner_kind_ == "group"
    assert programs.groups_ == ["P1", "P2"]
    assert programs.sections_ == ["P1_1", "P2_1"]
    assert repr(programs) == "Histology('programs': 25 genes, 2 sections)"
    assert repr(make("knn")) == "Histology('knn': not fitted)"


def test_tables_lists_and_names_are_one_cohort(train, test, programs):
    parts = [train[train.obs["patient"] == p].copy() for p in ("P1", "P2")]
    for tables in (parts, dict(zip("xy", parts, strict=True)), SimpleNamespace(tables={"table": train})):
        key = None if isinstance(tables, list | dict) else "section"
        again = make().fit(tables, library_key=key)
        np.testing.assert_array_equal(again.predict(test).X, programs.predict(test).X)


def test_inner_folds_are_patients_then_sections_then_strips(train):
    half = np.where(np.arange(train.n_obs) % 2, "a", "b")
    one = train.copy()
    one.obs["patient"], one.obs["half"] = "P", train.obs["section"].astype(str) + half
    assert make("ridge").fit(one, library_key="half").inner_kind_ == "section"
    assert make("ridge").fit(one[one.obs["section"] == "P1_1"].copy()).inner_kind_ == "strip"
    alone = make("ridge").fit(one, group_key=None, library_key="half")
    assert (alone.inner_kind_, alone.groups_) == ("group", alone.sections_)


@pytest.mark.parametrize("method", ["programs", "knn", "network"])
def test_one_seed_is_one_model_on_any_number_of_threads(train, test, method):
    threads = torch.get_num_threads()
    results = []
    for n in (1, 2):
        torch.set_num_threads(n)
        try:
            with threadpool_limits(n):
                model = make(method, rng=3).fit(train, library_key="section")
                results.append((model.predict(test), model.genes_))
        finally:
            torch.set_num_threads(threads)
    np.testing.assert_array_equal(results[0][0].X, results[1][0].X)
    pd.testing.assert_frame_equal(results[0][1], results[1][1])
    np.testing.assert_array_equal(results[0][0].obs["image_novelty"], results[1][0].obs["image_novelty"])


def test_closed_forms_and_evidence_are_computed_on_one_thread(train, monkeypatch):
    seen = []

    def spy(real):
        def call(*args, **options):
            seen.append({pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"})
            return real(*args, **options)

        return call

    for name in ("fit_method", "learn_novelty", "gene_table"):
        monkeypatch.setattr(_histology, name, spy(getattr(_histology, name)))
    with threadpool_limits(2):
        make().fit(train, library_key="section")
    assert seen == [{1}] * 3


def test_tiles_are_compared_with_those_of_other_patients(train, programs):
    raw, section = train.obsm["X_image"], pd.factorize(train.obs["section"])[0]
    features = make_tissue(raw, section, train.obsm["spatial"]).features
    expected = learn_novelty(features, raw, section, section, np.random.default_rng(0))
    assert programs.novelty_.limit == pytest.approx(expected.limit)
    assert programs.novelty_.shift == pytest.approx(expected.shift)


def test_fitting_twice_with_a_seed_is_the_same_and_with_a_generator_not(train, test):
    for rng, same in ((3, True), (np.random.default_rng(3), False)):
        model = make("network", rng=rng)
        once, again = (model.fit(train, library_key="section").predict(test).X for _ in range(2))
        assert np.array_equal(once, again) == same


def test_data_are_left_alone(train):
    before = train.copy()
    make().fit(train, library_key="section")
    np.testing.assert_array_equal(train.X.toarray(), before.X.toarray())
    np.testing.assert_array_equal(train.obsm["X_image"], before.obsm["X_image"])
    pd.testing.assert_frame_equal(train.obs, before.obs)
    assert list(train.uns) == list(before.uns)


def test_genes_asked_for_are_the_panel(train, test):
    names = list(train.var_names[[30, 4, 17]])
    model = make(genes=[*names, names[0]]).fit(train, library_key="section")
    assert list(model.predict(test).var_names) == names
    assert make(genes=names[1]).genes == [names[1]]
    with pytest.raises(InputError, match=r"genes that all training sections have; found \['XYZ'\]"):
        make(genes=["XYZ"]).fit(train, library_key="section")


@pytest.mark.parametrize("target", ["log_counts", "legacy_spot_panel", "legacy_gene_scaled"])
def test_other_targets(train, test, target):
    model = make("ridge", target=target).fit(train, library_key="section")
    assert np.isfinite(model.predict(test).X).all()
    assert model.predict(test).uns["histology"]["params"]["target"] == target


def test_arguments_that_do_not_fit_are_errors(train):
    for options, message in (
        ({"method": "forest"}, "`method` out of"),
        ({"target": "counts"}, "`target` out of"),
        ({"n_top": 0}, "`n_top` to be a whole number"),
        ({"n_neighs": 1.5}, "`n_neighs` to be a whole number"),
        ({"method": "ridge", "width": 8}, "no settings for method 'ridge'"),
    ):
        with pytest.raises(InputError, match=message):
            tl.Histology(**options)
    flat = train.copy()
    flat.obsm["X_image"] = np.ones((train.n_obs, 4))
    with pytest.raises(InputError, match="features that vary within sections; found constant"):
        make().fit(flat, library_key="section")
    other = train[train.obs["patient"] == "P2"].copy()
    other.uns["X_image"] = {"identity": "uni"}
    with pytest.raises(InputError, match="one encoder and one geometry of tiles"):
        make().fit([train[train.obs["patient"] == "P1"].copy(), other])


@pytest.mark.parametrize("sizes", [(2, 2, 2), (1, 30, 2), (5,), (28,), (3, 4)])
@pytest.mark.parametrize("method", ["programs", "knn", "ridge", "network"])
def test_small_sections(stained, sizes, method):
    rows = np.concatenate([90 * k + np.arange(size) for k, size in enumerate(sizes)])
    few = stained[rows].copy()
    model = make(method, n_top=10).fit(few, library_key="section")
    assert np.isfinite(model.predict(few, library_key="section").X).all()
    assert model.genes_[["p", "q"]].notna().all(axis=None)


def test_sections_too_small_to_learn_from(stained):
    with pytest.raises(InputError, match="at least 5 spots to cut one section into strips; found 4"):
        make().fit(stained[:4].copy())
    with pytest.raises(InputError, match="found constant ones, or sections of one spot each"):
        make().fit(stained[[0, 90, 180]].copy(), library_key="section")
    with pytest.raises(InputError, match="at least two cells"):
        make().fit([stained[[0]].copy(), stained[90:140].copy()])


@pytest.mark.parametrize("method", METHODS)
def test_not_fitted_is_an_error(test, tmp_path, method):
    for call in (lambda m: m.predict(test), lambda m: m.save(tmp_path / "m")):
        with pytest.raises(InputError, match="a fitted model; found one that was not. Call fit"):
            call(make(method))
