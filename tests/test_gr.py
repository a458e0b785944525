"""Graphs written into AnnData: squidpy's keys, copies, messages and bad input."""

import logging
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from spotweave import InputError, gr
from spotweave.core import feature_graph
from spotweave.core import graph as core

SPATIAL = [
    ("knn", {}, {"coord_type": "generic", "n_neighbors": 6, "transform": None}),
    ("radius", {"radius": 0.3}, {"coord_type": "generic", "radius": 0.3, "transform": None}),
    ("radius", {"radius": (0.4, 0.1)}, {"coord_type": "generic", "radius": [0.1, 0.4], "transform": None}),
    ("delaunay", {}, {"coord_type": "generic", "radius": None, "transform": None}),
    ("delaunay", {"radius": 0.3}, {"coord_type": "generic", "radius": [0.0, 0.3], "transform": None}),
    (
        "grid",
        {"n_rings": 2},
        {"coord_type": "grid", "n_neighbors": 6, "n_rings": 2, "delaunay": False, "transform": None},
    ),
]


@pytest.fixture
def adata(rng) -> ad.AnnData:
    n = 61
    slides = pd.Categorical(np.array(["s1", "s2"])[np.arange(n) % 2], categories=["s0", "s2", "s1"])
    result = ad.AnnData(
        np.ones((n, 3), np.float32), obs=pd.DataFrame({"slide": slides}, index=[f"c{i}" for i in range(n)])
    )
    result.obsm["spatial"] = rng.random((n, 2))
    result.obsm["X_pca"] = rng.normal(size=(n, 4))
    return result


@pytest.mark.parametrize(("name", "options", "described"), SPATIAL)
def test_spatial_graph_is_written_as_squidpy_writes_it(adata, tmp_path, name, options, described):
    assert getattr(gr, name)(adata, library_key="slide", **options) is None
    W, D = adata.obsp["spatial_connectivities"], adata.obsp["spatial_distances"]
    library = (adata.obs["slide"] == "s1").to_numpy()
    expected = getattr(core, name)(adata.obsm["spatial"], library=library, **options)
    assert (expected.connectivities != W).nnz == (expected.distances != D).nnz == 0
    assert (W.dtype, D.dtype) == (np.float32, np.float32 if name == "grid" else np.float64)
    assert W.format == D.format == "csr"
    assert adata.uns["spatial_neighbors"] == {
        "connectivities_key": "spatial_connectivities",
        "distances_key": "spatial_distances",
        "params": described,
    }
    adata.write_h5ad(tmp_path / "a.h5ad")
    read = ad.read_h5ad(tmp_path / "a.h5ad")
    assert (read.obsp["spatial_connectivities"] != W).nnz == 0
    np.testing.assert_equal(read.uns["spatial_neighbors"]["params"], described)


@pytest.mark.parametrize(("name", "options"), [(s[0], s[1]) for s in SPATIAL] + [("features", {"n_neighs": 5})])
def test_copy_leaves_the_table_alone_and_equals_what_is_written(adata, name, options):
    before = adata.copy()
    result = getattr(gr, name)(adata, copy=True, **options)
    assert result._fields == ("connectivities", "distances")
    assert list(adata.obsp) == list(before.obsp) == []
    assert not adata.uns
    getattr(gr, name)(adata, key_added="other", **options)
    assert (adata.obsp["other_connectivities"] != result.connectivities).nnz == 0
    if name != "features":
        assert (adata.obsp["other_distances"] != result.distances).nnz == 0
    assert "other_neighbors" in adata.uns


def test_graph_functions_take_other_coordinates_and_spatialdata(adata):
    adata.obsm["pixels"] = adata.obsm.pop("spatial")
    sdata = SimpleNamespace(tables={"cells": adata})
    gr.knn(sdata, table_key="cells", spatial_key="pixels")
    gr.features(sdata, table_key="cells", n_neighs=3)
    assert set(adata.obsp) == {"spatial_connectivities", "spatial_distances", "feature_connectivities"}


def test_features_graph(adata):
    gr.features(adata, n_neighs=5, library_key="slide", symmetry="mutual", metric="euclidean")
    W = adata.obsp["feature_connectivities"]
    library = (adata.obs["slide"] == "s1").to_numpy()
    directed = feature_graph.feature_knn(adata.obsm["X_pca"], n_neighs=5, metric="euclidean", library=library)
    A = directed.connectivities.toarray()
    np.testing.assert_array_equal(W.toarray(), np.minimum(A, A.T))
    assert adata.uns["feature_neighbors"]["connectivities_key"] == "feature_connectivities"
    stored = adata.uns["feature_neighbors"]["params"]
    assert stored["max_in_degree"] == A.sum(axis=0).max()
    assert (stored["n_neighbors"], stored["symmetry"], stored["metric"]) == (5, "mutual", "euclidean")
    union = gr.features(adata, n_neighs=5, copy=True)
    assert union is not None
    assert (union.connectivities != union.connectivities.T).nnz == 0
    assert abs(union.distances - union.distances.T).nnz == 0
    assert union.distances.nnz == union.connectivities.nnz > W.nnz


