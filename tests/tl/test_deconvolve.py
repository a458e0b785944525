"""`tl.deconvolve` as a user calls it: what is found, written and said, on simulated and real tissue."""

import logging
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import spotweave as sw
from spotweave import datasets
from spotweave.core.deconvolution.nb import NbParams
from spotweave.tl._deconvolve import REGRESSIONS
from spotweave.tl._deconvolve_methods import METHODS

tl: Any = sw.tl
N, TYPES = 201, ["type_1", "type_2", "type_3", "type_4"]
QUICK: dict[str, Any] = {"labels_key": "cell_type", "n_directions": 4, "n_draws": 4}


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    """Two slides of spots."""
    return datasets.simulate_tissue(N, n_genes=90, n_types=4, n_domains=3, n_slices=2, resolution="spot", rng=4)


@pytest.fixture(scope="module")
def cells(tissue) -> ad.AnnData:
    return datasets.simulate_reference(tissue, 240, rng=3)


@pytest.fixture(scope="module")
def plain(tissue, cells):
    return tl.deconvolve(tissue, cells, copy=True, **QUICK)


@pytest.fixture
def adata(tissue) -> ad.AnnData:
    return tissue.copy()


def rmse(found, tissue) -> float:
    return float(np.sqrt(((found.to_numpy() - np.asarray(tissue.obsm["proportions_true"])) ** 2).mean()))


@pytest.mark.parametrize("method", METHODS)
def test_each_method_finds_the_composition(tissue, cells, method):
    found = tl.deconvolve(tissue, cells, labels_key="cell_type", method=method, copy=True)
    P = found.proportions
    assert list(P.columns) == TYPES
    assert list(P.index) == list(tissue.obs_names)
    assert (P.dtypes == np.float32).all()
    assert (P >= 0).all(axis=None)
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-5)
    assert rmse(P, tissue) < {"nb": 0.11, "combined": 0.1, "mapping": 0.11, "poisson": 0.14, "nnls": 0.22}[method]
    assert (found.sd is None) == (method not in REGRESSIONS)
    assert ("correlation" in found.report["types"]) == (method in REGRESSIONS)


def test_writes_what_it_says(adata, cells, plain):
    before = adata.copy()
    assert tl.deconvolve(adata, cells, **QUICK) is None
    assert set(adata.obsm) - set(before.obsm) == {"proportions", "proportions_sd"}
    assert set(adata.uns) - set(before.uns) == {"deconvolve"}
    pd.testing.assert_frame_equal(adata.obsm["proportions"], plain.proportions)
    pd.testing.assert_frame_equal(adata.obsm["proportions_sd"], plain.sd)
    said = adata.uns["deconvolve"]
    assert {"types", "n_shared", "matched", "n_reference", "n_used", "platform_sd", "background", "converged",
            "params"} == set(said)  # fmt: skip
    types = said["types"]
    assert list(types.index) == TYPES
    kinds = cells.obs["cell_type"]
    depth = pd.Series(cells.X.sum(axis=1).A1, cells.obs_names)
    assert types["n_cells"].to_dict() == kinds.value_counts().to_dict()
    np.testing.assert_allclose(types["depth"], depth.groupby(kinds, observed=True).mean(), rtol=1e-5)
    np.testing.assert_allclose(types["mean_share"], plain.proportions.mean(), rtol=1e-5)
    assert (types["inflation"] >= 1).all()
    assert all(b in set(TYPES) - {a} for a, b in types["confused_with"].items())
    assert (said["n_shared"], said["n_reference"], said["n_used"], said["matched"]) == (90, 240, 90, "exact")
    assert said["params"]["settings"]["n_directions"] == 4
    assert said["params"]["labels_key"] == "cell_type"


