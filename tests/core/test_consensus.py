"""Consensus of clusterings: rings by loop, Wilks' criterion by densities, matching by brute force."""

from itertools import permutations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import multivariate_normal
from sklearn.metrics import adjusted_rand_score

from spotweave.core.consensus import consensus, explained, matching, surroundings
from spotweave.core.graph import knn
from spotweave.core.propagate import symmetrise


def soft(labels, k, rng, concentration=5.0):
    P = rng.dirichlet(np.ones(k), len(labels)) + concentration * np.eye(k)[labels]
    return P / P.sum(axis=1, keepdims=True)


@pytest.fixture
def graph(rng):
    W = symmetrise(knn(rng.random((57, 2)), n_neighs=3).connectivities).tolil()
    W[11], W[:, 11] = 0, 0  # an isolated point
    return sp.csr_matrix(W, dtype=np.float64)


def walk(W, i, steps):
    """Probabilities of where a random walk from i ends."""
    where = {i: 1.0}
    for _ in range(steps):
        after: dict[int, float] = {}
        for j, p in where.items():
            neighbours, weights = W[[j]].indices, W[[j]].data
            for m, w in zip(neighbours, weights, strict=True):
                after[m] = after.get(m, 0) + p * w / weights.sum()
        where = after
    return where


@pytest.mark.parametrize("weighted", [False, True])
def test_rings_match_a_random_walk_without_its_return(graph, rng, weighted):
    if weighted:
        graph = sp.csr_matrix(graph.multiply(np.add.outer(*[1 + np.arange(57) / 20] * 2)))
    H = rng.normal(size=(57, 4))
    for steps, ring in enumerate(surroundings(H, graph), start=1):
        for i in range(57):
            ends = walk(graph, i, steps)
            back = ends.pop(i, 0.0)
            expected = sum(p * H[j] for j, p in ends.items()) / (1 - back) if ends else np.zeros(4)
            np.testing.assert_allclose(ring[i], expected, atol=1e-6)


def test_own_value_does_not_reach_its_own_rings(graph, rng):
    H = rng.normal(size=(57, 4))
    for i in (0, 11, 30):
        changed = H.copy()
        changed[i] += 100
        for before, after in zip(surroundings(H, graph), surroundings(changed, graph), strict=True):
            np.testing.assert_allclose(before[i], after[i], atol=1e-9)
            assert i == 11 or not np.allclose(before, after)


@pytest.mark.parametrize("leaves", range(1, 12))
def test_centre_of_a_star_sees_nobody_two_steps_away(leaves, rng):
    W = np.zeros((leaves + 1, leaves + 1), np.float32)
    W[0, 1:] = W[1:, 0] = 1
    H = (1e3 * rng.normal(size=(leaves + 1, 2))).astype(np.float32)
    assert not surroundings(H, sp.csr_matrix(W))[1][0].any()


def test_rings_keep_the_type(graph, rng):
    rings = surroundings(rng.normal(size=(57, 2)).astype(np.float32), graph.astype(np.float32))
    assert [ring.dtype for ring in rings] == [np.float32] * 2
    assert len(surroundings(rng.normal(size=(57, 2)), graph, 1)) == 1


def test_explained_is_the_gain_in_gaussian_log_likelihood(rng):
    labels = rng.integers(4, size=203)
    H = rng.normal(size=(4, 3))[labels] + rng.normal(size=(203, 3)) @ rng.normal(size=(3, 3))
    means = np.stack([H[labels == c].mean(axis=0) for c in range(4)])
    within = H - means[labels]
    zero = np.zeros(3)
    clusters = multivariate_normal(zero, within.T @ within / 203).logpdf(within).mean()
    one = multivariate_normal(H.mean(axis=0), np.cov(H.T, bias=True)).logpdf(H).mean()
    assert explained(H, np.eye(4)[labels]) == pytest.approx(clusters - one, abs=1e-6)


def test_explained_nothing(rng):
    H = rng.normal(size=(50, 3))
    assert explained(H, np.ones((50, 1))) == pytest.approx(0, abs=1e-9)
    assert explained(H, np.full((50, 4), 0.25)) == pytest.approx(0, abs=1e-9)
    assert explained(np.zeros((50, 3)), np.eye(2)[np.arange(50) % 2]) == 0
    labels = rng.integers(3, size=50)
    empty = np.eye(5)[labels]  # two clusters without rows count for nothing
    assert explained(H, empty) == pytest.approx(explained(H, empty[:, :3]))


@pytest.mark.parametrize("k", [1, 2, 5])
def test_matching_is_the_best_permutation(rng, k):
    A, B = rng.dirichlet(np.ones(k), 40), rng.dirichlet(np.ones(k), 40)
    overlap = lambda order: (A * B[:, list(order)]).sum()
    assert overlap(matching(A, B)) == pytest.approx(max(overlap(p) for p in permutations(range(k))))


def test_matching_undoes_a_permutation(rng):
    A = soft(rng.integers(4, size=99), 4, rng)
    np.testing.assert_array_equal(A[:, [2, 0, 3, 1]][:, matching(A, A[:, [2, 0, 3, 1]])], A)


def test_keeps_the_good_clusterings_and_averages_them(rng):
    truth = rng.integers(3, size=300)
    views = [3 * rng.normal(size=(3, 4))[truth] + rng.normal(size=(300, 4)) for _ in range(2)]
    offered, good = [], [1, 4, 6, 8]
    for i in range(9):
        labels = np.where(rng.random(300) < 0.15, rng.integers(3, size=300), truth)
        labels = labels if i in good else rng.integers(3, size=300)
        offered.append(soft(labels, 3, rng)[:, rng.permutation(3)])
    result = consensus(offered, views, n_keep=4)
    assert sorted(result.kept) == good
    assert (np.diff(result.score[result.kept]) <= 1e-3).all()
    each = [adjusted_rand_score(truth, offered[i].argmax(axis=1)) for i in good]
    assert adjusted_rand_score(truth, result.probability.argmax(axis=1)) > max(each)
    np.testing.assert_allclose(result.probability.sum(axis=1), 1)
    hard = result.probability.argmax(axis=1)
    agreement = np.mean([adjusted_rand_score(offered[i].argmax(axis=1), hard) for i in good])
    np.testing.assert_allclose(result.agreement, agreement)
    np.testing.assert_allclose(result.score, [np.mean([explained(V, P) for V in views]) for P in offered])


def test_views_count_the_same_whatever_their_scale(rng):
    truth = rng.integers(3, size=200)
    views = [2 * rng.normal(size=(3, 4))[truth] + rng.normal(size=(200, 4)) for _ in range(2)]
    offered = [
        soft(np.where(rng.random(200) < p, rng.integers(3, size=200), truth), 3, rng) for p in (0.1, 0.3, 0.5, 0.7)
    ]
    a, b = consensus(offered, views, n_keep=2), consensus(offered, [views[0], 1e4 * views[1]], n_keep=2)
    np.testing.assert_array_equal(a.kept, b.kept)


def test_one_clustering_is_its_own_consensus(rng):
    P = soft(rng.integers(3, size=50), 3, rng)
    result = consensus([P], [rng.normal(size=(50, 2))])
    np.testing.assert_allclose(result.probability, P)
    assert result.agreement == 1
