"""Predictions as a table: rows, names, novelty, and what is asked of a new slide."""

import logging
from types import SimpleNamespace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from spotweave import InputError, tl
from spotweave.models.histology_methods import METHODS, NETWORKS

SMALL: dict[str, Any] = {"width": 8, "n_heads": 2, "n_steps": 4, "n_programs": 4, "n_retrieved": 7}


@pytest.fixture(scope="module")
def test(stained):
    return stained[stained.obs["patient"] == "P3"].copy()


@pytest.fixture(scope="module")
def models(stained):
    train = stained[stained.obs["patient"] != "P3"].copy()
    fit = lambda m: tl.Histology(m, n_top=20, progress=False, **(SMALL if m in NETWORKS else {})).fit(
        train, library_key="section"
    )
    return {method: fit(method) for method in METHODS}


@pytest.mark.parametrize("method", METHODS)
def test_table_of_predictions(models, test, method):
    before = test.copy()
    model = models[method]
    found = model.predict(test)
    assert found.shape == (90, 20)
    assert found.X.dtype == np.float32
    assert list(found.obs_names) == list(test.obs_names)
    pd.testing.assert_frame_equal(found.var, model.genes_)
    pd.testing.assert_frame_equal(found.obs[test.obs.columns], test.obs)
    np.testing.assert_array_equal(found.obsm["spatial"], test.obsm["spatial"])
    np.testing.assert_array_equal(found.obs["out_of_distribution"], found.obs["image_novelty"] > 1)
    said = found.uns["histology"]
    assert said["params"]["method"] == method
    assert (said["trained_on"], said["groups"], said["inner_kind"]) == (["P1_1", "P2_1"], ["P1", "P2"], "group")
    assert said["out_of_distribution"] == (found.obs["image_novelty"] > 1).mean()
    assert list(said["slide_novelty"]) == ["0"]
    assert said["n_predictable"] == model.genes_["predictable"].sum()
    # the input is as it was, and not shared
    found.obsm["spatial"][:] = 0
    found.var["mean"] = 0
    np.testing.assert_array_equal(test.obsm["spatial"], before.obsm["spatial"])
    assert list(test.obs) == list(before.obs)
    assert list(test.obsm) == list(before.obsm)
    assert model.genes_["mean"].any()


@pytest.mark.parametrize("method", METHODS)
def test_order_of_rows_and_company_do_not_matter(models, stained, method, rng):
    """But for ties: on an exact lattice the 7th and 8th neighbour are any two of six."""
    model, jittered = models[method], stained.copy()
    jittered.obsm["spatial"] = stained.obsm["spatial"] + rng.normal(size=(stained.n_obs, 2))
    alone = model.predict(jittered[jittered.obs["patient"] == "P3"].copy())
    order = rng.permutation(stained.n_obs)
    mixed = model.predict(jittered[order].copy(), library_key="section")
    assert list(mixed.obs_names) == list(stained.obs_names[order])
    same = mixed[alone.obs_names]
    np.testing.assert_allclose(same.X, alone.X, atol=1e-4)
    np.testing.assert_allclose(same.obs["image_novelty"], alone.obs["image_novelty"], atol=1e-4)
    assert list(mixed.uns["histology"]["slide_novelty"]) == list(pd.unique(stained.obs["section"].to_numpy()[order]))
    if "retrieved" in alone.obsm:
        again = same.obsm["retrieved"].to_numpy() == alone.obsm["retrieved"].to_numpy()
        assert again.mean() > 0.98  # nearly equal ones may change places


@pytest.mark.parametrize("method", METHODS)
def test_retrieved_spots_are_named_with_their_weights(models, stained, test, method):
    found = models[method].predict(test, n_retrieved=3)
    if method not in NETWORKS and method != "knn":
        assert "retrieved" not in found.obsm
        return
    names = found.obsm["retrieved"]
    assert list(names.columns) == ["nearest_1", "nearest_2", "nearest_3"]
    known = {f"{s}:{spot}" for s, spot in zip(stained.obs["section"], stained.obs_names, strict=True)}
    sections = {name.split(":")[0] for name in names.to_numpy().ravel()}
    assert set(names.to_numpy().ravel()) <= known
    assert sections <= {"P1_1", "P2_1"}, "never of the slide itself"
    weights = found.obsm["retrieved_weight"]
    assert weights.shape == (90, 3)
    assert (np.diff(weights, axis=1) <= 1e-6).all()
    assert "retrieved" not in models[method].predict(test, n_retrieved=0).obsm
    most = models[method].predict(test, n_retrieved=10_000).obsm["retrieved_weight"]
    np.testing.assert_allclose(most.sum(axis=1), 1, rtol=1e-5)
    with pytest.raises(InputError, match="`n_retrieved` to be a whole number"):
        models[method].predict(test, n_retrieved=-1)


