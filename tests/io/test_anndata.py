import shutil
import types
import warnings

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import io
from spotweave._table import row_chunks


@pytest.fixture
def adata(rng):
    X = sp.csr_matrix(rng.poisson(0.5, (13, 6)).astype(np.float32))
    obs = pd.DataFrame({"layer": pd.Categorical(list("abcabcabcabca"))}, index=[f"c{i}" for i in range(13)])
    adata = ad.AnnData(X, obs=obs, var=pd.DataFrame(index=[f"g{j}" for j in range(6)]))
    adata.obsm["spatial"] = rng.random((13, 2))
    adata.layers["counts"] = X * 2
    return adata


def same(a, b):
    pd.testing.assert_frame_equal(a.obs, b.obs)
    np.testing.assert_array_equal(a.obsm["spatial"], b.obsm["spatial"])
    for X, Y in ((a.X, b.X), (a.layers["counts"], b.layers["counts"])):
        blocks = [block.toarray() for _, block in row_chunks(X, 4)]
        np.testing.assert_array_equal(np.vstack(blocks), Y.toarray())


@pytest.mark.parametrize("backed", [False, True])
@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_read_gives_back_what_was_written(adata, tmp_path, suffix, backed):
    path = tmp_path / f"a{suffix}"
    io.write(adata, path)
    back = io.read(path, backed=backed)
    same(back, adata)
    if backed:
        assert not sp.issparse(back.X)  # still on disk
    else:
        assert isinstance(back.X, sp.csr_matrix)


def test_read_backed_dense_zarr_and_write_it_again(adata, tmp_path):
    adata.X = adata.X.toarray()
    io.write(adata, tmp_path / "a.zarr")
    lazy = io.read(tmp_path / "a.zarr", backed=True)
    np.testing.assert_array_equal(lazy.X[2:5], adata.X[2:5])
    io.write(lazy, tmp_path / "b.h5ad")
    np.testing.assert_array_equal(io.read(tmp_path / "b.h5ad").X, adata.X)


def test_read_tells_h5ad_by_content(adata, tmp_path):
    io.write(adata, tmp_path / "a.h5ad")
    (tmp_path / "a.h5ad").rename(tmp_path / "a.data")
    same(io.read(tmp_path / "a.data"), adata)


def test_read_expands_home(adata, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    io.write(adata, "~/a.h5ad")
    assert (tmp_path / "a.h5ad").exists()
    same(io.read("~/a.h5ad"), adata)


def test_read_old_h5ad_without_noise(tmp_path, rng):
    """The layout before anndata 0.7: compound tables, sparse matrix described by h5sparse attributes."""
    X = sp.csr_matrix(rng.poisson(0.5, (5, 3)).astype(np.float32))
    with h5py.File(tmp_path / "old.h5ad", "w") as f:
        group = f.create_group("X")
        group.attrs.update({"h5sparse_format": "csr", "h5sparse_shape": np.array(X.shape)})
        for name in ("data", "indices", "indptr"):
            group[name] = getattr(X, name)
        f["obs"] = np.array([(f"c{i}".encode(), i) for i in range(5)], dtype=[("index", "S2"), ("n", "i8")])
        f["var"] = np.array([(f"g{j}".encode(),) for j in range(3)], dtype=[("index", "S2")])
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        adata = io.read(tmp_path / "old.h5ad")
    assert not raised
    np.testing.assert_array_equal(adata.X.toarray(), X.toarray())
    assert adata.obs["n"].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("suffix", [".h5ad", ".zarr"])
def test_read_repeated_names_say_so_in_one_line(adata, tmp_path, caplog, suffix):
    names = ["g0", "g1", "g1", "g3", "g4", "g5"]
    io.write(adata, tmp_path / f"a{suffix}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.var_names = names
        if suffix == ".h5ad":
            adata.write_h5ad(tmp_path / f"a{suffix}")
        else:
            adata.write_zarr(tmp_path / f"a{suffix}")
    assert io.read(tmp_path / f"a{suffix}").var_names.tolist() == names
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "var_names_make_unique" in caplog.text


@pytest.fixture(params=["tables", "table"])
def spatialdata_store(request, adata, tmp_path):
    """A SpatialData store without spatialdata: a zarr group with elements; `bare` has no coordinates."""
    import zarr

    root = tmp_path / "sd.zarr"
    zarr.open_group(str(root), mode="w", zarr_format=2).attrs["spatialdata_attrs"] = {"version": "0.1"}
    (root / request.param).mkdir()
    io.write(adata, tmp_path / "table.zarr")
    shutil.move(tmp_path / "table.zarr", root / request.param / "table")
    bare = adata.copy()
    del bare.obsm["spatial"]
    io.write(bare, tmp_path / "bare.zarr")
    shutil.move(tmp_path / "bare.zarr", root / request.param / "bare")
    return root


@pytest.mark.parametrize("backed", [False, True])
def test_read_spatialdata_store(spatialdata_store, adata, caplog, backed):
    same(io.read(spatialdata_store, backed=backed), adata)
    assert not caplog.records


def test_read_spatialdata_store_says_when_coordinates_are_missing(spatialdata_store, caplog):
    adata = io.read(spatialdata_store, table_key="bare")
    assert "spatial" not in adata.obsm
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "has no obsm['spatial']" in caplog.text
    assert "bare" in caplog.text


def test_read_spatialdata_store_unknown_table(spatialdata_store, one_clear_error):
    one_clear_error(
        lambda: io.read(spatialdata_store, table_key="cells"), spatialdata_store, "'cells'", "bare", "table_key"
    )


def test_read_spatialdata_object(adata, one_clear_error):
    sdata = types.SimpleNamespace(tables={"bins": adata})
    assert io.read(sdata, table_key="bins") is adata
    assert io.read(adata) is adata
    one_clear_error(lambda: io.read(sdata), "'table'", "bins")
    one_clear_error(lambda: io.read(42), "AnnData or SpatialData", "int")


@pytest.mark.data
@pytest.mark.parametrize("backed", [False, True])
def test_read_dlpfc(data_dir, backed, tmp_path):
    adata = io.read(data_dir / "dlpfc_151673" / "dlpfc_151673.h5ad", backed=backed)
    assert adata.shape == (3639, 8513)
    assert adata.obsm["spatial"].shape == (3639, 2)
    assert adata.obs["layer"].isna().sum() == 28
    assert adata.obs["layer"].value_counts()["L3"] == 989  # Maynard et al. 2021, section 151673
    io.write(adata, tmp_path / "copy.h5ad")
    back = io.read(tmp_path / "copy.h5ad")
    assert (sp.csr_matrix(adata.X[:]) != back.X).nnz == 0
    assert adata.X[:].sum() == back.X.sum()
