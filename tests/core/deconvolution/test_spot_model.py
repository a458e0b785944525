"""The quadratic problem of a spot against dense matrices of its genes."""

import numpy as np
import pytest

from spotweave.core.deconvolution.spot_model import LEAST_SHARE, means, quadratic, spot_model


@pytest.fixture
def problem(rng):
    """13 spots, 29 genes, 4 profiles, 3 directions; spot 5 is empty."""
    S = rng.gamma(0.5, 1, (4, 29))
    S /= S.sum(axis=1, keepdims=True)
    V = np.linalg.qr(rng.normal(size=(29, 3)))[0].T
    model = spot_model(S, rng.uniform(0.05, 0.5, 29), V, np.array([4.0, 1.0, 0.01]))
    W = rng.dirichlet(np.ones(4), 13) * 200
    X = rng.poisson(W @ S * 1.1).astype(np.float32)
    X[5], W[5] = 0, 0
    return model, X, W, X.sum(axis=1, dtype=np.float64)


def dense(model, X, W, size):
    """Generalised least squares with the whole covariance of the genes of each spot."""
    S, V = model.S.astype(float), model.V.astype(float)
    for x, w, n in zip(X, W, size, strict=True):
        mu = np.maximum(w @ S, LEAST_SHARE * n)
        sd = np.sqrt(mu + model.dispersion * mu**2)
        inverse = np.linalg.inv(np.diag(sd**2) + sd[:, None] * (V.T * model.spread) @ V * sd)
        yield S @ inverse @ S.T, S @ inverse @ x, ((x - w @ S) / sd, V, model.spread)


def test_matches_the_marginal_covariance(problem):
    model, X, W, size = problem
    found = quadratic(model, X, W, size)
    for i, (H, b, _) in enumerate(dense(model, *(A[:5] for A in (X, W, size)))):
        np.testing.assert_allclose(found.H[i], H, rtol=1e-4, atol=1e-5 * H.max())
        np.testing.assert_allclose(found.b[i], b, rtol=1e-3, atol=1e-4 * b.max())


def test_scores_along_directions_match_their_posterior(problem):
    model, X, W, size = (A if i == 0 else A[:5] for i, A in enumerate(problem))
    square = []
    for _, _, (residual, V, spread) in dense(model, X, W, size):
        gain = np.diag(spread) @ V @ np.linalg.inv(np.eye(29) + (V.T * spread) @ V)
        variance = np.diag(spread) - gain @ V.T @ np.diag(spread)
        square.append((gain @ residual) ** 2 + np.diag(variance))
    np.testing.assert_allclose(quadratic(model, X, W, size).along, np.mean(square, axis=0), rtol=1e-3)


def test_without_directions(problem):
    model, X, W, size = problem
    plain = spot_model(model.S, model.dispersion, np.zeros((0, 29)), np.zeros(0))
    found = quadratic(plain, X, W, size)
    assert found.along.shape == (0,)
    mu = np.maximum(W[2] @ model.S, LEAST_SHARE * size[2])
    v = mu + model.dispersion * mu**2
    np.testing.assert_allclose(found.H[2], (model.S / v) @ model.S.T, rtol=1e-5)
    np.testing.assert_allclose(found.b[2], model.S @ (X[2] / v), rtol=1e-5)


def test_an_empty_spot_says_nothing(problem):
    found = quadratic(*problem)
    assert not found.H[5].any()
    assert not found.b[5].any()
    assert np.isfinite(found.along).all()
    others = np.arange(13) != 5
    model, X, W, size = problem
    np.testing.assert_allclose(quadratic(model, X[others], W[others], size[others]).H, found.H[others], rtol=1e-5)


def test_means_are_never_nothing(problem):
    model, _, W, size = problem
    found = means(model, W * np.array([1, 0, 0, 0]), size)
    assert found.dtype == np.float32
    np.testing.assert_allclose(
        found, np.maximum(W[:, :1] * model.S[0], LEAST_SHARE * size[:, None]), rtol=1e-5, atol=1e-12
    )
