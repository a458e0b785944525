"""`tl.map_cells`: the map, what it projects, names and forms of the input, what is refused."""

from types import SimpleNamespace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.optimize import nnls

import spotweave as sw
from spotweave import InputError, datasets
from spotweave.metrics import deconvolution_scores

tl: Any = sw.tl
N, M = 90, 160


@pytest.fixture(scope="module")
def tissue() -> ad.AnnData:
    return datasets.simulate_tissue(N, n_genes=100, n_domains=3, resolution="spot", rng=0)


@pytest.fixture(scope="module")
def cells(tissue) -> ad.AnnData:
    reference = datasets.simulate_reference(tissue, M, rng=1)
    rng = np.random.default_rng(2)
    reference.obs["age"] = np.where(rng.random(M) < 0.2, np.nan, rng.normal(5, 1, M))
    reference.obs["sparse_note"] = pd.Categorical(np.where(rng.random(M) < 0.5, "a", "b")).set_categories(["a"])
    reference.obsm["X_own"] = rng.normal(size=(M, 3))
    return reference


ATTRIBUTES = ["cell_type", "age", "sparse_note", "X_own", "gene_002"]


@pytest.fixture(scope="module")
def found(tissue, cells) -> Any:
    return tl.map_cells(tissue, cells, attributes=ATTRIBUTES, labels_key="cell_type")


def test_map_is_a_distribution_of_each_cell_over_spots(found):
    assert found.weights.shape == (M, N)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(found.mixtures.sum(axis=1), 1, rtol=1e-5)
    assert found.mass.sum() == pytest.approx(N)
    assert found.report["entropy"] < 0.97
    assert found.report["n_reference"] == M
    assert len(found.report["genes"]) == found.report["n_shared"] == 100


def test_projections_match_loops(found, tissue, cells):
    W = found.mixtures.toarray()
    own = cells.obs["cell_type"].astype(str).to_numpy()
    age, note = cells.obs["age"].to_numpy(), cells.obs["sparse_note"].to_numpy()
    share = cells.X.toarray() / cells.X.toarray().sum(axis=1, keepdims=True)
    gene = list(cells.var_names).index("gene_002")
    for i in range(0, N, 11):
        for name in np.unique(own):
            expected = sum(W[i, c] for c in range(M) if own[c] == name)
            assert found.projected["cell_type"][name].iloc[i] == pytest.approx(expected, rel=1e-4)
        known = ~np.isnan(age)
        assert found.projected["age"]["age"].iloc[i] == pytest.approx(np.average(age[known], weights=W[i, known]))
        dims = np.average(cells.obsm["X_own"], axis=0, weights=W[i])
        np.testing.assert_allclose(found.projected["X_own"].iloc[i], dims, rtol=1e-4)
        assert found.projected["gene_002"].iloc[i, 0] == pytest.approx(1e4 * W[i] @ share[:, gene], rel=1e-4)
    assert list(found.projected["sparse_note"].columns) == ["a"]
    reached = W[:, note == "a"].sum(axis=1) > 0
    assert (found.projected["sparse_note"]["a"][reached] == 1).all()
    for table in found.projected.values():
        assert list(table.index) == list(tissue.obs_names)


def test_projected_types_are_nearer_the_truth_than_least_squares(found, tissue, cells):
    truth = tissue.obsm["proportions_true"]
    X, R = (table.X.toarray() / table.X.toarray().sum(axis=1, keepdims=True) for table in (tissue, cells))
    means = np.stack([R[(cells.obs["cell_type"] == name).to_numpy()].mean(axis=0) for name in truth.columns])
    rival = np.stack([nnls(means.T, row)[0] for row in X])
    ours = deconvolution_scores(truth, found.projected["cell_type"][list(truth.columns)])
    theirs = deconvolution_scores(truth, rival)
    assert ours["rmse"] < 0.8 * theirs["rmse"]
    assert ours["pcc_spot"] > max(0.7, theirs["pcc_spot"])


