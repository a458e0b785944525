"""Counts, normalisation and gene choice written into AnnData: scanpy's numbers, every kind of matrix, bad input."""

import logging
from types import SimpleNamespace
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp

import spotweave as sw
from spotweave import InputError, settings
from spotweave.core.gene_moments import gene_moments, overdispersion
from spotweave.pp import prepare, top_genes

pp: Any = sw.pp


@pytest.fixture
def adata(rng) -> ad.AnnData:
    mean = rng.gamma(1, 2, (1, 30)) * rng.gamma(4, 0.3, (53, 1))
    X = rng.poisson(mean * np.where(np.arange(30) < 5, rng.gamma(0.3, 3, (53, 30)), 1))
    X[4], X[:, 7] = 0, 0
    result = ad.AnnData(sp.csr_matrix(X.astype(np.float32)))
    result.obs_names, result.var_names = [f"c{i}" for i in range(53)], [f"g{i}" for i in range(30)]
    return result


def variants(adata, path):
    """The same table with its counts stored in other ways."""
    adata.write_h5ad(path / "csr.h5ad")
    ad.AnnData(adata.X.toarray(), adata.obs, adata.var).write_h5ad(path / "dense.h5ad")
    change = lambda X: ad.AnnData(X, adata.obs.copy(), adata.var.copy())
    return {
        "dense": change(adata.X.toarray()),
        "csc": change(adata.X.tocsc()),
        "int": change(adata.X.astype(np.int64)),
        "backed": ad.read_h5ad(path / "csr.h5ad", backed="r"),
        "backed dense": ad.read_h5ad(path / "dense.h5ad", backed="r"),
    }


def test_counts_are_kept_in_a_layer_of_their_own(adata):
    before = adata.X.toarray()
    assert pp.counts(adata) is None
    adata.X.data[:] = 0.5  # as normalising in place does
    np.testing.assert_array_equal(adata.layers["counts"].toarray(), before)
    pp.counts(adata)  # the layer is there and is what is checked
    np.testing.assert_array_equal(adata.layers["counts"].toarray(), before)


def test_counts_of_a_layer_and_copies_share_no_memory(adata):
    adata.layers["raw"] = adata.X.copy()
    adata.X.data[:] = 0.5
    found = pp.counts(adata, layer="raw", copy=True)
    assert list(adata.layers) == ["raw"]
    pp.counts(adata, layer="raw")
    for other in (found, adata.layers["counts"]):
        assert not np.shares_memory(other.data, adata.layers["raw"].data)
        np.testing.assert_array_equal(other.toarray(), adata.layers["raw"].toarray())


def test_normalize_is_scanpys(adata):
    expected = adata.copy()
    sc.pp.filter_cells(expected, min_counts=1)  # scanpy would take empty cells into the median
    sc.pp.normalize_total(expected)
    sc.pp.log1p(expected)
    before = adata.X.copy()
    assert pp.normalize(adata) is None
    found = adata.layers["lognorm"]
    np.testing.assert_allclose(np.delete(found.toarray(), 4, axis=0), expected.X.toarray(), rtol=1e-5)
    assert not found[4].nnz
    assert found.dtype == np.float32
    assert (before != adata.X).nnz == 0
    scaled = pp.normalize(adata, target_sum=1e4, copy=True)
    np.testing.assert_allclose(np.expm1(np.delete(scaled.toarray(), 4, axis=0)).sum(axis=1), 1e4, rtol=1e-4)


