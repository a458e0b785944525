"""`tl.deconvolve` on odd input: how counts are held, empty spots and genes, types of one cell, what is refused."""

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

import spotweave as sw
from spotweave import InputError, datasets
from spotweave.tl._deconvolve_methods import METHODS

tl: Any = sw.tl
N = 201
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


@pytest.mark.parametrize("kind", ["dense", "csc", "int", "backed", "dask"])
def test_whatever_holds_the_counts(adata, cells, plain, kind, tmp_path):
    others = [adata, cells.copy()]
    for i, other in enumerate(others):
        X = sp.csr_matrix(other.X)
        if kind == "backed":
            other.write_h5ad(tmp_path / f"{i}.h5ad")
            others[i] = ad.read_h5ad(tmp_path / f"{i}.h5ad", backed="r")
        elif kind == "dask":
            other.X = pytest.importorskip("dask.array").from_array(X.toarray(), chunks=(50, 40))
        else:
            other.X = {"dense": X.toarray(), "csc": X.tocsc(), "int": X.astype(np.int32)}[kind]
    found = tl.deconvolve(*others, copy=True, **QUICK)
    pd.testing.assert_frame_equal(found.proportions, plain.proportions)
    for table in others:
        if table.isbacked:
            table.file.close()


def test_genes_that_only_one_side_has_or_counts(adata, cells):
    X, R = adata.X.toarray(), cells.X.toarray()
    X[:, 4], R[:, 7] = 0, 0
    adata.X = sp.csr_matrix(X)
    reference = ad.AnnData(sp.csr_matrix(R), obs=cells.obs, var=cells.var)[:, 79::-1].copy()
    found = tl.deconvolve(adata, reference, copy=True, **QUICK)
    assert found.report["n_shared"] == 78
    assert rmse(found.proportions, adata) < 0.12


def test_empty_spots_get_the_mean_with_one_warning(adata, cells, caplog):
    X = adata.X.toarray()
    X[[3, 100]] = 0
    adata.X = sp.csr_matrix(X)
    for method in METHODS:
        caplog.clear()
        P = tl.deconvolve(adata, cells, labels_key="cell_type", method=method, copy=True).proportions
        rest = np.delete(P.to_numpy(), [3, 100], axis=0)
        np.testing.assert_allclose(P.iloc[[3, 100]], [rest.mean(axis=0)] * 2, rtol=1e-4)
        assert [r.message for r in caplog.records if "no counts" in r.message] == [
            "2 spots have no counts of shared genes; they get the mean proportions of all others"
        ]


def test_types_of_one_cell_on_demand(tissue, cells):
    lone = np.flatnonzero(cells.obs["cell_type"] == "type_3")[1:]
    reference = cells[np.delete(np.arange(cells.n_obs), lone)].copy()
    with pytest.raises(InputError, match=r"at least 2 cells.*type_3 \(1\).*min_cells=1"):
        tl.deconvolve(tissue, reference, **QUICK)
    found = tl.deconvolve(tissue, reference, min_cells=1, copy=True, **QUICK)
    assert np.isfinite(found.proportions).all(axis=None)
    truth = np.asarray(tissue.obsm["proportions_true"])[:, 2]
    assert np.corrcoef(found.proportions["type_3"], truth)[0, 1] > 0.5


def named(value, where=slice(None), **options):
    def change(adata, cells):
        names = cells.obs["cell_type"].astype(object)
        names.iloc[where] = value
        cells.obs["cell_type"] = names
        return tl.deconvolve(adata, cells, **QUICK, **options)

    return change


def disjoint(adata, cells):
    cells.var_names = [f"other{i}" for i in range(cells.n_vars)]
    return tl.deconvolve(adata, cells, **QUICK)


def transformed(adata, cells):
    cells.X = cells.X.log1p()
    return tl.deconvolve(adata, cells, **QUICK)


def called(**options):
    return lambda adata, cells: tl.deconvolve(adata, cells, **{"labels_key": "cell_type", **options})


def of_target(adata, cells):
    return tl.deconvolve(ad.AnnData(adata.X * 0.5, obs=adata.obs, var=adata.var), cells, **QUICK)


def silent_type(adata, cells):
    X = cells.X.toarray()
    X[(cells.obs["cell_type"] == "type_4").to_numpy()] = 0
    cells.X = sp.csr_matrix(X)
    return tl.deconvolve(adata, cells, **QUICK)


ERRORS = {
    "labels_key.*kind": called(labels_key="kind"),
    r"a type for each cell in reference.obs\['cell_type'\]; found 2 of 240.*notna": named(np.nan, slice(3, 5)),
    "two or more types .*; found one, 'same'": named("same"),
    r"at least 2 cells of each type .*'rare \(1\)'": named("rare", slice(7, 8)),
    "no type called 'unknown' beside unknown=True": named("unknown", slice(0, 9), unknown=True),
    "target and the reference share; found none": disjoint,
    "at least 10 genes that .* share; found 8": lambda a, c: tl.deconvolve(a[:, :8].copy(), c, **QUICK),
    "reference: .*log-transformed": transformed,
    "target: .*whole-number counts": of_target,
    "counts of shared genes in cells of every type; found none in 'type_4'": silent_type,
    "only; found method='nnls'": called(method="nnls", unknown=True),
    "found method='poisson'": called(method="poisson", smoothness=0.5),
    "found method='mapping'": called(method="mapping", n_genes=50),
    "`method` out of .*found 'rctd'": called(method="rctd"),
    "`smoothness` to be a number from 0": called(smoothness=-0.1),
    "`min_cells`.*found 0": called(min_cells=0),
    "`max_cells`.*found 1": called(max_cells=1),
    "`n_draws`.*found -4": called(n_draws=-4),
    "`n_genes`": called(n_genes=0),
    "`size_exponent` .* from 0 to 1; found 2": called(size_exponent=2),
    "settings out of .*n_turns": called(n_turns=3),
    "obsm": called(smoothness=1.0, spatial_key="nowhere"),
    "layer": called(layer="nowhere"),
    "AnnData or SpatialData": lambda a, c: tl.deconvolve(a, c.X, labels_key="cell_type"),
}


@pytest.mark.parametrize("message", ERRORS)
def test_input_that_does_not_fit_is_refused_and_nothing_is_written(adata, cells, message):
    before = adata.copy()
    with pytest.raises(InputError, match=message):
        ERRORS[message](adata, cells.copy())
    assert (list(adata.obsm), list(adata.uns)) == (list(before.obsm), list(before.uns))
