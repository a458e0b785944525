"""Genes for clustering: ranks against a loop over genes, shares of modules, and errors."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from spotweave import InputError, tl


@pytest.fixture
def adata():
    """40 genes: module "0" of 18, "1" of 9, "2" of 3, 10 of none; some do not vary, one was not tested."""
    rng = np.random.default_rng(4)
    adata = ad.AnnData(sp.csr_matrix((3, 40), dtype=np.float32))
    adata.var_names = [f"g{i:02}" for i in range(40)]
    codes = rng.permutation(np.repeat([0, 1, 2, -1], [18, 9, 3, 10]))
    adata.var["gene_module"] = pd.Categorical(np.array(["0", "1", "2", None])[codes])
    statistic = rng.gamma(2, 3, 40) + 20 * (codes == 0)  # the large module would crowd out the others
    qvalue = np.where(rng.random(40) < 0.8, 0.01, 0.3)
    statistic[11], qvalue[11] = np.nan, np.nan
    statistic[12], qvalue[12] = np.nan, 0.01  # comes last
    adata.var["svg_statistic"], adata.var["svg_qvalue"] = statistic, qvalue
    return adata


def varying(adata):
    return adata.var[adata.var["svg_qvalue"] < 0.05]


@pytest.mark.parametrize("n_top", [1, 7, 1000])
def test_largest_statistics_in_order_of_names(adata, n_top):
    best = varying(adata).sort_values("svg_statistic", ascending=False).index[:n_top]
    assert tl.choose_genes(adata, n_top=n_top, copy=True) == sorted(best)
    assert "g11" not in best


def test_modules_get_the_same_share(adata):
    allowed = varying(adata).dropna(subset=["gene_module"])
    size = allowed["gene_module"].value_counts()
    assert size.min() >= 1
    for n_top in range(3, len(allowed) + 1):
        found = tl.choose_genes(adata, n_top=n_top, by="module", copy=True)
        assert found is not None
        assert len(found) == n_top
        assert found == sorted(found)
        share = n_top / len(allowed)
        for name, block in allowed.groupby("gene_module", observed=True):
            taken = [gene for gene in found if gene in block.index]
            assert abs(len(taken) - share * size[name]) <= 1
            best = block.sort_values("svg_statistic", ascending=False).index[: len(taken)]
            assert set(taken) == set(best)
    by_statistic = tl.choose_genes(adata, n_top=9, copy=True)
    by_module = tl.choose_genes(adata, n_top=9, by="module", copy=True)
    assert by_statistic is not None
    assert by_module is not None
    assert adata.var["gene_module"][by_statistic].nunique() == 1
    assert adata.var["gene_module"][by_module].nunique() == 3


def test_all_that_vary_where_there_are_fewer(adata):
    allowed = varying(adata)
    assert tl.choose_genes(adata, copy=True) == list(allowed.index)
    assert tl.choose_genes(adata, by="module", copy=True) == list(allowed.dropna(subset=["gene_module"]).index)


def test_what_is_written_is_what_is_returned(adata):
    before = adata.copy()
    names = tl.choose_genes(adata, n_top=6, by="module", copy=True)
    pd.testing.assert_frame_equal(adata.var, before.var)
    assert not adata.uns
    tl.choose_genes(adata, n_top=6, by="module")
    tl.choose_genes(adata, n_top=6, by="module", key_added="mine")
    for key in ("highly_variable", "mine"):
        assert adata.var[key].dtype == bool
        assert list(adata.var_names[adata.var[key]]) == names
    assert adata.uns["choose_genes"]["n_top"] == 6
    assert adata.uns["choose_genes"]["by"] == "module"


def test_columns_by_other_names_and_modules_that_are_text(adata):
    expected = tl.choose_genes(adata, n_top=8, by="module", copy=True)
    adata.var["own_statistic"], adata.var["own_qvalue"] = adata.var.pop("svg_statistic"), adata.var.pop("svg_qvalue")
    adata.var["program"] = adata.var.pop("gene_module").astype(object)
    assert tl.choose_genes(adata, n_top=8, by="module", key="own", module_key="program", copy=True) == expected


@pytest.mark.parametrize(
    ("drop", "options", "message"),
    [
        ("svg_statistic", {}, "spatial_genes"),
        ("svg_qvalue", {}, "spatial_genes"),
        ("gene_module", {"by": "module"}, "gene_modules"),
        (None, {"by": "cluster"}, "by"),
        (None, {"n_top": 0}, "n_top"),
        (None, {"n_top": 2.5}, "n_top"),
        (None, {"key": "flat"}, "q < 0.05"),
    ],
)
def test_bad_input_is_an_error_and_changes_nothing(adata, drop, options, message):
    adata.var["flat_statistic"], adata.var["flat_qvalue"] = 1.0, 0.9
    if drop:
        del adata.var[drop]
    before = adata.copy()
    with pytest.raises(InputError, match=message):
        tl.choose_genes(adata, **options)
    pd.testing.assert_frame_equal(adata.var, before.var)
    assert not adata.uns
