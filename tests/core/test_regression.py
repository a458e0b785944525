"""Reduced-rank regression against brute force."""

import numpy as np
import pytest

from spotweave.core.regression import reduced_rank_regression


@pytest.fixture
def data(rng):
    X = rng.normal(size=(53, 7)) @ rng.normal(size=(7, 7))
    Y = X @ rng.normal(size=(7, 5)) + 3 * rng.normal(size=(53, 5))
    return X, Y


def penalty(X, ridge):
    return ridge * np.trace(X.T @ X) / X.shape[1]


def objective(X, Y, C, lam):
    return ((Y - X @ C) ** 2).sum() + lam * (C**2).sum()


@pytest.mark.parametrize("rank", [1, 3, 5])
def test_equals_the_truncated_svd_of_the_augmented_least_squares_fit(data, rank):
    X, Y = data
    lam = penalty(X, 0.05)
    X2, Y2 = np.vstack([X, np.sqrt(lam) * np.eye(7)]), np.vstack([Y, np.zeros((7, 5))])
    full = np.linalg.lstsq(X2, Y2, rcond=None)[0]
    _, _, axes = np.linalg.svd(X2 @ full, full_matrices=False)
    expected = full @ axes[:rank].T @ axes[:rank]
    fit = reduced_rank_regression(X, Y, rank=rank, ridge=0.05)
    np.testing.assert_allclose(fit.encoder @ fit.decoder.T, expected, atol=1e-8)
    np.testing.assert_allclose(fit.scores, X @ fit.encoder)
    np.testing.assert_allclose(fit.decoder.T @ fit.decoder, np.eye(rank), atol=1e-10)


def test_no_matrix_of_the_rank_nearby_is_better(data, rng):
    X, Y = data
    lam = penalty(X, 1e-3)
    fit = reduced_rank_regression(X, Y, rank=2)
    best = objective(X, Y, fit.encoder @ fit.decoder.T, lam)
    for size in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(50):
            B = fit.encoder + size * rng.normal(size=fit.encoder.shape)
            A = fit.decoder + size * rng.normal(size=fit.decoder.shape)
            assert objective(X, Y, B @ A.T, lam) >= best


def test_full_rank_is_ridge_regression_and_rank_is_cut(data):
    X, Y = data
    fit = reduced_rank_regression(X, Y, rank=99, ridge=0.1)
    assert fit.scores.shape == (53, 5)
    ridge = np.linalg.solve(X.T @ X + penalty(X, 0.1) * np.eye(7), X.T @ Y)
    np.testing.assert_allclose(fit.encoder @ fit.decoder.T, ridge, atol=1e-9)
