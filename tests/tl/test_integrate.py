"""Integration of slices in a table: what is written, what is refused, and what the domains gain."""

import logging
import sys

import anndata as ad
import numpy as np
import pytest

import spotweave as sw
from spotweave import InputError
from spotweave.tl import HarmonyParams, MatchedParams


@pytest.fixture(scope="module")
def slices() -> ad.AnnData:
    return sw.datasets.simulate_tissue(
        900, n_genes=200, n_domains=4, n_slices=3, batch_effect=0.5, layout="layers", rng=1
    )


def test_domains_of_all_slices_are_those_of_each(slices):
    adata = slices.copy()
    sw.tl.integrate(adata, library_key="slice")
    scores = {}
    for rep in ("X_integrated", None):
        sw.tl.domains(adata, 4, method="smooth", use_rep=rep, library_key="slice", key_added="found")
        scores[rep] = sw.metrics.ari(adata.obs["domain_true"], adata.obs["found"])
    assert scores["X_integrated"] > 0.6
    assert scores["X_integrated"] > scores[None] + 0.3


def test_what_is_written(slices):
    adata = slices.copy()
    sw.tl.integrate(adata, library_key="slice", n_components=30, n_hops=1)
    H, report = adata.obsm["X_integrated"], adata.uns["integrate"]
    assert H.shape == (adata.n_obs, 30)
    assert H.dtype == np.float32
    assert list(report["batches"]) == ["slice_1", "slice_2", "slice_3"]
    assert report["ilisi_after"] > report["ilisi_before"] + 0.2
    assert 0.5 < report["neighbors_kept"] <= 1
    assert report["n_matched"].shape == (3, 3)
    assert (report["n_matched"] > 0).sum() == 6
    assert report["linked"].sum() == 6
    assert (report["apart"] == report["apart"].T).all()
    assert report["params"]["n_hops"] == 1
    support = adata.obs["integrated_support"]
    assert support.between(0, 1).all()
    np.testing.assert_allclose(support.groupby(adata.obs["slice"], observed=True).mean(), report["support"], rtol=1e-4)


@pytest.mark.parametrize("method", ["matched", "harmony", "center"])
def test_copy_gives_what_is_written_and_a_seed_gives_the_same_bits(slices, method):
    if method == "harmony":
        pytest.importorskip("harmonypy")
    adata = slices.copy()
    sw.tl.integrate(adata, library_key="slice", method=method, rng=3, key_added="own")
    result = sw.tl.integrate(slices, library_key="slice", method=method, rng=3, copy=True)
    assert result is not None
    np.testing.assert_array_equal(result.embedding, adata.obsm["X_own"])
    assert (result.support is not None) == ("own_support" in adata.obs) == (method == "matched")
    assert "own_integrate" in adata.uns
    assert "X_integrated" not in slices.obsm


def test_batch_may_be_another_column_and_the_features_an_embedding(slices, rng):
    adata = slices.copy()
    adata.obs["lane"] = np.where(adata.obs["slice"] == "slice_2", "b", "a")
    adata.obsm["X_own"] = rng.normal(size=(900, 4)) + 5 * (adata.obs["lane"] == "b").to_numpy()[:, None]
    sw.tl.integrate(adata, library_key="slice", batch_key="lane", method="center", use_rep="X_own")
    H = adata.obsm["X_integrated"]
    assert list(adata.uns["integrate"]["batches"]) == ["a", "b"]
    for lane in "ab":
        np.testing.assert_allclose(H[(adata.obs["lane"] == lane).to_numpy()].mean(axis=0), 0, atol=1e-4)
    assert np.abs(H[(adata.obs["slice"] == "slice_1").to_numpy()].mean(axis=0)).max() > 1e-3


def test_only_genes_that_every_slice_has_are_chosen(slices):
    adata = slices.copy()
    X = adata.X.toarray()
    X[(adata.obs["slice"] == "slice_3").to_numpy(), :100] = 0
    adata.X = X
    less = adata[:, 100:].copy()
    adata.layers["size"] = X  # the same sizes of cells: only the choice of genes is compared
    whole = sw.tl.integrate(adata, library_key="slice", method="center", copy=True)
    named = sw.tl.integrate(adata, library_key="slice", method="center", genes=list(less.var_names), copy=True)
    assert whole is not None
    assert named is not None
    np.testing.assert_allclose(whole.embedding, named.embedding, atol=1e-4)


def test_one_slice_has_nothing_to_integrate(slices):
    one = slices[(slices.obs["slice"] == "slice_1").to_numpy()].copy()
    with pytest.raises(InputError, match="two or more values.*library_key.*found one"):
        sw.tl.integrate(one, library_key="slice")
    one.obs["lane"] = "a"
    with pytest.raises(InputError, match="batch_key"):
        sw.tl.integrate(slices[:].copy() if "lane" in slices.obs else one, library_key="slice", batch_key="lane")


def test_few_cells_missing_columns_and_slices_without_counts_are_refused(slices):
    few = slices[np.r_[0:300, 300:310]].copy()
    with pytest.raises(InputError, match="at least 30 cells in each batch.*10 in batch"):
        sw.tl.integrate(few, library_key="slice")
    with pytest.raises(InputError, match="library_key='nowhere'"):
        sw.tl.integrate(slices.copy(), library_key="nowhere")
    empty = slices.copy()
    X = empty.X.toarray()
    X[(empty.obs["slice"] == "slice_2").to_numpy()] = 0
    empty.X = X
    with pytest.raises(InputError, match="in every batch"):
        sw.tl.integrate(empty, library_key="slice")
    with pytest.raises(InputError, match="counts of the chosen genes in every batch"):
        sw.tl.integrate(empty, library_key="slice", genes=list(empty.var_names[:50]))
    with pytest.raises(InputError, match="MatchedParams"):
        sw.tl.integrate(slices.copy(), library_key="slice", params=HarmonyParams())
    with pytest.raises(InputError, match="settings out of"):
        sw.tl.integrate(slices.copy(), library_key="slice", n_bendings=3)


def test_missing_package_is_said(slices, monkeypatch):
    monkeypatch.setitem(sys.modules, "harmonypy", None)
    adata = slices.copy()
    with pytest.raises(InputError, match=r"pip install 'spotweave\[harmony\]'"):
        sw.tl.integrate(adata, library_key="slice", method="harmony")
    assert "X_integrated" not in adata.obsm


def test_batches_that_share_too_little_are_left_alone_with_a_warning(slices, caplog):
    adata = slices.copy()
    with caplog.at_level(logging.WARNING, logger="spotweave"):
        sw.tl.integrate(adata, library_key="slice", params=MatchedParams(most_apart=0.1))
    assert "batches slice_1 and slice_2 share too little" in caplog.text
    assert not adata.uns["integrate"]["linked"].any()
    assert adata.obs["integrated_support"].max() == 0