def test_same_whatever_holds_the_counts_and_inputs_stay(tissue, cells, found):
    before = [table.copy() for table in (tissue, cells)]
    for form in (lambda X: X.toarray(), lambda X: X.tocsc(), lambda X: X.astype(np.int32)):
        others = [table.copy() for table in (tissue, cells)]
        for other in others:
            other.X = form(sp.csr_matrix(other.X))
        same = tl.map_cells(*others, labels_key="cell_type")
        np.testing.assert_array_equal(same.weights.toarray(), found.weights.toarray())
    wrapped = [SimpleNamespace(tables={"cells": table}) for table in (tissue, cells)]
    same = tl.map_cells(*wrapped, table_key="cells", labels_key="cell_type")
    np.testing.assert_array_equal(same.weights.toarray(), found.weights.toarray())
    for table, old in zip((tissue, cells), before, strict=True):
        assert (sp.csr_matrix(table.X) != sp.csr_matrix(old.X)).nnz == 0
        assert set(table.obsm) == set(old.obsm)


def test_seed_repeats_and_no_global_seed_is_touched(tissue, cells):
    state = np.random.get_state()  # noqa: NPY002
    first, second = (tl.map_cells(tissue, cells, rng=3, max_reference=80) for _ in range(2))
    np.testing.assert_equal(np.random.get_state(), state)  # noqa: NPY002
    np.testing.assert_array_equal(first.weights.toarray(), second.weights.toarray())


def test_drawn_cells_keep_small_types(tissue, cells):
    found = tl.map_cells(tissue, cells, labels_key="cell_type", max_reference=40)
    used = np.diff(found.weights.indptr) > 0
    assert used.sum() == found.report["n_reference"] == 40
    np.testing.assert_allclose(found.weights[used].sum(axis=1), 1, rtol=1e-5)
    assert not found.mass[~used].any()
    kept, there = (cells.obs["cell_type"][rows].value_counts() for rows in (used, used | True))
    for name, number in kept.items():
        assert number >= min(there[name], kept.max() - 1)


def test_names_of_any_case_and_a_cell_without_counts(tissue, cells, found, caplog):
    other = cells.copy()
    other.var_names = other.var_names.str.upper()
    X = sp.lil_matrix(other.X)
    X[5] = 0
    other.X = sp.csr_matrix(X)
    same = tl.map_cells(tissue, other, labels_key="cell_type")
    assert "case" in same.report["matched"]
    assert "1 cells of the reference have no counts" in caplog.text
    assert same.weights[[5]].nnz == 0
    assert np.corrcoef(same.weights.toarray()[6:].ravel(), found.weights.toarray()[6:].ravel())[0, 1] > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attributes": ["cell_type", "nothing"]}, "nothing"),
        ({"labels_key": "nothing"}, "labels_key"),
        ({"labels_key": "age"}, "NaN"),
        ({"max_reference": 1}, "max_reference"),
        ({"n_candidates": 0}, "n_candidates"),
        ({"n_genes": 0}, "n_genes"),
    ],
)
def test_what_does_not_fit_is_refused(tissue, cells, options, message):
    with pytest.raises(InputError, match=message):
        tl.map_cells(tissue, cells, **options)


@pytest.mark.parametrize("which", [0, 1])
def test_what_are_no_counts_or_no_table_is_refused(tissue, cells, which):
    with pytest.raises(InputError, match="AnnData or SpatialData"):
        tl.map_cells(*[np.ones((3, 3)) if i == which else t for i, t in enumerate((tissue, cells))])
    broken = [tissue.copy(), cells.copy()]
    broken[which].X = sp.csr_matrix(broken[which].X) * 0.5
    with pytest.raises(InputError, match=f"{('target', 'reference')[which]}.*whole-number counts"):
        tl.map_cells(*broken)


def test_an_obsm_entry_of_another_shape_or_kind_is_refused(tissue, cells):
    other = cells.copy()
    other.obsm["cube"] = np.zeros((M, 2, 2))
    other.obsm["words"] = pd.DataFrame({"a": ["x"] * M}, index=other.obs_names)
    for name, message in (("cube", "shape"), ("words", "numbers")):
        with pytest.raises(InputError, match=message):
            tl.map_cells(tissue, other, attributes=name)