def test_another_key_and_h5ad(adata, cells, plain, tmp_path):
    tl.deconvolve(adata, cells, key_added="mine", **QUICK)
    tl.deconvolve(adata, cells, labels_key="cell_type", method="nnls", key_added="rival")
    assert "rival_sd" not in adata.obsm
    assert "deconvolve" not in adata.uns
    adata.write_h5ad(tmp_path / "a.h5ad")
    read = ad.read_h5ad(tmp_path / "a.h5ad")
    pd.testing.assert_frame_equal(read.obsm["mine"], plain.proportions)
    pd.testing.assert_frame_equal(read.obsm["mine_sd"], plain.sd)
    pd.testing.assert_frame_equal(read.uns["mine"]["types"], plain.report["types"], check_names=False)
    assert read.uns["mine"]["platform_sd"] == plain.report["platform_sd"]
    assert read.uns["mine"]["params"]["settings"]["n_genes"] == 2_000
    assert read.uns["rival"]["params"]["method"] == "nnls"


def test_copy_leaves_both_tables_alone(adata, cells, plain):
    reference = cells.copy()
    first, second = adata.copy(), reference.copy()
    found = tl.deconvolve(adata, reference, copy=True, **QUICK)
    pd.testing.assert_frame_equal(found.proportions, plain.proportions)
    for was, now in ((first, adata), (second, reference)):
        assert list(was.obsm) == list(now.obsm)
        assert list(was.uns) == list(now.uns)
        pd.testing.assert_frame_equal(was.obs, now.obs)
        assert was.X.data.tobytes() == now.X.data.tobytes()


def test_layers_names_of_any_case_and_seeds(adata, cells, plain, caplog):
    reference = cells.copy()
    for table in (adata, reference):
        table.layers["raw"], table.X = table.X, table.X.log1p()
    reference.var_names = reference.var_names.str.upper()
    found = tl.deconvolve(adata, reference, layer="raw", reference_layer="raw", copy=True, **QUICK)
    pd.testing.assert_frame_equal(found.proportions, plain.proportions)
    assert "case" in caplog.text
    few = {**QUICK, "layer": "raw", "reference_layer": "raw", "max_cells": 20, "copy": True}
    one, same, other = (tl.deconvolve(adata, reference, rng=rng, **few) for rng in (1, 1, np.random.default_rng(2)))
    pd.testing.assert_frame_equal(one.proportions, same.proportions)
    assert (one.proportions != other.proportions).any(axis=None)
    assert one.report["n_reference"] == 80
    assert one.report["types"]["n_cells"].sum() == 240
    assert other.report["params"]["rng"] == "generator"


def test_unknown_is_a_column_of_its_own(tissue, cells):
    less = cells[cells.obs["cell_type"] != "type_2"].copy()
    found = tl.deconvolve(tissue, less, unknown=True, copy=True, **QUICK)
    assert list(found.proportions) == ["type_1", "type_3", "type_4", "unknown"] == list(found.sd)
    np.testing.assert_allclose(found.proportions.sum(axis=1), 1, rtol=1e-5)
    assert list(found.report["types"].index) == ["type_1", "type_3", "type_4"]
    truth = np.asarray(tissue.obsm["proportions_true"])[:, 1]
    assert np.corrcoef(found.proportions["unknown"], truth)[0, 1] > 0.6


def test_combined_is_the_mean_and_keeps_the_unknown(tissue, cells):
    less = cells[cells.obs["cell_type"] != "type_2"].copy()
    found, nb = (
        tl.deconvolve(tissue, less, unknown=True, method=method, copy=True, **QUICK) for method in ("combined", "nb")
    )
    mapped = tl.deconvolve(tissue, less, labels_key="cell_type", method="mapping", copy=True).proportions
    np.testing.assert_allclose(found.proportions.sum(axis=1), 1, rtol=1e-5)
    pd.testing.assert_series_equal(found.proportions["unknown"], nb.proportions["unknown"])
    pd.testing.assert_frame_equal(found.sd, nb.sd)
    other = 2 * found.proportions - nb.proportions
    expected = mapped.mul(1 - nb.proportions["unknown"], axis=0)
    np.testing.assert_allclose(other[expected.columns], expected, atol=0.03)


