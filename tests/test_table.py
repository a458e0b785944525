"""The door to AnnData and its validators: every kind of matrix, writing all or nothing, messages."""

import logging
from types import SimpleNamespace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import InputError, _check, _table


class Lazy:
    """Stands for a dask array: slices are computed on demand."""

    def __init__(self, X):
        self.X, self.shape = X, X.shape

    def __getitem__(self, rows):
        return SimpleNamespace(compute=lambda: self.X[rows])


@pytest.fixture
def adata(rng) -> ad.AnnData:
    X = sp.csr_matrix(rng.poisson(1.0, (23, 7)).astype(np.float32))
    result = ad.AnnData(X, obs=pd.DataFrame({"slide": ["b", "a"] * 11 + ["b"]}, index=[f"c{i}" for i in range(23)]))
    result.obsm["spatial"] = rng.random((23, 2))
    return result


def stored(X, kind, path):
    if kind in {"backed csr", "backed dense"}:
        ad.AnnData(X if kind == "backed csr" else X.toarray()).write_h5ad(path / "x.h5ad")
        return ad.read_h5ad(path / "x.h5ad", backed="r").X
    forms = {
        "csr": X.copy, "csc": X.tocsc, "dense": X.toarray, "int": lambda: X.astype(np.int32),
        "lazy": lambda: Lazy(X), "lazy dense": lambda: Lazy(X.toarray()), "array": lambda: sp.csr_array(X),
    }  # fmt: skip
    return forms[kind]()


KINDS = ["csr", "csc", "dense", "int", "lazy", "lazy dense", "array", "backed csr", "backed dense"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 5, 23, 99])
def test_row_chunks_give_each_row_once_in_order(adata, tmp_path, kind, size):
    X = stored(adata.X, kind, tmp_path)
    chunks = list(_table.row_chunks(X, size))
    assert [r.start for r, _ in chunks] == list(range(0, 23, size))
    assert all(sp.issparse(b) and b.format == "csr" or isinstance(b, np.ndarray) for _, b in chunks)
    whole = np.concatenate([b.toarray() if sp.issparse(b) else b for _, b in chunks])
    np.testing.assert_array_equal(whole, adata.X.toarray())


@pytest.mark.parametrize("kind", KINDS)
def test_load_copies_into_memory(adata, tmp_path, kind):
    X = stored(adata.X, kind, tmp_path)
    found = _table.load(X)
    assert found is not X
    np.testing.assert_array_equal(found.toarray() if sp.issparse(found) else found, adata.X.toarray())
    if kind in {"csr", "csc", "dense"}:
        assert type(found) is type(X)
        assert not np.shares_memory(_check.values_of(found), _check.values_of(X))


def test_get_table_of_spatialdata(adata):
    data = SimpleNamespace(tables={"table": adata, "other": adata[:3].copy()})
    assert _table.get_table(adata) is adata
    assert _table.get_table(data) is adata
    assert _table.get_table(data, "other").n_obs == 3
    with pytest.raises(InputError, match=r"table 'x'.*\['table', 'other'\].*table_key"):
        _table.get_table(data, "x")
    with pytest.raises(InputError, match=r"AnnData or SpatialData.*DataFrame.*io\.read"):
        _table.get_table(adata.obs)


def test_counts_are_taken_from_the_layer_named_then_counts_then_x(adata):
    assert _table.get_counts(adata) is adata.X
    adata.layers["counts"], adata.layers["raw"] = 2 * adata.X, 3 * adata.X
    assert _table.get_counts(adata)[:].sum() == 2 * adata.X.sum()
    assert _table.get_counts(adata, "raw")[:].sum() == 3 * adata.X.sum()
    with pytest.raises(InputError, match=r"layers\['x'\].*counts.*raw"):
        _table.get_counts(adata, "x")
    del adata.layers["counts"], adata.layers["raw"], adata.X
    with pytest.raises(InputError, match="neither"):
        _table.get_counts(adata)


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)])
def test_empty_table_is_an_error(shape):
    with pytest.raises(InputError, match=f"at least one cell and one gene.*{shape[0]} cells x {shape[1]} genes"):
        _table.get_matrix(ad.AnnData(np.ones(shape)))


@pytest.mark.parametrize(
    ("value", "match"),
    [
        (0.5, r"whole-number counts.*0\.5.*log"),
        (-1, "non-negative.*-1"),
        (np.nan, "NaN or inf"),
        (np.inf, "NaN or inf"),
    ],
)
@pytest.mark.parametrize("kind", ["csr", "csc", "dense", "backed csr"])
def test_values_that_are_no_counts_are_named(adata, tmp_path, value, match, kind):
    adata.X.data[-1] = value
    table = SimpleNamespace(n_obs=23, n_vars=7, layers={}, X=stored(adata.X, kind, tmp_path))
    with pytest.raises(InputError, match=match):
        _table.get_counts(table)


def test_every_block_of_values_is_checked():
    values = np.ones(2_000_001)
    _check.check_counts(values, "x")
    values[-1] = 1.5
    with pytest.raises(InputError, match="1.5"):
        _check.check_counts(values, "x")


