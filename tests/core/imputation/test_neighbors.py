"""Neighbours against brute force, and their pooled counts against loops."""

import numpy as np
import pytest

from spotweave.core.imputation.linear import panel_features
from spotweave.core.imputation.neighbors import FLOOR, log_ratio, nearest, neighbors, principal_axes, sparse_rows
from spotweave.core.imputation.pair import CEILING

EVERY = slice(None)


def slow_nearest(A, B, k):
    """Cosine by cosine ``[n, k]``."""
    cosine = lambda a, b: a @ b / np.sqrt((a @ a) * (b @ b))
    return [sorted(sorted(range(len(B)), key=lambda j: -cosine(a, B[j]))[:k]) for a in A]


def slow_neighbors(pair, k, rank):
    """Pool cell by cell, gene by gene."""
    A, B = (values.astype(float) for values in panel_features(pair, "residual"))
    axes = np.linalg.svd(B, full_matrices=False)[2][:rank].T
    r, Y = pair.R.toarray().sum(axis=1), pair.Y.toarray()
    found = np.zeros((len(A), Y.shape[1]))
    for i, cells in enumerate(slow_nearest(A @ axes, B @ axes, k)):
        for g in range(Y.shape[1]):
            if Y[:, g].any():
                ratio = sum(Y[j, g] for j in cells) / sum(r[j] for j in cells) / (Y[:, g].sum() / r.sum())
                found[i, g] = np.log(max(ratio, FLOOR))
    return np.clip(found, -CEILING, CEILING)


@pytest.mark.parametrize(("n_neighs", "rank"), [(1, 5), (9, 3), (30, 20)])
def test_neighbors_match_a_loop(planted, rng, n_neighs, rank):
    found = neighbors(planted.pair, rng, n_neighs=n_neighs, rank=rank)(EVERY)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, slow_neighbors(planted.pair, n_neighs, rank), atol=1e-5)


@pytest.mark.parametrize("k", [1, 6, 19])
@pytest.mark.parametrize("chunk", [20_000_000, 60, 1])
def test_nearest_matches_brute_force(rng, k, chunk):
    A, B = rng.normal(size=(23, 5)), rng.normal(size=(19, 5)) * rng.gamma(1.0, 2.0, (19, 1))
    found = sparse_rows(nearest(A, B, k, entries=chunk).cells, np.ones((23, k)), 19)
    assert found.shape == (23, 19)
    assert (found.data == 1).all()
    assert [sorted(row.indices.tolist()) for row in found] == slow_nearest(A, B, k)


def test_nearest_takes_rows_of_zeros(rng):
    A, B = rng.normal(size=(4, 3)), rng.normal(size=(9, 3))
    A[1], B[2] = 0, 0
    found = sparse_rows(nearest(A, B, 4).cells, np.ones((4, 4)), 9)
    np.testing.assert_array_equal(np.diff(found.indptr), 4)
    assert len(set(found[1].indices)) == 4
    cosine = A @ (B / np.maximum(np.linalg.norm(B, axis=1), 1e-9)[:, None]).T  # 0 to the row of zeros
    for i in (0, 2, 3):
        assert set(found[i].indices) == set(np.argsort(-cosine[i])[:4])


@pytest.mark.parametrize(("m", "g"), [(31, 12), (12, 31)])
def test_principal_axes_span_those_of_svd(rng, m, g):
    B = rng.normal(size=(m, g)) * rng.gamma(2.0, 1.0, g)
    B = (B - B.mean(axis=0)).astype(np.float32)
    axes = principal_axes(B, 4)
    V = np.linalg.svd(B.astype(float), full_matrices=False)[2][:4]
    assert axes.shape == (g, 4)
    np.testing.assert_allclose(axes.T @ axes, np.eye(4), atol=1e-5)
    np.testing.assert_allclose(axes @ axes.T, V.T @ V, atol=1e-4)


def test_log_ratio_has_a_floor_a_ceiling_and_zeros():
    share = np.array([0.1, 0.2, 0.0])
    means = np.array([[0.2, 0.0, 0.3], [0.1, 200.0, 0.0], [0.003, 0.1, 0.0]])
    found = log_ratio(means, share)
    expected = [[np.log(2), np.log(FLOOR), 0], [0, CEILING, 0], [np.log(0.03), np.log(0.5), 0]]
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
    assert found.dtype == np.float32


def test_all_cells_pooled_say_nothing(planted, rng):
    for n_neighs in (83, 1000):
        np.testing.assert_allclose(neighbors(planted.pair, rng, n_neighs=n_neighs)(EVERY), 0, atol=1e-6)


def test_markers_of_types_are_found(planted, rng):
    assert planted.worst(neighbors(planted.pair, rng, n_neighs=15)) > 0.8


def test_some_genes_are_those_of_all(planted, rng):
    predict = neighbors(planted.pair, rng, n_neighs=8)
    whole = predict(EVERY)
    assert whole.shape == (61, 17)
    assert not whole[:, 11].any()  # no counts in the reference
    for genes in (slice(3, 8), np.array([16, 11, 2])):
        np.testing.assert_array_equal(predict(genes), whole[:, genes])
