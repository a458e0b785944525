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


def test_counterparts_that_are_far_apart_are_warned_of_and_rounds_that_did_not_settle_said(slices, caplog, monkeypatch):
    monkeypatch.setattr("spotweave.tl._integrate.FAR", 1.0)
    with caplog.at_level(logging.INFO, logger="spotweave"):
        sw.tl.integrate(slices.copy(), library_key="slice", n_shifts=1, least_share=0, most_apart=np.inf)
    assert "matched cells of batches slice_1 and slice_3 are" in caplog.text
    assert "times as far apart as like cells" in caplog.text
    assert "more n_shifts would settle them" in caplog.text


def embedding(adata, **options):
    result = sw.tl.integrate(adata, library_key="slice", n_components=10, copy=True, **options)
    assert result is not None
    return result.embedding


def test_settings_may_be_given_together_or_one_by_one(slices):
    together = embedding(slices, params=MatchedParams(sharing=0, n_bends=1))
    np.testing.assert_array_equal(together, embedding(slices, sharing=0, n_bends=1))
    np.testing.assert_array_equal(together, embedding(slices, params=MatchedParams(sharing=0), n_bends=1))
    assert np.abs(together - embedding(slices)).max() > 0.01


def test_counts_come_from_the_layer_and_genes_are_as_many_as_asked(slices):
    expected = embedding(slices, n_top_genes=50)
    adata = slices.copy()
    adata.layers["raw"], adata.X = adata.X, np.ones(adata.shape, np.float32)
    np.testing.assert_array_equal(embedding(adata, layer="raw", n_top_genes=50), expected)
    assert np.abs(expected - embedding(slices)).max() > 0.01


def test_surroundings_are_those_of_the_graph(slices):
    adata, found = slices.copy(), {}
    for n in (6, 25):
        sw.gr.knn(adata, n_neighs=n, library_key="slice")
        found[n] = embedding(adata, graph_key="spatial_connectivities")
    np.testing.assert_allclose(found[6], embedding(adata), atol=1e-3)
    assert np.abs(found[25] - found[6]).max() > 0.01


def test_views_are_written_for_all_cells(slices):
    adata = slices.copy()
    sw.tl.integrate(adata, library_key="slice")
    before, after = adata.obsm["integrated_before"], adata.obsm["integrated_after"]
    assert before.shape == after.shape == (900, 2)
    codes = adata.obs["slice"].cat.codes.to_numpy()
    spread = [np.ptp([V[codes == c, 1].mean() for c in range(3)]) for V in (before, after)]
    assert spread[1] < 0.2 * spread[0]
