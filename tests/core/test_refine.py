"""The Potts prior and the majority vote, against loops over points."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.graph import knn
from spotweave.core.propagate import symmetrise
from spotweave.core.refine import potts, vote


@pytest.fixture
def graph(rng):
    W = symmetrise(knn(rng.random((61, 2)), n_neighs=4).connectivities).tolil()
    W[7], W[:, 7] = 0, 0
    return sp.csr_matrix(W)


@pytest.mark.parametrize("strength", [0.0, 0.3, 2.0])
def test_potts_matches_a_loop(graph, rng, strength):
    P = rng.dirichlet(np.full(3, 0.3), 61)
    W = graph.multiply(np.add.outer(*[1 + np.arange(61) / 50] * 2)).tocsr()
    q = P.copy()
    for _ in range(4):
        new = np.empty_like(q)
        for i in range(61):
            field = sum((w * q[j] for j, w in zip(W[[i]].indices, W[[i]].data, strict=True)), np.zeros(3))
            new[i] = (P[i] + 1e-3) * np.exp(strength * field)
            new[i] /= new[i].sum()
        q = new
    found = potts(P, W, strength=strength, n_rounds=4)
    np.testing.assert_allclose(found, q, rtol=1e-10)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_strength_zero_and_isolated_points_change_by_the_floor_alone(graph, rng):
    P = rng.dirichlet(np.ones(4), 61)
    floored = (P + 1e-3) / (1 + 4e-3)
    np.testing.assert_allclose(potts(P, graph, strength=0.0), floored)
    np.testing.assert_allclose(potts(P, graph, strength=5.0)[7], floored[7])


def test_potts_removes_a_speck_and_keeps_a_region(rng):
    side = 12
    xy = np.stack(np.meshgrid(np.arange(side), np.arange(side)), -1).reshape(-1, 2)
    W = symmetrise(knn(xy + 1e-6 * rng.normal(size=xy.shape), n_neighs=4).connectivities)
    labels = (xy[:, 0] >= 6).astype(int)
    noisy = labels.copy()
    noisy[side * 5 + 2] = 1
    P = np.where(np.eye(2)[noisy] > 0, 0.9, 0.1)
    np.testing.assert_array_equal(potts(P, W).argmax(axis=1), labels)


def test_potts_is_equivariant_and_leaves_its_input_alone(graph, rng):
    P = rng.dirichlet(np.ones(3), 61)
    before = P.copy()
    np.testing.assert_allclose(potts(P[:, [2, 0, 1]], graph), potts(P, graph)[:, [2, 0, 1]])
    np.testing.assert_array_equal(P, before)


def test_negative_strength_is_an_error(graph):
    with pytest.raises(InputError, match="strength"):
        potts(np.full((61, 2), 0.5), graph, strength=-1.0)


def test_vote_matches_a_loop(graph, rng):
    labels = rng.integers(3, size=61)
    expected = labels.copy()
    for i in range(61):
        counts = np.bincount(labels[graph[[i]].indices], minlength=3)
        if counts[labels[i]] < counts.max():
            expected[i] = counts.argmax()
    found = vote(labels, graph)
    np.testing.assert_array_equal(found, expected)
    assert found[7] == labels[7]
    assert (found != labels).any()


def test_own_label_wins_a_tie_and_weights_do_not_count():
    W = np.zeros((5, 5))
    W[0, 1:] = W[1:, 0] = [0.1, 0.1, 9.0, 9.0]
    labels = np.array([1, 0, 0, 1, 1])
    assert vote(labels, sp.csr_matrix(W))[0] == 1
    assert vote(np.array([0, 0, 0, 1, 1]), sp.csr_matrix(W))[0] == 0
    assert vote(np.array([2, 0, 0, 1, 0]), sp.csr_matrix(W))[0] == 0


def test_vote_with_labels_that_no_point_has():
    W = sp.csr_matrix(np.ones((3, 3)) - np.eye(3))
    np.testing.assert_array_equal(vote(np.array([1, 1, 0]), W, n_labels=5), [1, 1, 1])
