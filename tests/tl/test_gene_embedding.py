"""Vectors of genes on simulated patterns: what the verb writes, leaves out, and refuses."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from spotweave import InputError, datasets, tl
from spotweave.core.covariance_test import covariance_test
from spotweave.core.gene_smooth import smooth_genes
from spotweave.tl._gene_embedding import GeneEmbedding

SMALL: dict[str, Any] = {
    "n_patches": 12,
    "n_sub": 6,
    "n_latent": 8,
    "width": 16,
    "depth": 1,
    "n_heads": 2,
    "n_functions": 40,
}
TRAINED: dict[str, Any] = {**SMALL, "max_steps": 60, "n_rounds": 2, "steps_round": 10, "batch_size": 64}
QUICK: dict[str, Any] = {**SMALL, "max_steps": 4, "n_rounds": 1, "steps_round": 2}


@pytest.fixture(scope="module")
def modules():
    """Five modules among 200 genes of 900 spots."""
    return datasets.simulate_patterns(900, n_genes=200, n_modules=5, log_fold=(0.3, 0.6), rng=0)


@pytest.fixture(scope="module")
def original():
    """Two slides, 45 genes, of which gene 4 has no counts, gene 7 nine and gene 8 ten."""
    adata = datasets.simulate_patterns(203, n_genes=45, n_modules=3, log_fold=(0.4, 0.8), rng=1)
    X = adata.X.toarray()
    X[:, [4, 7, 8]] = 0
    X[:9, 7], X[:10, 8] = 1, 1
    adata.X = sp.csr_matrix(X)
    adata.obs["slide"] = np.where(adata.obsm["spatial"][:, 0] > np.median(adata.obsm["spatial"][:, 0]), "a", "b")
    return adata


@pytest.fixture
def adata(original):
    return original.copy()


def gram(H):
    return H @ H.T


def embedded(adata, **options):
    found = tl.gene_embedding(adata, copy=True, **options)
    assert found is not None
    return found.embedding


@pytest.mark.parametrize(("method", "options"), [("smooth", {}), ("mae", TRAINED)])
def test_planted_modules_are_found(modules, method, options):
    found = tl.gene_embedding(modules, method=method, copy=True, **options)
    assert found is not None
    planted = modules.var["spatially_variable"].to_numpy()
    labels = KMeans(5, n_init=10, random_state=0).fit_predict(found.embedding[planted])
    assert adjusted_rand_score(modules.var["module"].to_numpy()[planted], labels) > 0.85
    assert found.patterned[planted].mean() > 0.9
    assert found.patterned[~planted].mean() < 0.15
    if method == "mae":
        assert found.scores["score"] > max(5, found.scores["score_linear_start"])
    else:
        assert found.scores == {}


@pytest.mark.parametrize(("method", "options"), [("smooth", {"n_components": 5}), ("mae", QUICK)])
def test_what_is_written(adata, method, options):
    tl.gene_embedding(adata, method=method, key_added="mine", rng=3, **options)
    found = tl.gene_embedding(adata, method=method, rng=3, copy=True, **options)
    assert found is not None
    H = adata.varm["mine"]
    assert H.dtype == np.float32
    assert H.shape == (45, 5 if method == "smooth" else 16)
    np.testing.assert_array_equal(H, found.embedding)  # and the same seed gives the same bits
    np.testing.assert_array_equal(adata.var["gene_patterned"], found.patterned)
    length = np.linalg.norm(H, axis=1)
    assert list(np.flatnonzero(length == 0)) == [4, 7]  # of fewer than ten molecules
    np.testing.assert_allclose(length[length > 0], 1, atol=1e-5 if method == "mae" else 0.8)
    said = adata.uns["gene_embedding"]
    assert said["n_genes"] == 43
    assert said["params"]["method"] == method
    assert (said["params"]["rng"], said["params"]["min_counts"]) == (3, 10)
    assert options.items() <= said["params"].items()
    assert {"score", "score_linear_start", "converged", "n_steps", "loss"} <= set(said) or method == "smooth"
    other = tl.gene_embedding(adata, method=method, rng=4, copy=True, **options)
    assert other is not None
    assert np.abs(gram(other.embedding) - gram(H)).max() > (1e-3 if method == "mae" else 0)


def test_smooth_is_its_kernel_and_patterns_those_of_the_test(adata):
    found = tl.gene_embedding(adata, method="smooth", library_key="slide", min_counts=1, length_scale=0.1, copy=True)
    assert found is not None
    used = np.delete(np.arange(45), 4)
    xy, slide, rng = adata.obsm["spatial"], adata.obs["slide"].to_numpy(), np.random.default_rng(0)
    expected = smooth_genes(adata.X[:, used].astype(float), xy, library=slide, length_scale=0.1, rng=rng)
    np.testing.assert_allclose(gram(found.embedding[used]), gram(expected), atol=1e-5)
    qvalue = covariance_test(adata.X.astype(float), xy, library=slide).qvalue
    np.testing.assert_array_equal(found.patterned, np.nan_to_num(qvalue, nan=1) < 0.05)
    assert 0 < found.patterned.sum() < 45


def test_copy_leaves_the_table_alone(adata, original):
    found = tl.gene_embedding(adata, method="smooth", copy=True)
    assert isinstance(found, GeneEmbedding)
    assert not adata.varm.keys()
    assert "gene_embedding" not in adata.uns
    pd.testing.assert_frame_equal(adata.var, original.var)
    assert (adata.X != original.X).nnz == 0


def test_layer_and_forms_of_the_matrix_are_one(adata):
    run = lambda a, **options: embedded(a, method="smooth", **options)
    expected = run(adata)
    moved = adata.copy()
    moved.layers["raw"], moved.X = adata.X, np.log1p(adata.X)
    np.testing.assert_array_equal(run(moved, layer="raw"), expected)
    for form in (sp.csc_matrix, lambda X: X.toarray()):
        moved.layers["raw"] = form(adata.X)
        np.testing.assert_array_equal(run(moved, layer="raw"), expected)
    with pytest.raises(InputError, match="whole-number counts"):
        run(moved)


@pytest.mark.parametrize(("method", "options"), [("smooth", {}), ("mae", {**QUICK, "refine": False})])
def test_slides_are_apart(adata, method, options):
    run = lambda a, **more: gram(embedded(a, method=method, **options, **more))
    moved = adata.copy()
    moved.obsm["spatial"] = adata.obsm["spatial"] + np.where(adata.obs["slide"] == "a", 5e5, 0)[:, None]
    apart = run(adata, library_key="slide")
    np.testing.assert_allclose(run(moved, library_key="slide"), apart, atol=0.02)
    assert np.abs(run(adata) - apart).max() > 0.05


def test_few_molecules_do_no_harm(adata):
    adata.X = sp.csr_matrix(np.random.default_rng(0).poisson(0.01, adata.shape).astype(np.float32))
    found = tl.gene_embedding(adata, min_counts=1, copy=True, **QUICK)
    assert found is not None
    assert np.isfinite(found.embedding).all()
    assert np.isfinite(found.scores["score"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "pca"}, "method"),
        ({"min_counts": 0}, "min_counts"),
        ({"min_counts": 10**6}, "Lower min_counts"),
        ({"n_latents": 3}, "n_latents"),
        ({"method": "smooth", "n_latent": 3}, "n_latent"),
        ({"params": tl.SmoothGenesParams()}, "GeneMaeParams"),
        ({"layer": "none"}, "none"),
        ({"spatial_key": "none"}, "none"),
        ({"library_key": "none"}, "none"),
        ({"n_patches": 0}, "n_patches"),
        ({"method": "smooth", "n_components": 0}, "n_components"),
    ],
)
def test_bad_input_is_an_error_and_changes_nothing(adata, original, options, message):
    with pytest.raises(InputError, match=message):
        tl.gene_embedding(adata, **options)
    assert not adata.varm.keys()
    assert set(adata.uns) == set(original.uns)
    pd.testing.assert_frame_equal(adata.var, original.var)


def test_too_few_cells_are_an_error(adata):
    with pytest.raises(InputError, match="at least 10 cells"):
        tl.gene_embedding(adata[:9].copy(), min_counts=1)
