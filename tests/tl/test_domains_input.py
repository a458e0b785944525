"""`tl.domains` on odd input, which is handled and logged, and on bad input: one clear error, the table as it was."""

import logging
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

import spotweave as sw
from spotweave import InputError
from spotweave.tl import _domains

tl: Any = sw.tl
METHODS = ["fusion", "smooth", "rrr"]


def assert_same_table(a: ad.AnnData, b: ad.AnnData) -> None:
    """Every slot, byte by byte."""
    pd.testing.assert_frame_equal(a.obs, b.obs)
    pd.testing.assert_frame_equal(a.var, b.var)
    for slot in ("obsm", "varm", "obsp", "layers", "uns"):
        assert list(getattr(a, slot)) == list(getattr(b, slot))
    for key in a.obsm:
        np.testing.assert_array_equal(np.asarray(a.obsm[key]), np.asarray(b.obsm[key]))
    X, Y = (sp.csr_matrix(t.X) for t in (a, b))
    assert X.data.tobytes() == Y.data.tobytes()
    assert X.indices.tobytes() == Y.indices.tobytes()


def logged(caplog, adata, **options):
    with caplog.at_level(logging.WARNING, "spotweave"):
        tl.domains(adata, 4, method="smooth", **options)
    assert np.isfinite(adata.obsm["domain_probability"]).all()
    return caplog.text


def test_duplicated_coordinates(adata, caplog):
    adata.obsm["spatial"][:10] = adata.obsm["spatial"][10]
    assert "10 points lie exactly where another one lies" in logged(caplog, adata)


def test_cells_and_genes_of_zeros(adata, caplog):
    X = adata.X.toarray()
    X[[3, 50, 51]], X[:, 7] = 0, 0
    adata.X = sp.csr_matrix(X)
    assert "3 cells have no counts" in logged(caplog, adata)
    assert adjusted_rand_score(adata.obs["domain_true"], adata.obs["domain"]) > 0.6


def test_isolated_points(adata, caplog):
    adata.obs["slide"] = ["alone"] + ["rest"] * 599
    assert "1 points have no neighbour" in logged(caplog, adata, library_key="slide")


def test_identical_cells(adata):
    adata.X = sp.csr_matrix(np.tile(adata.X[:1].toarray(), (600, 1)))
    for method in METHODS:
        assert np.isfinite(tl.domains(adata, 3, method=method, copy=True).probability).all()


def test_names_that_repeat(adata):
    adata.obs_names = ["c"] * 600
    tl.domains(adata, 4, method="smooth")
    assert adata.obs["domain"].notna().all()


# Bad input: one clear error, the table as it was.


def without_coordinates(a):
    del a.obsm["spatial"]


def nan_coordinates(a):
    a.obsm["spatial"][[3, 8, 9]] = np.nan


def log_normalised(a):
    a.X = a.X.log1p()


def negative(a):
    a.X.data[5] = -2


def nan_counts(a):
    a.X.data[5] = np.nan


def zeros(a):
    a.X = sp.csr_matrix(a.shape, dtype=np.float32)


def half_nan_library(a):
    a.obs["slide"] = pd.Categorical([None] * 17 + ["a"] * 583)


def nan_library(a):
    a.obs["slide"] = np.full(600, np.nan)


def crossing_graph(a):
    a.obs["slide"] = np.arange(600) % 2
    sw.gr.knn(a)


def bad_embedding(value):
    def mend(a):
        a.obsm["X_own"] = np.full((600, 3), value)

    return mend


def nothing(a):
    pass


