import logging
from typing import Any

import numpy as np
import pytest

from spotweave import InputError, datasets, tl
from spotweave.core.alignment.rigid import angle_between, transform

QUICK: dict[str, Any] = {"n_angles": 36, "n_starts": 1, "max_pixels": 400}


@pytest.fixture(scope="module")
def tissue():
    return datasets.simulate_tissue(700, n_genes=120, layout="blobs", n_slices=2, batch_effect=0.3, rng=1)


def test_simulated_slices_lie_as_they_were_cut(tissue):
    adata = tissue.copy()
    tl.align(adata, library_key="slice", **QUICK)
    made, report = adata.uns["simulation"]["transforms"], adata.uns["align"]
    truth = made[0] @ np.linalg.inv(made[1])
    second = (adata.obs["slice"] == "slice_2").to_numpy()
    places = adata.obsm["spatial_aligned"]
    assert angle_between(report["transforms"][1], truth) < 3
    assert np.linalg.norm(places[second] - transform(truth, adata.obsm["spatial"][second]), axis=1).mean() < 70
    np.testing.assert_array_equal(places[~second], adata.obsm["spatial"][~second])
    np.testing.assert_allclose(transform(report["transforms"][1], adata.obsm["spatial"][second]), places[second])
    fit = report["fit"].loc["slice_2"]
    assert (report["reference"], list(report["slices"]), fit["via"]) == ("slice_1", ["slice_1", "slice_2"], "slice_1")
    assert fit["agreement"] > fit["agreement_before"]
    assert fit["rotation"] == pytest.approx(np.degrees(np.arctan2(truth[1, 0], truth[0, 0])), abs=3)
    assert (fit["warning"], fit["mirrored"]) == ("", False)
    assert report["params"]["n_angles"] == 36


def test_reference_embedding_and_names(tissue):
    adata = tissue.copy()
    adata.obsm["X_own"] = np.column_stack([adata.obsm["activity_true"], np.zeros(700)])
    found = tl.align(adata, library_key="slice", reference="slice_2", use_rep="X_own", copy=True, **QUICK)
    assert found is not None
    second = (adata.obs["slice"] == "slice_2").to_numpy()
    np.testing.assert_array_equal(found.xy[second], adata.obsm["spatial"][second])
    assert found.fit["agreement"].to_numpy()[0] > 0.9
    tl.align(adata, library_key="slice", use_rep="X_own", key_added="places", **QUICK)
    assert {"places"} <= set(adata.obsm)
    assert "places_align" in adata.uns
    assert "align" not in adata.uns


def test_an_ambiguous_slice_is_warned_about(tissue, caplog):
    adata = tissue.copy()
    adata.obsm["X_own"] = np.random.default_rng(0).normal(size=(700, 4))
    with caplog.at_level(logging.WARNING, logger="spotweave"):
        tl.align(adata, library_key="slice", use_rep="X_own", **QUICK)
    assert "slice slice_2: ambiguous" in caplog.text
    assert adata.uns["align"]["fit"].loc["slice_2", "warning"].startswith("ambiguous")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"library_key": "sample"}, "library_key='sample' in adata.obs"),
        ({"library_key": "slice", "reference": "C"}, r"`reference` among the slices .*slice_1.*; found 'C'"),
        ({"library_key": "one"}, "at least two slices; found 1"),
        ({"library_key": "few"}, "at least 10 points on every slice; found a slice of 9"),
        ({"library_key": "slice", "spatial_key": "xy"}, r"coordinates in adata.obsm\['xy'\]"),
        ({"library_key": "slice", "use_rep": "X_own"}, r"an embedding in adata.obsm\['X_own'\]"),
        ({"library_key": "slice", "method": "paste"}, "`method` out of"),
        ({"library_key": "slice", "n_angle": 3}, "settings out of"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(tissue, options, message):
    adata = tissue.copy()
    adata.obs["one"], adata.obs["few"] = "a", np.where(np.arange(700) < 9, "a", "b")
    with pytest.raises(InputError, match=message):
        tl.align(adata, **options)
    assert "spatial_aligned" not in adata.obsm
    assert "align" not in adata.uns
