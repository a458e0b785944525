import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.colocation import colocation
from spotweave.core.graph import knn


def slow_neighbours(P, graph):
    """Two-way correlation with the weighted mean of the neighbours, spot by spot."""
    A = graph.toarray()
    joined = A.sum(axis=1) > 0
    around = np.array([A[i] @ P / A[i].sum() for i in np.flatnonzero(joined)])
    t = P.shape[1]
    one = np.array([[np.corrcoef(P[joined, i], around[:, j])[0, 1] for j in range(t)] for i in range(t)])
    return (one + one.T) / 2


def lattice(side):
    """Places of a square lattice and the graph of their neighbours."""
    xy = np.stack(np.meshgrid(np.arange(float(side)), np.arange(float(side))), axis=-1).reshape(-1, 2)
    return xy, sp.csr_matrix(knn(xy, n_neighs=4)[0])


def smooth_amounts(rng, side, t):
    """Amounts of t types that know nothing of each other, smooth in space."""
    xy = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2) / side
    k = rng.normal(size=(40, 2)) * 35
    phase = rng.uniform(0, 2 * np.pi, (40, t))
    waves = np.cos((xy @ k.T)[:, :, None] + phase).sum(axis=1) * np.sqrt(2 / 40)
    return np.exp(waves)


def test_within_spots_it_is_the_correlation_of_shares(rng):
    P = rng.gamma(1, size=(57, 4))
    found = colocation(P, n_shuffles=1)
    np.testing.assert_allclose(found.correlation, np.corrcoef(P / P.sum(axis=1, keepdims=True), rowvar=False))
    np.testing.assert_allclose(found.excess, found.correlation - found.expected)


def test_what_the_sum_alone_does_is_taken_off(rng):
    P = rng.dirichlet([3, 3, 1, 1], 4_000)
    off = ~np.eye(4, dtype=bool)
    found = colocation(P)
    assert found.correlation[0, 1] < -0.5
    assert np.abs(found.excess[off]).max() < 0.1
    np.testing.assert_allclose(np.diag(found.expected), 1)


@pytest.mark.parametrize("seed", [0, 1])
def test_smooth_types_that_know_nothing_of_each_other_are_near_zero_with_neighbours_too(seed):
    rng = np.random.default_rng(seed)
    A = smooth_amounts(rng, 60, 3) * np.array([2.0, 1.0, 1.0])
    found = colocation(A, graph=lattice(60)[1])
    off = ~np.eye(3, dtype=bool)
    assert found.correlation[off].min() < -0.4
    assert np.abs(found.excess[off]).mean() < 0.5 * np.abs(found.correlation[off]).mean()
    assert np.abs(found.excess[off]).max() < 0.2


def test_planted_friends_and_strangers(rng):
    A = rng.gamma(2, size=(900, 5))
    A[:, 1] = 0.7 * A[:, 0] + 0.3 * A[:, 1]
    A[:450, 2], A[450:, 3] = 0.05, 0.05
    found = colocation(A).excess
    assert found[0, 1] > 0.3
    assert found[2, 3] < -0.2


def test_neighbours_as_a_slow_loop_finds_them(rng):
    side = 9
    _, graph = lattice(side)
    graph = sp.lil_matrix(graph)
    graph[5], graph[:, 5] = 0, 0  # a spot without neighbours
    graph = sp.csr_matrix(graph)
    graph.data = rng.uniform(0.2, 2, graph.nnz)
    P = rng.dirichlet(np.ones(3), side**2)
    found = colocation(P, graph=graph)
    np.testing.assert_allclose(found.correlation, slow_neighbours(P, graph))
    np.testing.assert_allclose(found.excess, found.excess.T)


def test_the_sum_fades_with_distance_as_the_types_do(rng):
    A, (xy, graph) = smooth_amounts(rng, 50, 3), lattice(50)
    A[:, 1] = np.exp(0.8 * ((-1) ** xy.sum(axis=1)))  # against its neighbours: nothing of the sum is left
    within, near = colocation(A), colocation(A, graph=graph)
    a = np.sqrt(np.maximum(np.diag(near.correlation), 0))
    assert a[1] == 0
    assert 0.3 < a[0] < 0.99
    np.testing.assert_allclose(
        near.expected, [[within.expected[i, j] * a[i] * a[j] for j in range(3)] for i in range(3)]
    )


def test_a_chessboard_is_apart_within_spots_and_together_with_neighbours(rng):
    xy, graph = lattice(20)
    even = xy.sum(axis=1).astype(int) % 2 == 0  # a chessboard: all neighbours are of the other kind
    P = np.column_stack([even, ~even, rng.uniform(0.5, 1, 400)]) + 0.01
    assert colocation(P).excess[0, 1] < -0.2
    assert colocation(P, graph=graph).excess[0, 1] > 0.8


def test_empty_spots_and_constant_types(rng):
    P = np.column_stack([rng.dirichlet(np.ones(3), 40), np.zeros(40)])
    padded = np.vstack([P, np.zeros((3, 4))])
    found = colocation(padded)
    np.testing.assert_allclose(found.correlation[:3, :3], colocation(P).correlation[:3, :3])
    assert np.isnan(found.excess[3]).all()
    assert np.isfinite(found.excess[:3, :3]).all()
    _, graph = lattice(5)
    some = colocation(np.vstack([P[:22], np.zeros((3, 4))]), graph=graph)
    np.testing.assert_allclose(some.correlation, colocation(P[:22], graph=graph[:22][:, :22]).correlation)


def test_scale_of_rows_means_nothing_and_seeds_repeat(rng):
    P = rng.dirichlet(np.ones(4), 50)
    before = P.copy()
    one = colocation(P, rng=3)
    np.testing.assert_array_equal(P, before)
    np.testing.assert_allclose(colocation(P * rng.uniform(1, 9, (50, 1)), rng=3).excess, one.excess, atol=1e-12)
    np.testing.assert_array_equal(colocation(P, rng=np.random.default_rng(3)).expected, one.expected)
    assert (colocation(P, rng=4).expected != one.expected).any()


@pytest.mark.parametrize(
    ("P", "options", "text"),
    [
        (np.full((5, 2), -1.0), {}, "at least 0"),
        (np.full((5, 2), np.nan), {}, "finite"),
        (np.ones(5), {}, "shares"),
        (np.eye(5)[:, :2], {}, "3 or more spots"),
        (np.ones((5, 2)), {"graph": sp.csr_matrix((4, 4))}, "a graph of the 5 spots"),
        (np.ones((5, 2)), {"graph": sp.csr_matrix((5, 5))}, "neighbours of 3"),
        (np.ones((5, 2)), {"n_shuffles": 0}, "n_shuffles"),
    ],
)
def test_what_does_not_fit_is_said(P, options, text):
    with pytest.raises(InputError, match=text):
        colocation(P, **options)
