"""Smoothing against the linear system of all spots together."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.deconvolution import smoothing
from spotweave.core.deconvolution.smoothing import smoothed


@pytest.fixture
def problem(rng):
    """Eleven spots in a row of three weights, the last without neighbours."""
    A = rng.normal(0, 1, (11, 8, 3))
    size = rng.uniform(50, 200, 11)
    H = (np.swapaxes(A, 1, 2) @ A + np.eye(3)) / size[:, None, None]
    W = rng.dirichlet([5, 5, 5], 11) * size[:, None]
    graph = sp.diags_array([np.ones(9), np.ones(9)], offsets=[-1, 1], shape=(10, 10))
    graph = sp.block_diag([graph, sp.csr_matrix((1, 1))]).tocsr()
    return H, np.einsum("nij,nj->ni", H, W), W, size, graph


def smooth(problem, strength, **options):
    H, b, W, size, graph = problem
    return smoothed(H, b, W, size, graph, strength, **options)


def joint(problem, strength):
    """All weights that solve each spot given its neighbours, by one dense system."""
    H, b, _, size, graph = problem
    information = [1 / np.linalg.inv(h * n**2).diagonal() for h, n in zip(H, size, strict=True)]
    pull = strength * np.median(information) / size**2
    W = graph.toarray()
    degree = W.sum(axis=1)
    M = np.zeros((33, 33))
    for i in range(11):
        rows = slice(3 * i, 3 * i + 3)
        M[rows, rows] = H[i]
        if degree[i]:
            M[rows, rows] += pull[i] * np.eye(3)
        for j in np.flatnonzero(W[i]):
            M[rows, 3 * j : 3 * j + 3] -= pull[i] * W[i, j] / degree[i] * size[i] / size[j] * np.eye(3)
    return np.linalg.solve(M, b.ravel()).reshape(11, 3)


@pytest.mark.parametrize("strength", [0.2, 1.0])
def test_matches_the_joint_system(problem, strength):
    expected = joint(problem, strength)
    assert (expected > 0).all()
    found = smooth(problem, strength, n_rounds=200)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert np.abs(found - problem[2]).max() > 1
    np.testing.assert_allclose(smooth(problem, strength), expected, rtol=0.05)


def test_no_strength_and_no_neighbours_change_nothing(problem):
    before = problem[2].copy()
    np.testing.assert_allclose(smooth(problem, 0.0), before, rtol=1e-9)
    np.testing.assert_allclose(smooth(problem, 5.0)[10], before[10], rtol=1e-9)
    np.testing.assert_array_equal(problem[2], before)


def test_great_strength_makes_neighbours_alike(problem):
    _, _, W, size, graph = problem
    W = W / size[:, None]
    weak, strong = (smooth(problem, s, n_rounds=300)[:10] / size[:10, None] for s in (1.0, 50.0))
    assert strong.std(axis=0).max() < 0.3 * weak.std(axis=0).min()


def test_a_spot_without_counts_takes_the_mean_of_its_neighbours(problem):
    H, b, W, size, graph = problem
    H[4], b[4], W[4], size[4] = 0, 0, 0, 0
    found = smooth(problem, 1.0, n_rounds=200)
    shares = found / np.maximum(size, 1)[:, None]
    np.testing.assert_allclose(shares[4], (shares[3] + shares[5]) / 2, rtol=1e-4)


def test_blocks_and_types_alike(problem, monkeypatch):
    whole = smooth(problem, 1.0)
    monkeypatch.setattr(smoothing, "BLOCK", 3)
    np.testing.assert_allclose(smooth(problem, 1.0), whole)
    H, b, W, size, graph = problem
    double = np.pad(H, ((0, 0), (0, 1), (0, 1)))
    double[:, 3, :3], double[:, :3, 3], double[:, 3, 3] = H[:, 0], H[:, 0], H[:, 0, 0]
    split = np.column_stack([W[:, 0] / 2, W[:, 1:], W[:, 0] / 2])
    found = smoothed(double, np.column_stack([b, b[:, 0]]), split, size, graph, 1.0)
    merged = np.column_stack([found[:, 0] + found[:, 3], found[:, 1:3]])
    moved = np.abs(whole - W).max()
    assert np.abs(merged - W).max() > 0.2 * moved, "twins do not switch smoothing off"
    monkeypatch.setattr(smoothing, "SAMPLE", 4)
    assert np.isfinite(smooth(problem, 1.0)).all()
