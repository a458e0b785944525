"""`tl.impute` on odd input: names, what is refused, slides, empty cells and genes, a reference of one cell type."""

from typing import Any

import anndata as ad
import numpy as np
import pytest
import scipy.sparse as sp

import spotweave as sw
from spotweave import InputError, datasets
from spotweave.core.imputation.methods import METHODS

tl: Any = sw.tl
N, PANEL, WANTED = 160, 40, 20
QUICK = [name for name in METHODS if name != "mapping"]
"""Mapping takes seconds a run; one test of each kind is enough for it."""


@pytest.fixture(scope="module")
def whole() -> ad.AnnData:
    """Two slides of the same frame of coordinates."""
    return datasets.simulate_tissue(N, n_genes=PANEL + WANTED, n_domains=3, library_size=300, signal=1.0, n_slices=2)


@pytest.fixture(scope="module")
def tissue(whole) -> ad.AnnData:
    """Two of three genes."""
    return whole[:, np.arange(whole.n_vars) % 3 != 0].copy()


@pytest.fixture(scope="module")
def reference(whole) -> ad.AnnData:
    return datasets.simulate_reference(whole, 120, rng=3)


@pytest.fixture(scope="module")
def plain(tissue, reference) -> ad.AnnData:
    return tl.impute(tissue, reference, method="ridge")


@pytest.fixture
def adata(tissue) -> ad.AnnData:
    return tissue.copy()


def test_names_of_any_case_and_ids_in_the_index(tissue, reference, plain, caplog):
    shouting = reference.copy()
    shouting.var_names = shouting.var_names.str.upper()
    found = tl.impute(tissue, shouting, method="ridge")
    np.testing.assert_array_equal(found.X, plain.X)
    assert list(found.var_names) == [name.upper() for name in plain.var_names]
    assert list(found.uns["impute"]["held_out"].index) == list(tissue.var_names)
    assert "case" in found.uns["impute"]["matched"]
    assert "case" in caplog.text
    ids = reference.copy()
    ids.var["gene_symbol"] = ids.var_names
    ids.var_names = [f"ENSMUSG{i:011d}" for i in range(ids.n_vars)]
    found = tl.impute(tissue, ids, method="ridge")
    np.testing.assert_array_equal(found.X, plain.X)
    assert all(name.startswith("ENSMUSG") for name in found.var_names)
    assert "gene_symbol" in found.uns["impute"]["matched"]


def log_transformed(adata, reference):
    reference.X = reference.X.log1p()
    return tl.impute(adata, reference)


def disjoint(adata, reference):
    reference.var_names = [f"other{i}" for i in range(reference.n_vars)]
    return tl.impute(adata, reference)


def silent_panel(adata, reference):
    X = reference.X.tolil()
    X[:, np.flatnonzero(reference.var_names.isin(adata.var_names))[:-9]] = 0
    reference.X = X.tocsr()
    return tl.impute(adata, reference)


ERRORS = {
    "reference: .*log-transformed": log_transformed,
    "target and the reference share; found none": disjoint,
    "10 shared genes with counts in target and reference; found 9 of 40": silent_panel,
    "at least 10 genes .*found 7": lambda a, r: tl.impute(a[:, :7].copy(), r),
    r"genes out of the reference; found \['gen_1'\]": lambda a, r: tl.impute(a, r, genes=["gen_1"]),
    "in its panel": lambda a, r: tl.impute(a, r, genes=[a.var_names[0]]),
    "found none. Pass genes=None": lambda a, r: tl.impute(a, r, genes=[]),
    "does not measure; found none": lambda a, r: tl.impute(a, a.copy()),
    "`n_folds` to be a whole number from 2": lambda a, r: tl.impute(a, r, n_folds=1),
    "at least 41 shared genes": lambda a, r: tl.impute(a, r, n_folds=41),
    "`interval` to be a number": lambda a, r: tl.impute(a, r, interval=90),
    "`max_reference`": lambda a, r: tl.impute(a, r, max_reference=1),
    "`method` out of": lambda a, r: tl.impute(a, r, method="tangram"),
    "obsm": lambda a, r: tl.impute(a, r, spatial_key="nowhere"),
    "target: .*layer": lambda a, r: tl.impute(a, r, layer="nowhere"),
}


@pytest.mark.parametrize("message", ERRORS)
def test_input_that_does_not_fit_is_refused(adata, reference, message):
    with pytest.raises(InputError, match=message):
        ERRORS[message](adata, reference.copy())


