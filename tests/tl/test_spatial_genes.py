from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import InputError, datasets, gr, tl
from spotweave.core.covariance_test import covariance_test

NAMES = ("statistic", "pvalue", "qvalue", "effect", "scale")


@pytest.fixture
def adata(rng) -> ad.AnnData:
    """90 spots on two slides, 40 genes: the first has a gradient, the second lies on the first slide only."""
    xy = rng.random((90, 2)) * 100
    rate = np.full((90, 40), 3.0)
    rate[:, 0] *= np.exp(xy[:, 0] / 40)
    rate[:45, 1] *= 9
    table = ad.AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)))
    table.obsm["spatial"] = xy
    table.obs["slide"] = np.repeat(["b", "a"], 45)
    return table


def returned(adata: ad.AnnData, **options: Any) -> pd.DataFrame:
    table = tl.spatial_genes(adata, copy=True, **options)
    assert table is not None
    return table


def test_columns_are_those_of_the_kernel(adata):
    tl.spatial_genes(adata)
    found = covariance_test(adata.X, adata.obsm["spatial"])
    for name in NAMES:
        np.testing.assert_array_equal(adata.var[f"svg_{name}"], getattr(found, name))
    np.testing.assert_array_equal(adata.uns["svg"]["scales"], found.scales)
    assert adata.uns["svg"]["n_tested"] == 40
    assert adata.var["svg_qvalue"].idxmin() == "0"
    assert {"svg_moran", "svg_moran_pvalue", "svg_geary", "svg_geary_pvalue"} < set(adata.var)


def test_copy_returns_the_table_and_may_leave_autocorrelation_out(adata):
    table = returned(adata, autocorrelation=False, key_added="mine")
    assert list(table) == [f"mine_{name}" for name in NAMES]
    assert list(table.index) == list(adata.var_names)
    assert adata.var.empty


def test_a_difference_between_slides_is_no_pattern(adata):
    table = returned(adata, library_key="slide")
    assert table["svg_pvalue"].iloc[0] < 1e-3
    assert table["svg_pvalue"].iloc[1] > 0.01
    assert abs(table["svg_moran"].iloc[1]) < 0.2


def test_own_graph_is_for_autocorrelation_only(adata):
    gr.knn(adata, n_neighs=15)
    own = returned(adata, graph_key="spatial_connectivities")
    other = returned(adata)
    assert (own["svg_moran"] != other["svg_moran"]).all()
    np.testing.assert_array_equal(own["svg_pvalue"], other["svg_pvalue"])


def test_empty_cells_and_genes_are_borne(adata, caplog):
    counts = adata.X.toarray()
    counts[3], counts[:, 5] = 0, 0
    adata.X = sp.csr_matrix(counts)
    caplog.set_level("WARNING", logger="spotweave")
    tl.spatial_genes(adata)
    assert adata.var["svg_pvalue"].iloc[5] == 1
    assert np.isnan(adata.var["svg_scale"].iloc[5])
    assert adata.var.drop(columns="svg_scale").notna().all(axis=None)
    assert "1 cells have no counts" in caplog.text


def test_layers_are_read(adata):
    adata.layers["raw"], expected = adata.X.copy(), returned(adata)
    adata.X = adata.X * 0.5
    np.testing.assert_array_equal(returned(adata, layer="raw"), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a[:9].copy(), "at least 10 cells; found a table of 9"),
        (lambda a: ad.AnnData(a.X * 0, obsm={"spatial": a.obsm["spatial"]}), "at least one cell with counts"),
        (lambda a: ad.AnnData(a.X), "coordinates in adata.obsm"),
        (lambda a: ad.AnnData(a.X, obsm={"spatial": np.ones((90, 2))}), "two places"),
    ],
)
def test_bad_tables_are_refused_untouched(adata, change, message):
    bad = change(adata)
    with pytest.raises(InputError, match=message):
        tl.spatial_genes(bad)
    assert bad.var.empty
    assert not bad.uns


def test_programs_of_a_simulated_tissue_are_found():
    tissue = datasets.simulate_tissue(600, n_genes=80, n_domains=4, rng=0)
    tl.spatial_genes(tissue)
    assert (tissue.var["svg_qvalue"] < 0.05).sum() > 10