def test_neighbours_count_and_none_is_on_another_slide(adata, cells, plain, rng):
    smooth: dict[str, Any] = {**QUICK, "smoothness": 0.5, "copy": True}
    slide = adata.obs["slice"].to_numpy()
    adata.obsm["spatial"] += rng.normal(size=(N, 2))  # no two neighbours equally far
    here = tl.deconvolve(adata, cells, library_key="slice", **smooth).proportions
    assert (here != plain.proportions).any(axis=None)
    moved = adata.copy()
    moved.obsm["spatial"][slide == slide[0]] += 2.0**16
    pd.testing.assert_frame_equal(tl.deconvolve(moved, cells, library_key="slice", **smooth).proportions, here)
    assert (tl.deconvolve(adata, cells, **smooth).proportions != here).any(axis=None)
    adata.obsp["none"] = sp.csr_matrix((N, N))
    alone = tl.deconvolve(adata, cells, graph_key="none", **smooth).proportions
    np.testing.assert_allclose(alone, plain.proportions, atol=5e-3)
    adata.obsp["faint"] = _ring(N) * 1e-6
    adata.obsp["ring"] = _ring(N)
    faint, ring = (tl.deconvolve(adata, cells, graph_key=key, **smooth).proportions for key in ("faint", "ring"))
    np.testing.assert_allclose(faint, ring, atol=1e-5)


def _ring(n):
    return sp.csr_matrix(np.roll(np.eye(n), 1, axis=0) + np.roll(np.eye(n), -1, axis=0))


def test_types_that_look_alike_are_named(tissue, cells, caplog):
    reference = cells.copy()
    name = reference.obs["cell_type"].astype(str).to_numpy()
    name[np.flatnonzero(name == "type_1")[::2]] = "twin"
    reference.obs["cell_type"] = name
    with caplog.at_level(logging.WARNING):
        found = tl.deconvolve(tissue, reference, copy=True, **QUICK)
    assert "hard to tell apart, trust their sum sooner than each: ['twin and type_1']" in caplog.text
    assert found.report["types"].loc["twin", "confused_with"] == "type_1"
    both = found.proportions.drop(columns="twin").assign(type_1=found.proportions[["type_1", "twin"]].sum(axis=1))
    assert rmse(both, tissue) < 0.12


def test_settings_as_an_object_or_one_by_one(tissue, cells, plain):
    params = NbParams(n_directions=4, n_draws=4)
    found = tl.deconvolve(tissue, cells, labels_key="cell_type", params=params, copy=True)
    pd.testing.assert_frame_equal(found.proportions, plain.proportions)
    over = tl.deconvolve(tissue, cells, labels_key="cell_type", params=params, n_draws=0, copy=True)
    assert over.sd is None


@pytest.mark.data
def test_spots_of_a_real_cortex(data_dir):
    folder = data_dir / "deconv_starmap_sdeper"
    if not folder.is_dir():
        pytest.skip(f"no {folder.name}")
    spots, cells = (ad.read_h5ad(folder / name) for name in (f"{folder.name}.h5ad", "reference.h5ad"))
    truth = spots.obsm["truth_proportions"]
    error = {}
    for method in ("nb", "nnls"):
        P = tl.deconvolve(spots, cells, labels_key="cell_type", method=method, copy=True).proportions
        error[method] = np.sqrt(((P - truth[P.columns]) ** 2).to_numpy().mean())
    assert error["nb"] < 0.09
    assert error["nb"] < 0.9 * error["nnls"]


@pytest.mark.data
def test_acinar_cells_of_a_real_pancreas(data_dir):
    folder = data_dir / "deconv_pdac"
    if not folder.is_dir():
        pytest.skip(f"no {folder.name}")
    spots, cells = (ad.read_h5ad(folder / name) for name in (f"{folder.name}.h5ad", "reference.h5ad"))
    total = pd.Series(spots.X.sum(axis=0).A1, spots.var_names)
    share = spots[:, "PRSS1"].X.toarray().ravel() / spots.X.sum(axis=1).A1
    spots = spots[:, total.drop("PRSS1").nlargest(4_000).index].copy()
    P = tl.deconvolve(spots, cells, labels_key="cell_type", min_cells=1, n_draws=0, copy=True).proportions
    assert np.isfinite(P).all(axis=None)
    acinar = [name for name in P if name.startswith("Acinar")]
    assert np.corrcoef(P[acinar].sum(axis=1), share)[0, 1] > 0.4
