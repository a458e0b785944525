"""Saving and loading: the same bits back, nothing else overwritten, damage named."""

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from spotweave import InputError, tl
from spotweave.models.histology_methods import METHODS, NETWORKS

SMALL: dict[str, Any] = {"width": 8, "n_heads": 2, "n_steps": 4, "n_programs": 4, "image_graphs": ("spatial",)}


def fitted(stained, method="ridge", **options):
    train = stained[stained.obs["patient"] != "P3"].copy()
    settings = {k: v for k, v in SMALL.items() if method == "network" or k != "image_graphs"}
    model = tl.Histology(method, n_top=20, progress=False, **(settings if method in NETWORKS else {}), **options)
    return model.fit(train, library_key="section")


@pytest.fixture(scope="module")
def test(stained):
    return stained[stained.obs["patient"] == "P3"].copy()


@pytest.fixture(scope="module")
def ridge(stained):
    return fitted(stained)


@pytest.mark.parametrize("method", METHODS)
def test_a_saved_model_predicts_the_same_bits(stained, test, tmp_path, method):
    model = fitted(stained, method, target="log_counts", n_neighs=5)
    model.save(tmp_path / "model")
    assert {file.name for file in (tmp_path / "model").iterdir()} == {"config.json", "weights.safetensors"}
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    before = torch.random.get_rng_state()
    again = tl.Histology.load(tmp_path / "model")
    assert torch.equal(torch.random.get_rng_state(), before)
    one, other = model.predict(test), again.predict(test)
    np.testing.assert_array_equal(other.X, one.X)
    pd.testing.assert_frame_equal(other.obs, one.obs)
    pd.testing.assert_frame_equal(other.var, one.var)
    assert other.uns["histology"] == one.uns["histology"]
    if "retrieved" in one.obsm:
        pd.testing.assert_frame_equal(other.obsm["retrieved"], one.obsm["retrieved"])
    assert repr(again) == repr(model)
    assert (again.params, again.target, again.n_neighs) == (model.params, "log_counts", 5)
    for key, value in model.chosen_.items():
        np.testing.assert_equal(again.chosen_[key], value, verbose=True)
    again.save(tmp_path / "second")
    for name in ("config.json", "weights.safetensors"):
        assert (tmp_path / "second" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()


def test_a_model_of_sections_that_were_read_already_is_saved(stained, tmp_path):
    from spotweave.tl._sections import Reading, read_sections

    sections = read_sections(stained, Reading("patient", "section", "X_image", None, None, "table"))
    tl.Histology("ridge", n_top=5).fit_sections(sections).save(tmp_path / "m")
    assert tl.Histology.load(tmp_path / "m").features_ == {}


def test_predictions_are_written_to_files(ridge, test, tmp_path):
    import anndata as ad

    found = ridge.predict(test)
    found.write_h5ad(tmp_path / "p.h5ad")
    again = ad.read_h5ad(tmp_path / "p.h5ad")
    np.testing.assert_array_equal(again.X, found.X)
    assert again.uns["histology"]["slide_novelty"] == found.uns["histology"]["slide_novelty"]


def test_only_saved_models_are_replaced(ridge, tmp_path):
    ridge.save(tmp_path / "model")
    ridge.save(tmp_path / "model")
    other = tmp_path / "weights"
    other.mkdir()
    for text in ('{"model_type": "vit"}', "[]", "no json"):
        (other / "config.json").write_text(text)
        with pytest.raises(InputError, match="a saved model or nothing at .* Choose another name"):
            ridge.save(other)
        assert (other / "config.json").read_text() == text
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="a saved model or nothing"):
        ridge.save(tmp_path / "file")
    with pytest.raises(InputError, match="a folder .* to write into; found none. Make it first"):
        ridge.save(tmp_path / "none" / "model")
    assert {file.name for file in tmp_path.iterdir()} == {"model", "weights", "file"}


def edited(folder, change):
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "weights.safetensors").unlink(), "a folder with config.json and weights.safetensors"),
        (lambda f: (f / "config.json").write_text("{"), "an undamaged model in .*JSONDecodeError"),
        (lambda f: (f / "config.json").write_text("[]"), "an undamaged model in .*AttributeError"),
        (lambda f: (f / "weights.safetensors").write_bytes(b"short"), "an undamaged model in .*Safetensor"),
        (lambda f: edited(f, lambda c: c.update(format=99)), "a Histology of format 1; found Histology of format 99"),
        (lambda f: edited(f, lambda c: c.update({"class": "Denoiser"})), "found Denoiser of format 1"),
        (lambda f: edited(f, lambda c: c.pop("bank")), "an undamaged model in .*KeyError: 'bank'"),
        (lambda f: edited(f, lambda c: c["var_names"].pop()), "an undamaged model in .*ValueError"),
        (lambda f: edited(f, lambda c: c["arguments"].update(method="knn")), "an undamaged model in .*KeyError"),
        (lambda f: edited(f, lambda c: c["arguments"].update(depth=3)), "an undamaged model|settings"),
    ],
    ids=["no weights", "json", "list", "weights", "format", "class", "bank", "genes", "method", "argument"],
)
def test_damaged_folders_are_named(ridge, tmp_path, damage, message):
    ridge.save(tmp_path / "model")
    damage(tmp_path / "model")
    with pytest.raises(InputError, match=message):
        tl.Histology.load(tmp_path / "model")