BAD: dict[str, Any] = {
    "no coordinates": (without_coordinates, {}, r"obsm\['spatial'\].*spatial_key"),
    "NaN coordinates": (nan_coordinates, {}, r"NaN or infinity in 3 of 600 rows \(first: row 3\)"),
    "log-normalised": (log_normalised, {}, "whole-number counts in adata.X.*log-transformed.*layer='counts'"),
    "negative": (negative, {}, "non-negative counts.*-2"),
    "NaN in counts": (nan_counts, {}, "finite counts.*NaN"),
    "all zeros": (zeros, {}, "gene with counts.*only zeros"),
    "too many domains": (nothing, {"n_domains": 601}, "n_domains.*1 to 600.*number of cells.*601"),
    "no domains": (nothing, {"n_domains": 0}, "n_domains.*found 0"),
    "half a domain": (nothing, {"n_domains": 2.5}, "n_domains.*whole number"),
    "NaN library": (nan_library, {"library_key": "slide"}, "library_key.*NaN in 600 of 600"),
    "part NaN library": (half_nan_library, {"library_key": "slide"}, "library_key.*NaN in 17 of 600"),
    "no library": (nothing, {"library_key": "nope"}, r"library_key='nope'.*slice"),
    "no layer": (nothing, {"layer": "nope"}, r"layers\['nope'\]"),
    "unknown option": (nothing, {"n_hopz": 2}, r"(?=.*'n_hops')(?=.*'n_starts').*found \['n_hopz'\]"),
    "unknown method": (nothing, {"method": "magic"}, r"method.*fusion.*smooth.*rrr.*'magic'"),
    "no graph": (nothing, {"graph_key": "nope"}, r"obsp\['nope'\].*gr\.knn"),
    "graph across slides": (
        crossing_graph, {"graph_key": "spatial_connectivities", "library_key": "slide"}, "no edge between slides.*that cross",
    ),
    "no embedding": (nothing, {"use_rep": "nope"}, r"obsm\['nope'\].*spatial"),
    "NaN embedding": (bad_embedding(np.nan), {"use_rep": "X_own"}, "finite numbers.*X_own"),
    "strings as embedding": (bad_embedding("a"), {"use_rep": "X_own"}, "numbers in.*X_own"),
    "embedding without number": (nothing, {"use_rep": "spatial", "n_domains": None}, "n_domains.*use_rep"),
    "unknown gene": (nothing, {"genes": ["nope"]}, r"var_names.*nope"),
    "no genes": (nothing, {"genes": []}, "no gene"),
    "no top genes": (nothing, {"n_top_genes": 0}, "n_top"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_error_and_changes_nothing(adata, case):
    spoil, options, match = BAD[case]
    spoil(adata)
    before = adata.copy()
    with pytest.raises(InputError, match=match) as caught:
        tl.domains(adata, **{"n_domains": 4, "method": "smooth", **options})
    assert "\n" not in str(caught.value)
    assert_same_table(adata, before)


@pytest.mark.parametrize("X", [np.full((9, 4), "a", object), np.array([[1, "x", 2, 3]] * 9, object)])
def test_strings_in_counts(X):
    adata = ad.AnnData(np.ones((9, 4), np.float32), layers={"counts": X})
    adata.obsm["spatial"] = np.random.default_rng(0).random((9, 2))
    with pytest.raises(InputError, match=r"counts \(numbers\).*object"):
        tl.domains(adata, 2)
    assert not list(adata.uns)


@pytest.mark.parametrize("n_domains", [1, None])
@pytest.mark.parametrize("method", METHODS)
def test_one_cell(simulated, method, n_domains):
    with pytest.raises(InputError, match="at least two cells"):
        tl.domains(simulated[:1].copy(), n_domains, method=method)


def test_not_a_table():
    with pytest.raises(InputError, match="AnnData or SpatialData"):
        tl.domains(np.ones((3, 3)), 2)


def test_failure_while_writing_leaves_nothing_half_written(adata, simulated, monkeypatch):
    original = _domains.write

    def broken(adata, results):
        original(adata, {**results, ("obsm", "X_broken"): np.ones((3, 3))})

    monkeypatch.setattr(_domains, "write", broken)
    with pytest.raises(ValueError, match="X_broken|shape|3"):
        tl.domains(adata, 4, method="smooth")
    assert_same_table(adata, simulated)