def test_every_container_gives_the_same(adata, tmp_path):
    normal, genes = pp.normalize(adata, copy=True), pp.select_genes(adata, n_top=6, copy=True)
    prepared = prepare(adata, layer=None, n_top=20, n_components=5, rng=np.random.default_rng(0))
    for kind, other in variants(adata, tmp_path).items():
        with settings.override(chunk_size=17):
            np.testing.assert_array_equal(pp.normalize(other, copy=True).toarray(), normal.toarray(), err_msg=kind)
            pd.testing.assert_frame_equal(pp.select_genes(other, n_top=6, copy=True), genes)
        found = prepare(other, layer=None, n_top=20, n_components=5, rng=np.random.default_rng(0))
        np.testing.assert_array_equal(found.components.scores, prepared.components.scores, err_msg=kind)
        pp.counts(other)
        kept = other.layers["counts"]
        np.testing.assert_array_equal(kept.toarray() if sp.issparse(kept) else kept, adata.X.toarray())


def test_chosen_genes_are_the_most_overdispersed_ones_that_are_seen(adata):
    assert pp.select_genes(adata, n_top=5) is None
    X = adata.X
    z = overdispersion(gene_moments(lambda: iter([(slice(0, 53), X)])))
    np.testing.assert_allclose(adata.var["overdispersion"], z)
    allowed = np.flatnonzero((X.toarray() > 0).sum(axis=0) >= 3)
    expected = set(allowed[np.argsort(z[allowed])[-5:]])
    assert set(np.flatnonzero(adata.var["highly_variable"])) == expected
    assert len(expected & set(range(5))) >= 4
    assert adata.uns["select_genes"]["n_top"] == 5
    assert pp.select_genes(adata, n_top=99, copy=True)["highly_variable"].sum() == len(allowed)


def test_a_gene_in_two_cells_is_chosen_only_where_none_is_in_three():
    X = np.zeros((30, 3))
    X[:2, 0], X[:3, 1] = 50, 1
    moments = lambda X: gene_moments(lambda: iter([(slice(0, len(X)), X)]))
    np.testing.assert_array_equal(top_genes(moments(X), 3), [False, True, False])
    np.testing.assert_array_equal(top_genes(moments(X[:, [0, 2]]), 3), [True, False])


def test_prepare_reads_the_genes_named_and_counts_empty_cells(adata):
    found = prepare(adata, layer=None, n_top=3, n_components=2, genes=["g9", "g1"], rng=np.random.default_rng(0))
    assert list(np.flatnonzero(found.genes)) == [1, 9]
    assert found.components.loadings.shape == (2, 2)
    assert found.n_empty == 1
    np.testing.assert_array_equal(found.size, np.asarray(adata.X.sum(axis=1)).ravel())  # of all genes
    _, block = next(found.chunks())
    np.testing.assert_array_equal(block.toarray(), adata.X[:, [1, 9]].toarray())


@pytest.mark.parametrize(("genes", "match"), [(["g1", "x"], r"var_names.*\['x'\]"), ([], "no gene")])
def test_genes_that_are_not_there(adata, genes, match):
    with pytest.raises(InputError, match=match):
        prepare(adata, layer=None, n_top=3, n_components=2, genes=genes, rng=np.random.default_rng(0))


@pytest.mark.parametrize("verb", [pp.counts, pp.normalize, pp.select_genes])
@pytest.mark.parametrize("value", [0.5, -1.0, np.nan])
def test_no_counts_leave_the_table_as_it_was(adata, verb, value):
    adata.X.data[-1] = value
    with pytest.raises(InputError, match="counts in adata.X"):
        verb(adata)
    assert not [*adata.layers, *adata.var, *adata.uns]


def test_only_zeros(adata):
    adata.X = sp.csr_matrix((53, 30), dtype=np.float32)
    with pytest.raises(InputError, match="at least one cell with counts"):
        pp.normalize(adata)
    with pytest.raises(InputError, match="only zeros"):
        pp.select_genes(adata)
    with pytest.raises(InputError, match="n_top"):
        pp.select_genes(adata, n_top=0)


def test_table_of_spatialdata(adata, caplog):
    data = SimpleNamespace(tables={"cells": adata})
    with caplog.at_level(logging.INFO, "spotweave"):
        pp.normalize(data, table_key="cells", key_added="log")
    assert "log" in adata.layers
    assert "added adata.layers['log']" in caplog.text