def test_neighbours_named_are_the_nearest_training_tiles(models, stained):
    train = stained[stained.obs["patient"] != "P3"].copy()
    found = models["knn"].predict(train, library_key="section")
    own = train.obs["section"].astype(str) + ":" + train.obs_names
    assert (found.obsm["retrieved"]["nearest_1"].to_numpy() == own.to_numpy()).all()


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
@pytest.mark.parametrize("method", ["programs", "knn", "network"])
def test_counts_names_and_depth_are_not_needed(models, test, method):
    expected = models[method].predict(test)
    bare = ad.AnnData(obs=pd.DataFrame(index=["same"] * 90), obsm={"X_image": test.obsm["X_image"]})
    bare.obsm["spatial"] = np.column_stack([test.obsm["spatial"], np.full(90, 7.0)])
    found = models[method].predict(bare)
    np.testing.assert_array_equal(found.X, expected.X)
    assert found.obsm["spatial"].shape == (90, 3)
    other = ad.AnnData(obs=test.obs, obsm={"uni": test.obsm["X_image"], "spatial": test.obsm["spatial"]})
    data = SimpleNamespace(tables={"spots": other})
    np.testing.assert_array_equal(models[method].predict(data, feature_key="uni", table_key="spots").X, expected.X)


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_spots_of_one_name_in_several_sections(models, stained):
    expected = models["knn"].predict(stained, library_key="section")
    twice = stained.copy()
    twice.obs_names = [f"spot{i % 90}" for i in range(stained.n_obs)]
    np.testing.assert_array_equal(models["knn"].predict(twice, library_key="section").X, expected.X)


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("method", ["programs", "knn", "network"])
def test_slides_of_few_spots(models, test, method, n):
    found = models[method].predict(test[:n].copy())
    assert found.shape == (n, 20)
    assert np.isfinite(found.X).all()


def test_one_spot_alone_is_predicted_at_the_mean(models, test):
    """Standardised within its section, it has nothing that tells it from the mean."""
    for method in ("programs", "ridge"):
        np.testing.assert_allclose(
            models[method].predict(test[:1].copy()).X[0], models[method].genes_["mean"], rtol=1e-5
        )


def test_odd_tiles_and_strange_slides_are_told(models, test, caplog):
    with caplog.at_level(logging.WARNING, logger="spotweave"):
        models["ridge"].predict(test)
    assert not caplog.records
    odd = test.copy()
    odd.obsm["X_image"][11] = [40, *(-40 * np.ones(10))]
    found = models["ridge"].predict(odd)
    assert found.obs["out_of_distribution"].iloc[11]
    assert found.obs["out_of_distribution"].mean() < 0.3
    odd.obsm["X_image"] = test.obsm["X_image"] + 30
    with caplog.at_level(logging.WARNING, logger="spotweave"):
        found = models["ridge"].predict(odd)
    assert found.uns["histology"]["slide_novelty"]["0"] > 1
    assert "slide '0' looks unlike the training slides as a whole" in caplog.text
    usual = models["ridge"].predict(test)
    np.testing.assert_allclose(found.X, usual.X, atol=1e-2)
    np.testing.assert_allclose(found.obs["image_novelty"], usual.obs["image_novelty"], atol=1e-2)


def test_features_of_another_kind_are_refused(models, test):
    model, other = models["ridge"], test.copy()
    other.obsm["X_image"] = test.obsm["X_image"][:, :7]
    with pytest.raises(InputError, match="11 features a tile, as in training; found 7. Use the same encoder"):
        model.predict(other)
    for name, value in (("identity", "uni"), ("tile_um", 56.0), ("scales", np.array([1.0]))):
        other = test.copy()
        other.uns["X_image"] = {**test.uns["X_image"], name: value}
        with pytest.raises(InputError, match=rf"made as in training \({name}="):
            model.predict(other)
    other.uns["X_image"] = {"scales": [1.0, 2.0], "tile_um": np.float64(112)}  # as files give them back
    assert model.predict(other).n_obs == 90
    with pytest.raises(InputError, match=r"features of tiles in adata.obsm\['X_uni'\]"):
        model.predict(test, feature_key="X_uni")


def test_types_are_asked_for_as_in_training(stained, models, test, caplog):
    with pytest.raises(InputError, match="no types_key, as in training"):
        models["network"].predict(test, types_key="proportions_true")
    train = stained[stained.obs["patient"] != "P3"].copy()
    model = tl.Histology("network", n_top=20, progress=False, **SMALL)
    model.fit(train, library_key="section", types_key="proportions_true")
    with caplog.at_level(logging.WARNING, logger="spotweave"):
        known = model.predict(test, types_key="proportions_true")
    assert not caplog.records
    with caplog.at_level(logging.WARNING, logger="spotweave"):
        unknown = model.predict(test)
    assert "the model was trained with types_key=" in caplog.text
    assert np.abs(known.X - unknown.X).max() > 0
