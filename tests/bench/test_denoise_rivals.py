"""Rivals without training, each against a slow loop or dense linear algebra."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial.distance import cdist

from spotweave.bench._denoise_rivals import RIVALS, log_components

N, G = 37, 11


@pytest.fixture
def counts(rng) -> np.ndarray:
    X = rng.poisson(rng.gamma(2.0, 1.0, (N, 1)) * rng.gamma(1.0, 2.0, G)).astype(np.float32)
    X[5], X[:, 3] = 0, 0  # an empty cell, an empty gene
    X[6, 0] += 1
    return X


@pytest.fixture
def xy(rng) -> np.ndarray:
    return rng.random((N, 2))


def expected(name, counts, xy, library=None, **options):
    """In two pieces, as they are asked for."""
    predict = RIVALS[name](sp.csr_matrix(counts), xy, library, np.random.default_rng(0), **options)
    return np.concatenate([predict(slice(0, 10)), predict(slice(10, N))])


def pooled_by_loop(counts, neighbours):
    found = np.zeros(counts.shape)
    for i, others in enumerate(neighbours):
        group = [i, *others]
        found[i] = counts[i].sum() * counts[group].sum(axis=0) / counts[group].sum()
    return found


def nearest(D, k):
    D = D + np.diag(np.full(len(D), np.inf))
    return [list(np.argsort(row)[:k]) for row in D]


def test_raw_and_mean(counts, xy):
    np.testing.assert_array_equal(expected("raw", counts, xy), counts)
    share = counts.sum(axis=0) / counts.sum()
    np.testing.assert_allclose(expected("mean", counts, xy), counts.sum(axis=1)[:, None] * share, rtol=1e-6)


def test_spatial_pools_the_nearest_of_the_same_slide(counts, xy):
    neighbours = nearest(cdist(xy, xy), 4)
    np.testing.assert_allclose(expected("spatial", counts, xy, n_neighs=4), pooled_by_loop(counts, neighbours), 1e-6)
    library = np.arange(N) % 2
    D = np.where(library[:, None] == library, cdist(xy, xy), np.inf)
    np.testing.assert_allclose(
        expected("spatial", counts, xy, library, n_neighs=4), pooled_by_loop(counts, nearest(D, 4)), 1e-6
    )


def test_alike_pools_the_nearest_in_principal_components(counts, xy):
    size = counts.sum(axis=1, keepdims=True)
    L = np.log1p(counts * np.divide(np.median(size), size, out=np.zeros_like(size), where=size > 0))
    U, S, _ = np.linalg.svd(L - L.mean(axis=0), full_matrices=False)
    H = (U * S)[:, : G - 1]  # all that there are: 20 components are more than 11 genes have
    found = log_components(sp.csr_matrix(counts), np.random.default_rng(0))
    np.testing.assert_allclose(cdist(found, found), cdist(H, H), atol=1e-6)
    neighbours = nearest(cdist(H, H), 5)
    np.testing.assert_allclose(expected("alike", counts, xy, n_neighs=5), pooled_by_loop(counts, neighbours), 1e-6)


def test_pca_is_the_decomposition_of_residuals(counts, xy):
    keep = counts.sum(axis=0) > 0
    mean = np.outer(counts.sum(axis=1), counts.sum(axis=0) / counts.sum())
    root = np.sqrt(np.where(mean > 0, mean, 1))
    U, S, V = np.linalg.svd(np.where(mean > 0, (counts - mean) / root, 0), full_matrices=False)
    by_hand = mean + np.sqrt(mean) * ((U[:, :3] * S[:3]) @ V[:3])
    found = expected("pca", counts, xy, n_components=3)
    np.testing.assert_allclose(found, by_hand, atol=1e-5)
    assert (found[:, ~keep] == 0).all()
    full = expected("pca", counts, xy, n_components=50)
    np.testing.assert_allclose(full, counts, atol=1e-4)  # every component there is: the counts themselves


def test_nothing_of_the_size_of_cells_times_genes_is_kept(rng, xy):
    import tracemalloc

    n, g = 1_500, 4_000
    A = sp.random(n, g, 0.01, format="csr", rng=rng, data_rvs=lambda size: rng.poisson(2, size) + 1.0)
    for name, options in (("mean", {}), ("spatial", {"n_neighs": 6}), ("pca", {"n_components": 5})):
        tracemalloc.start()
        RIVALS[name](A, rng.random((n, 2)), None, rng, **options)(slice(0, 10))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < n * g * 8 / 4
