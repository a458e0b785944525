"""Multiplicative updates against loops, an optimiser and closed forms; candidates against a dense computation."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize, nnls

from spotweave.core.deconvolution import sparse_weights as module
from spotweave.core.deconvolution.sparse_weights import candidates, fit_all, fit_weights, log_likelihood

N, M, P, T = 13, 17, 9, 3


@pytest.fixture
def problem(rng):
    """13 spots, one of them without counts, 17 cells in 3 groups of 1, 6 and 10, out of order."""
    profiles = rng.gamma(0.7, 1, (M, P)).astype(np.float32)
    profiles[:, 4] = 0
    group = rng.permutation(np.repeat([0, 1, 2], [1, 6, 10]))
    means = np.stack([profiles[group == t].mean(axis=0) for t in range(T)])
    x = rng.poisson(rng.gamma(1, 4, (N, M)) @ profiles / 4).astype(np.float32)
    x[5] = 0
    return x, profiles, group, means


def start_of(rng, *, density=0.4):
    pattern = rng.random((N, M)) < density
    pattern[:, 0] = True
    pattern[3, 1:] = False  # a spot of one candidate
    return sp.csr_matrix(np.where(pattern, rng.random((N, M)) + 0.1, 0), dtype=np.float32)


def updated_by_loop(x, start, profiles, phi, n_steps):
    W = start.toarray().astype(np.float64)
    for _ in range(n_steps):
        new = W.copy()
        for i in range(N):
            mu = W[i] @ profiles
            for c in range(M):
                above = sum(profiles[c, g] * x[i, g] / mu[g] for g in range(P) if mu[g] > 0)
                below = sum(profiles[c, g] * (1 + phi * x[i, g]) / (1 + phi * mu[g]) for g in range(P))
                new[i, c] = W[i, c] * above / below
        W = new
    return W


@pytest.mark.parametrize("entries", [1, 300, 10**6])
@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_updates_match_loops_whatever_the_blocks(problem, rng, monkeypatch, phi, entries):
    monkeypatch.setattr(module, "ENTRIES", entries)
    x, profiles, *_ = problem
    start = start_of(rng)
    found = fit_weights(lambda rows: x[rows], start, profiles, dispersion=phi, n_steps=3)
    np.testing.assert_allclose(found.W.toarray(), updated_by_loop(x, start, profiles, phi, 3), rtol=2e-4, atol=1e-6)
    np.testing.assert_array_equal(found.W.indices, start.indices)


@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_likelihood_never_falls_and_ends_where_an_optimiser_ends(problem, rng, phi):
    x, profiles, *_ = problem
    start = start_of(rng)
    found = fit_weights(lambda rows: x[rows], start, profiles, dispersion=phi, n_steps=2_000)
    path = found.objective
    assert (np.diff(path) >= -1e-6 * np.abs(path[:-1])).all()
    assert path[-1] > path[0] + 10
    best = 0.0
    for i in range(N):
        C = profiles[start.indices[start.indptr[i] : start.indptr[i + 1]]].astype(np.float64)
        cost = lambda w, C=C, i=i: -log_likelihood(x[i].astype(np.float64), np.maximum(w @ C, 1e-20), phi)
        best -= minimize(cost, np.full(len(C), 0.5), bounds=[(1e-9, None)] * len(C), options={"maxfun": 10**5}).fun
    assert path[-1] == pytest.approx(best, abs=0.05)


def test_exact_mixtures_are_found(rng):
    C = rng.gamma(1, 1, (4, 30)).astype(np.float32)
    w = rng.gamma(1, 5, (6, 4)) * (rng.random((6, 4)) < 0.6)
    x = (w @ C).astype(np.float32)
    found = fit_all(x, C, dispersion=0.0, n_steps=3_000)
    np.testing.assert_allclose(found, [nnls(C.T.astype(float), row.astype(float))[0] for row in x], atol=0.05)


def candidates_dense(problem, groups, quota):
    x, profiles, group, means = problem
    gain = (x / np.maximum(groups @ means, 1e-20)) @ (profiles / profiles.sum(axis=1, keepdims=True)).T
    step = gain * (groups / np.maximum(groups.sum(axis=1, keepdims=True), 1e-20))[:, group]
    chosen = np.zeros((N, M), bool)
    for t in range(T):
        cells = np.flatnonzero(group == t)
        for i in range(N):
            chosen[i, cells[np.argsort(-gain[i, cells])[: quota[0]]]] = True
    for c in range(M):
        chosen[np.argsort(-step[:, c])[: quota[1]], c] = True
    return chosen


@pytest.mark.parametrize("entries", [1, 60, 10**6])
def test_candidates_match_a_dense_computation(problem, monkeypatch, entries):
    monkeypatch.setattr(module, "ENTRIES", entries)
    x, profiles, group, means = problem
    groups = fit_all(x, means, dispersion=0.1, n_steps=20)
    filled = np.flatnonzero(x.any(axis=1))  # in a spot without counts all cells are alike, and any may be chosen
    found = candidates(lambda rows: x[rows], groups, means, profiles, group, (2, 3)).toarray()
    expected = candidates_dense(problem, groups, (2, 3))
    np.testing.assert_array_equal(found[filled] > 0, expected[filled])
    assert (found > 0).any(axis=0).all()
    assert (found > 0).any(axis=1).all()


def test_a_groups_weight_is_dealt_out_in_equal_parts(problem):
    x, profiles, group, means = problem
    groups = fit_all(x, means, dispersion=0.0, n_steps=20)
    found = candidates(lambda rows: x[rows], groups, means, profiles, group, (4, 1)).toarray()
    for i in np.flatnonzero(x.any(axis=1)):
        for t in range(T):
            own = found[i, group == t]
            np.testing.assert_allclose(own[own > 0], own.max(), rtol=1e-5)
            np.testing.assert_allclose(own.sum(), 0.9 * groups[i, t] + 0.1 * groups[i].mean(), rtol=1e-4)