@pytest.mark.parametrize("values", [np.array([["a"]]), np.array([[1, "a"]], object), np.array([[1j]])])
def test_values_that_are_no_numbers(values):
    with pytest.raises(InputError, match=f"numbers.*type {values.dtype}"):
        _check.check_counts(values, "adata.X")


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64, np.float32])
def test_types_that_hold_counts(dtype):
    _check.check_counts(np.ones((3, 2), dtype), "x")
    if np.dtype(dtype).kind == "i":
        with pytest.raises(InputError, match="non-negative"):
            _check.check_counts(np.full((3, 2), -1, dtype), "x")


def test_coordinates(adata):
    found = _table.get_coords(adata)
    assert found.dtype == np.float64
    adata.obsm["spatial"][[4, 9], 1] = np.nan
    with pytest.raises(InputError, match=r"NaN or infinity in 2 of 23 rows \(first: row 4\)"):
        _table.get_coords(adata)
    with pytest.raises(InputError, match=r"obsm\['xy'\].*spatial_key"):
        _table.get_coords(adata, "xy")


@pytest.mark.parametrize("xy", [np.ones(4), np.ones((4, 1)), np.ones((4, 4)), np.array([["a", "b"]])])
def test_coordinates_of_the_wrong_kind(xy):
    with pytest.raises(InputError, match="coordinates"):
        _check.check_coords(xy, "x")


def test_codes(adata):
    assert _table.get_codes(adata, None) is None
    np.testing.assert_array_equal(_table.get_codes(adata, "slide"), [1, 0] * 11 + [1])
    with pytest.raises(InputError, match=r"library_key='x'.*slide"):
        _table.get_codes(adata, "x")
    adata.obs.loc["c3", "slide"] = np.nan
    with pytest.raises(InputError, match=r"slide.*library_key.*NaN in 1 of 23"):
        _table.get_codes(adata, "slide")


def test_graph(adata):
    with pytest.raises(InputError, match=r"graph.*gr\.knn"):
        _table.get_graph(adata)
    adata.obsp["g"] = sp.csc_matrix(np.eye(23))
    assert _table.get_graph(adata, "g").format == "csr"


def test_write_is_all_or_nothing(adata, caplog):
    adata.obs["old"], adata.uns["u"] = 1.0, {"a": 1}
    before = adata.copy()
    results = {
        ("obs", "old"): np.arange(23), ("obs", "new"): np.arange(23), ("obsm", "X_a"): np.ones((23, 2)),
        ("uns", "u"): {"b": 2}, ("uns", "v"): 1, ("obsm", "X_wrong"): np.ones((5, 2)),
    }  # fmt: skip
    with caplog.at_level(logging.INFO, "spotweave"), pytest.raises(ValueError, match="5"):
        _table.write(adata, results)
    assert not caplog.records
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert dict(adata.uns) == {"u": {"a": 1}}
    assert list(adata.obsm) == ["spatial"]
    del results["obsm", "X_wrong"]
    with caplog.at_level(logging.INFO, "spotweave"):
        _table.write(adata, results)
    assert [r.message for r in caplog.records][:2] == ["added adata.obs['old']", "added adata.obs['new']"]
    assert adata.uns["u"] == {"b": 2}
    assert list(adata.obs["old"]) == list(range(23))


def test_labels_are_ordered_strings():
    found = _table.labels(np.array([10, 0, 2]), 12)
    assert list(found) == ["10", "0", "2"]
    assert list(found.categories) == [str(i) for i in range(12)]
    assert len(_table.labels(np.array([3, 0])).categories) == 4


def test_params_hold_what_h5ad_can(tmp_path):
    from spotweave import __version__

    found = _table.params(a=1, b=None, c=(1, 2), d={"e": None, "f": [1.5]}, g=np.arange(3), h=slice(3), i="x", j=True)
    assert found["spotweave_version"] == __version__
    assert "b" not in found
    assert found["d"] == {"f": [1.5]}
    assert isinstance(found["h"], str)
    ad.AnnData(np.ones((2, 2), np.float32), uns={"p": found}).write_h5ad(tmp_path / "a.h5ad")
    assert ad.read_h5ad(tmp_path / "a.h5ad").uns["p"]["a"] == 1


def test_messages():
    assert str(_check.fail("a", "b")) == "Expected a; found b."
    assert str(_check.fail("a", "b", "Do c.")) == "Expected a; found b. Do c."
    assert _check.listing(range(10)) == "['0', '1', '2', '3', '4', '5', '6', '7'] and 2 more"
    assert _check.listing("ab") == "['a', 'b']"
    with pytest.raises(InputError, match=r"`m` out of \['a'\]; found 'b'"):
        _check.check_choice("b", ["a"], "m")


@pytest.mark.parametrize("value", [0, 11, np.nan, True, "3", None, 2.0])
def test_whole_numbers_out_of_range(value):
    with pytest.raises(InputError, match=r"`k` to be a whole number from 1 to 10 \(why\)"):
        _check.check_range(value, "k", low=1, high=10, integer=True, why="why")


@pytest.mark.parametrize("value", [1, 10, np.int32(4)])
def test_whole_numbers_within_range(value):
    _check.check_range(value, "k", low=1, high=10, integer=True)