def test_no_neighbour_is_on_another_slide(adata, reference, rng):
    adata.obsm["spatial"] += rng.normal(size=(N, 2))  # no two neighbours equally far
    moved = adata.copy()
    moved.obsm["spatial"][adata.obs["slice"] == adata.obs["slice"].iloc[0]] += 2.0**16
    here, there = (tl.impute(of, reference, library_key="slice") for of in (adata, moved))
    np.testing.assert_array_equal(here.X, there.X)
    said, wanted = here.uns["impute"], there.uns["impute"]
    assert said["weights"] == wanted["weights"]
    np.testing.assert_array_equal(said["held_out"]["moran"], wanted["held_out"]["moran"])
    as_one = tl.impute(adata, reference)
    assert (as_one.X != here.X).any()
    assert (as_one.uns["impute"]["held_out"]["moran"] != said["held_out"]["moran"]).any()


def test_a_slide_of_two_cells_and_one_of_one(adata, reference):
    name = np.repeat("whole", N).astype(object)
    name[:2], name[-1] = "two", "one"
    adata.obs["slide"] = name
    found = tl.impute(adata, reference, library_key="slide")
    assert np.isfinite(found.X).all()


def test_a_graph_of_ones_own(adata, reference, plain):
    W = sp.lil_matrix((N, N))
    adata.obsp["mine"] = W.tocsr()
    found = tl.impute(adata, reference, method="ridge", graph_key="mine")
    assert not found.var["moran"].any()  # no edges
    assert found.uns["impute"]["weights"]["neighbors_depth"] != plain.uns["impute"]["weights"]["neighbors_depth"]
    assert found.uns["impute"]["params"]["graph_key"] == "mine"


@pytest.mark.parametrize("method", QUICK)
def test_cells_without_counts_get_nothing(adata, reference, method):
    X = adata.X.toarray()
    X[[3, 100]] = 0
    adata.X = sp.csr_matrix(X)
    found = tl.impute(adata, reference, method=method)
    others = np.setdiff1d(np.arange(N), [3, 100])
    assert np.isfinite(found.X).all()
    assert np.isfinite(found.layers["upper"]).all()
    assert not found.X[[3, 100]].any()
    assert (found.X[others] > 0).all()
    assert found.uns["impute"]["held_out"].notna().all(axis=None)


@pytest.mark.parametrize("method", QUICK)
def test_genes_without_counts(adata, reference, method):
    """A wanted gene that the reference never counted, and panel genes that one side never counted."""
    odd, X = reference.copy(), reference.X.toarray()
    silent = next(g for g in reference.var_names if g not in set(adata.var_names))
    X[:, odd.var_names.isin([silent, adata.var_names[4]])] = 0
    odd.X = sp.csr_matrix(X)
    Y = adata.X.toarray()
    Y[:, 7] = 0
    adata.X = sp.csr_matrix(Y)
    found = tl.impute(adata, odd, method=method)
    assert np.isfinite(found.X).all()
    assert found.var.loc[silent, "reference_mean"] == 0
    assert found.var.loc[silent, "mean"] == found.var["mean"].min()
    assert found[:, silent].X.max() < 0.2
    held = found.uns["impute"]["held_out"]
    assert len(held) == found.uns["impute"]["n_shared"] == PANEL - 2
    assert not {adata.var_names[4], adata.var_names[7]} & set(held.index)


@pytest.mark.parametrize("method", QUICK)
def test_a_reference_of_nearly_one_cell_type(adata, whole, method):
    cells = datasets.simulate_reference(whole, 600, rng=4)
    kinds = cells.obs["cell_type"]
    often = kinds.value_counts().index[0]
    most = np.flatnonzero(kinds == often)
    few = np.flatnonzero(kinds != often)[:3]
    found = tl.impute(adata, cells[np.concatenate([most, few])].copy(), method=method)
    assert np.isfinite(found.X).all()
    assert found.uns["impute"]["n_reference"] == len(most) + 3
    assert found.uns["impute"]["coverage"]["0.9"] == pytest.approx(0.9, abs=0.05)


def test_reference_cells_without_counts_are_left_out(tissue, reference, plain):
    empty = ad.concat([reference, reference[:5]], index_unique="-")
    X = empty.X.toarray()
    X[-5:] = 0
    empty.X = sp.csr_matrix(X)
    found = tl.impute(tissue, empty, method="ridge")
    assert found.uns["impute"]["n_reference"] == reference.n_obs
    np.testing.assert_allclose(found.X, plain.X, rtol=1e-5)


def test_dense_counts_do_as_well(tissue, reference, plain):
    dense = [adata.copy() for adata in (tissue, reference)]
    for of in dense:
        of.X = of.X.toarray()
    np.testing.assert_array_equal(tl.impute(*dense, method="ridge").X, plain.X)
