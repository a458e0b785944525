"""Modules of genes from an embedding with planted groups."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from spotweave import InputError, tl
from spotweave.tl._gene_modules import GeneModules

SIZES = (12, 30, 21)


@pytest.fixture
def adata():
    """70 genes: three groups of rows of length one, the last 7 without an embedding; gene 3 has no pattern."""
    rng = np.random.default_rng(2)
    group = np.repeat([0, 1, 2, -1], [*SIZES, 7])
    H = 5 * np.eye(3)[group] @ rng.normal(size=(3, 6)) + rng.normal(size=(70, 6)) * 0.8
    H /= np.linalg.norm(H, axis=1)[:, None]
    H[group < 0] = 0
    adata = ad.AnnData(sp.csr_matrix((5, 70), dtype=np.float32))
    adata.var_names = [f"g{i}" for i in range(70)]
    adata.var["group"] = group
    adata.varm["X_gene"] = H.astype(np.float32)
    adata.var["gene_patterned"] = (group >= 0) & (np.arange(70) != 3)
    return adata


def test_planted_groups_are_found_and_named_by_size(adata):
    tl.gene_modules(adata, 3)
    module = adata.var["gene_module"]
    assert list(module.cat.categories) == ["0", "1", "2"]
    assert all(isinstance(name, str) for name in module.cat.categories)
    has = module.notna()
    np.testing.assert_array_equal(has, adata.var["gene_patterned"])
    assert adjusted_rand_score(adata.var["group"][has], module[has]) > 0.9
    assert (np.diff(module.value_counts().sort_index()) <= 0).all()
    assert (module[12:42] == "0").mean() > 0.9  # the group of 30


def test_probabilities_belong_to_the_modules(adata):
    tl.gene_modules(adata, 3, key_added="mine")
    P, module = adata.varm["mine_probability"], adata.var["mine"]
    assert list(P.columns) == list(module.cat.categories)
    assert list(P.index) == list(adata.var_names)
    has = module.notna().to_numpy()
    np.testing.assert_allclose(P[has].sum(axis=1), 1, atol=1e-5)
    assert not P[~has].to_numpy().any()
    np.testing.assert_array_equal(P[has].to_numpy().argmax(axis=1), module.cat.codes[has])
    said = adata.uns["mine"]
    assert (said["n_modules"], said["n_genes"]) == (3, 62)
    assert said["params"]["n_modules"] == 3


def test_number_is_chosen_by_the_curve(adata):
    found = tl.gene_modules(adata, max_modules=8, copy=True)
    assert isinstance(found, GeneModules)
    assert found.module.nunique() == 3
    curve = found.curve
    assert list(curve) == ["n_modules", "score"]
    assert curve["n_modules"][curve["score"].argmin()] == 3
    tl.gene_modules(adata, max_modules=8)
    assert adata.uns["gene_module"]["n_modules"] == 3
    assert adata.uns["gene_module"]["params"].get("n_modules") is None


def test_copy_is_what_is_written_and_the_same_seed_repeats_it(adata):
    before = adata.copy()
    found = tl.gene_modules(adata, 3, rng=5, copy=True)
    assert found is not None
    pd.testing.assert_frame_equal(adata.var, before.var)
    assert set(adata.varm) == {"X_gene"}
    assert not adata.uns
    tl.gene_modules(adata, 3, rng=5)
    pd.testing.assert_series_equal(adata.var["gene_module"], found.module)
    pd.testing.assert_frame_equal(adata.varm["gene_module_probability"], found.probability)
    np.testing.assert_array_equal(adata.varm["X_gene"], before.varm["X_gene"])


def test_genes_may_be_named_or_masked(adata):
    names = [f"g{i}" for i in (*range(9), *range(40, 66))]  # 63 to 65 have no embedding
    by_name = tl.gene_modules(adata, 2, genes=names, copy=True)
    by_mask = tl.gene_modules(adata, 2, genes=adata.var_names.isin(names), copy=True)
    assert by_name is not None
    assert by_mask is not None
    assert list(by_name.module.index[by_name.module.notna()]) == [f"g{i}" for i in (*range(9), *range(40, 63))]
    pd.testing.assert_series_equal(by_name.module, by_mask.module)
    del adata.var["gene_patterned"]
    everything = tl.gene_modules(adata, 3, copy=True)
    assert everything is not None
    assert everything.module.notna().sum() == 63


def test_other_embeddings(adata):
    adata.varm["X_own"] = adata.varm["X_gene"] * 3
    del adata.varm["X_gene"]
    found = tl.gene_modules(adata, 3, use_rep="X_own", copy=True)
    assert found is not None
    has = found.module.notna()
    assert adjusted_rand_score(adata.var["group"][has], found.module[has]) > 0.9


@pytest.mark.parametrize(
    ("n_modules", "options", "message"),
    [
        (3, {"use_rep": "X_none"}, "gene_embedding"),
        (0, {}, "n_modules"),
        (63, {}, "the number of genes"),
        (2.5, {}, "n_modules"),
        (None, {"max_modules": 0}, "max_modules"),
        (2, {"genes": ["g1", "nope"]}, "nope"),
        (2, {"genes": ["g1", "g2", "g3", "g69"]}, "at least 4 genes"),
        (2, {"genes": np.ones(9, bool)}, "mask of the 70 genes"),
        (2, {"use_rep": "X_nan"}, "finite"),
    ],
)
def test_bad_input_is_an_error_and_changes_nothing(adata, n_modules, options, message):
    adata.varm["X_nan"] = np.full((70, 2), np.nan)
    before = adata.copy()
    with pytest.raises(InputError, match=message):
        tl.gene_modules(adata, n_modules, **options)
    pd.testing.assert_frame_equal(adata.var, before.var)
    assert set(adata.varm) == {"X_gene", "X_nan"}
    assert not adata.uns
