"""The unknown profile: a planted one is found, likelihood rises, what explains all stays."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.deconvolution.leftover import first_guess, pooled, update


@pytest.fixture
def missing(rng):
    """211 spots of two types; a third, of 12 genes of its own, in a fifth of them. Profiles and true counts of it."""
    S = rng.gamma(1, 1, (3, 60))
    S[:2, :12] *= 0.1
    S[2, 12:] *= 0.3
    S /= S.sum(axis=1, keepdims=True)
    a = np.where(rng.random(211) < 0.2, rng.uniform(100, 500, 211), 0.0)
    known = rng.dirichlet([1, 1], 211) * 800 @ S[:2]
    X = rng.poisson(known + a[:, None] * S[2]).astype(np.float32)
    return X, known, a, S


def test_first_guess_points_to_the_planted_profile(missing, rng):
    X, known, a, S = missing
    mu = known * (X.sum() / known.sum())
    found = first_guess(X, mu, np.full(60, 0.01), rng)
    assert found.sum() == pytest.approx(1)
    assert (found > 0).all()
    assert np.corrcoef(found, S[2])[0, 1] > 0.9
    assert found[:12].sum() > 2 * pooled(X)[:12].sum()


def test_updates_recover_the_planted_profile(missing, rng):
    X, known, a, S = missing
    U = first_guess(X, known, np.zeros(60), rng)
    start = np.abs(U - S[2]).sum()
    for _ in range(30):
        U = update(U, X, known + a[:, None] * U, np.zeros(60), a)
    assert U.sum() == pytest.approx(1)
    assert np.abs(U - S[2]).sum() < 0.12 < start


def test_each_step_raises_the_poisson_likelihood(missing):
    X, known, a, _ = missing
    loss = lambda U: (known + a[:, None] * U - X * np.log(known + a[:, None] * U)).sum()
    U, losses = np.full(60, 1 / 60), []
    for _ in range(12):
        losses.append(loss(U))
        U = update(U, X, known + a[:, None] * U, np.zeros(60), a, strength=0.0)
    assert (np.diff(losses) < 0).all()


def test_step_matches_a_loop_and_rests_where_all_is_explained(missing, rng):
    X, known, a, S = missing
    phi, U = rng.uniform(0.01, 0.3, 60), rng.dirichlet(np.ones(60))
    mu, p = known + a[:, None] * U, pooled(X)
    expected = np.empty(60)
    for g in range(60):
        damp = 1 / (1 + phi[g] * mu[:, g])
        top = U[g] * (a * X[:, g] / mu[:, g] * damp).sum() + 7 * p[g]
        expected[g] = U[g] * top / (U[g] * (a * damp).sum() + 7 * U[g])
    found = update(U, X, mu, phi, a, strength=7.0)
    np.testing.assert_allclose(found, expected / expected.sum())
    whole = known + a[:, None] * S[2]
    np.testing.assert_allclose(update(S[2], whole, whole, phi, a, strength=0.0), S[2])
    drawn = update(U, X, mu, phi, a, strength=1e12)
    np.testing.assert_allclose(drawn, p, rtol=1e-6)


def test_pooled_of_sparse_and_dense(rng):
    X = rng.poisson(1, (5, 4))
    X[:, 2] = 0
    np.testing.assert_allclose(pooled(X), (X.sum(axis=0) + 1) / (X.sum() + 4))
    np.testing.assert_allclose(pooled(sp.csr_matrix(X)), pooled(X))
