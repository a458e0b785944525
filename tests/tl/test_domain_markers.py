"""Marker genes of domains: scanpy's tests, planted genes, odd columns."""

from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy.stats import mannwhitneyu

import spotweave as sw
from spotweave import InputError

pp: Any = sw.pp
tl: Any = sw.tl


@pytest.fixture
def adata(rng) -> ad.AnnData:
    domain = rng.integers(3, size=150)
    rate = np.full((150, 12), 3.0)
    for c in range(3):
        rate[domain == c, 2 * c : 2 * c + 2] *= 4  # genes 0 and 1 mark domain 0, ...
    result = ad.AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)))
    result.obs_names, result.var_names = [f"c{i}" for i in range(150)], [f"g{i}" for i in range(12)]
    result.obs["domain"] = pd.Categorical(np.array(["0", "1", "10"])[domain], ["0", "1", "10"])
    return result


def test_planted_genes_come_first_and_p_values_are_those_of_the_rank_sum_test(adata):
    before = adata.copy()
    table = tl.domain_markers(adata)
    assert list(table) == ["domain", "gene", "effect", "score", "p", "q", "share_in", "share_out"]
    assert len(table) == 36
    L = pp.normalize(adata, copy=True).toarray()
    parts: Any = table.groupby("domain", observed=True, sort=False)
    for c, (name, part) in enumerate(parts):
        assert name == adata.obs["domain"].cat.categories[c]
        assert set(part["gene"][:2]) == {f"g{2 * c}", f"g{2 * c + 1}"}
        assert (part["effect"][:2] > 0.5).all()
        assert (part["q"][:2] < 1e-6).all()
        assert (np.diff(part["score"]) <= 0).all()
        inside = (adata.obs["domain"] == name).to_numpy()
        for row in part.itertuples():
            g = int(row.gene[1:])
            expected = mannwhitneyu(L[inside, g], L[~inside, g], method="asymptotic", use_continuity=False).pvalue
            assert row.p == pytest.approx(expected, rel=0.2, abs=1e-6)  # scanpy's has no correction for ties
            assert row.share_in == pytest.approx((L[inside, g] > 0).mean())
            assert row.share_out == pytest.approx((L[~inside, g] > 0).mean())
    pd.testing.assert_frame_equal(adata.obs, before.obs)
    assert not [*adata.uns, *adata.layers, *adata.obsm]


def test_options(adata):
    assert len(tl.domain_markers(adata, n_genes=2)) == 6
    adata.layers["raw"] = adata.X.copy()
    adata.X = adata.X * 0.5
    adata.obs["region"] = adata.obs["domain"].astype(str)
    table = tl.domain_markers(adata, "region", layer="raw", method="t-test")
    first = table.groupby("domain")["gene"].first()
    assert [g in {f"g{2 * c}", f"g{2 * c + 1}"} for c, g in enumerate(first)] == [True] * 3


def test_numbers_as_domains_keep_their_order(adata):
    adata.obs["domain"] = adata.obs["domain"].astype(str).astype(int) + 2  # 2, 3, 12
    assert list(tl.domain_markers(adata)["domain"].unique()) == ["2", "3", "12"]


def test_cells_without_a_label_and_domains_of_one_cell_are_left_out(adata):
    column = adata.obs["domain"].astype(object)
    column.iloc[:20] = np.nan
    column.iloc[20] = "lonely"
    adata.obs["domain"] = pd.Categorical(column, categories=["unused", "lonely", "0", "1", "10"])
    found = tl.domain_markers(adata)
    alone = adata[21:].copy()
    alone.obs["domain"] = alone.obs["domain"].cat.remove_unused_categories()
    expected = tl.domain_markers(alone)
    assert list(found["domain"].unique()) == ["0", "1", "10"]
    assert list(found["gene"][::12]) == list(expected["gene"][::12])
    np.testing.assert_allclose(found["share_in"], expected["share_in"])


def test_cell_names_may_repeat(adata):
    expected = tl.domain_markers(adata)
    adata.obs_names = ["c"] * 150
    pd.testing.assert_frame_equal(tl.domain_markers(adata), expected)


@pytest.mark.parametrize(("groupby", "match"), [("x", "groupby='x'"), ("one", "two domains of two cells")])
def test_bad_columns(adata, groupby, match):
    adata.obs["one"] = ["a"] * 149 + ["b"]
    with pytest.raises(InputError, match=match):
        tl.domain_markers(adata, groupby)