def test_numbers_of_duplicates_and_isolated_points_are_logged(adata, caplog):
    with caplog.at_level(logging.INFO, logger="spotweave"):
        gr.knn(adata)
    assert [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING] == []
    assert "added adata.obsp['spatial_connectivities']" in caplog.text
    adata.obsm["spatial"][[5, 9]] = adata.obsm["spatial"][3]
    adata.obsm["spatial"][7] = 100
    gr.radius(adata, radius=0.5)
    assert "2 of 61 points lie exactly where another one lies" in caplog.text
    assert "1 of 61 points have no neighbour" in caplog.text
    zero_edges = 6  # among three points at one place
    stored = adata.obsp["spatial_connectivities"].nnz - adata.obsp["spatial_distances"].nnz
    assert stored == zero_edges


def test_small_libraries_are_logged_and_joined_completely(adata, caplog):
    adata.obs["slide"] = pd.Categorical(["few"] * 6 + ["many"] * 55)
    gr.knn(adata, library_key="slide")
    assert "1 of 2 libraries have at most n_neighs=6 points (smallest: 6)" in caplog.text
    np.testing.assert_array_equal(adata.obsp["spatial_connectivities"][:6, :6].toarray(), 1 - np.eye(6))
    gr.knn(adata, n_neighs=61)
    assert adata.obsp["spatial_connectivities"].nnz == 61 * 60


@pytest.mark.parametrize(
    ("spoil", "options", "message"),
    [
        (lambda a: a.obsm.pop("spatial"), {}, r"obsm\['spatial'\].*X_pca"),
        (lambda a: a.obsm["spatial"].__setitem__((4, 1), np.nan), {}, r"1 of 61 rows \(first: row 4\)"),
        (lambda a: a.obsm["spatial"].__setitem__((4, 1), np.inf), {}, "finite"),
        (lambda a: a.obs.__setitem__("slide", None), {"library_key": "slide"}, "NaN in 61 of 61"),
        (lambda a: a.obs.drop(columns="slide", inplace=True), {"library_key": "slide"}, "library_key='slide'"),
    ],
)
@pytest.mark.parametrize("name", ["knn", "radius", "delaunay", "grid"])
def test_bad_tables_are_refused_and_nothing_is_written(adata, name, spoil, options, message):
    spoil(adata)
    if name == "radius":
        options = {**options, "radius": 0.2}
    with pytest.raises(InputError, match=message):
        getattr(gr, name)(adata, **options)
    assert not adata.obsp
    assert not adata.uns


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("knn", {"n_neighs": 0}, "n_neighs"),
        ("radius", {"radius": 0}, "radius"),
        ("radius", {"radius": -2.0}, "radius"),
        ("delaunay", {"radius": -2.0}, "radius"),
        ("grid", {"n_rings": 0}, "n_rings"),
        ("features", {"n_neighs": 0}, "n_neighs"),
        ("features", {"use_rep": "X_none"}, "X_none.*scanpy.pp.pca"),
        ("features", {"metric": "l1"}, "metric"),
        ("features", {"symmetry": "or"}, "how"),
        ("features", {"library_key": "nowhere"}, "nowhere"),
    ],
)
def test_bad_arguments_are_refused(adata, name, options, message):
    with pytest.raises(InputError, match=message):
        getattr(gr, name)(adata, **options)
    assert not adata.obsp
    assert not adata.uns


def test_nan_features_are_refused(adata):
    adata.obsm["X_pca"][2, 2] = np.nan
    with pytest.raises(InputError, match="1 of 61 rows"):
        gr.features(adata)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("knn", {"n_neighs": 6}),
        ("knn", {"n_neighs": 15}),
        ("radius", {"radius": 300.0}),
        ("radius", {"radius": (150.0, 300.0)}),
        ("delaunay", {}),
        ("delaunay", {"radius": 300.0}),
        ("grid", {}),
        ("grid", {"n_neighs": 4, "n_rings": 2}),
    ],
)
@pytest.mark.parametrize("library_key", [None, "slide"])
@pytest.mark.parametrize("data", ["dlpfc_151673", "osmfish_somatosensory"])
@pytest.mark.filterwarnings("ignore")  # not ours: squidpy's
def test_equals_squidpy_on_real_data(data_dir, name, options, library_key, data):
    squidpy = pytest.importorskip("squidpy")
    real = ad.read_h5ad(data_dir / data / f"{data}.h5ad", backed="r")
    n = real.n_obs
    obs = pd.DataFrame({"slide": pd.Categorical(np.arange(n) ** 2 % 3)}, index=real.obs_names)
    table = ad.AnnData(obs=obs, obsm={"spatial": np.asarray(real.obsm["spatial"], dtype=float)})
    theirs = getattr(squidpy.gr, f"spatial_neighbors_{name}")(table, library_key=library_key, copy=True, **options)
    ours = getattr(gr, name)(table, library_key=library_key, copy=True, **options)
    assert abs(ours.distances - theirs.distances).max() < 1e-9
    assert ours.distances.nnz == theirs.distances.nnz
    assert [m.dtype for m in ours] == [m.dtype for m in theirs]
    if name != "delaunay":  # there, points at the same place are joined by us only, with a length of 0
        assert (ours.connectivities != theirs.connectivities).nnz == 0
