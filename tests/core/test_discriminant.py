"""Discriminant sharpening: weak but clustered directions, consistency, invariances."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import adjusted_rand_score

from spotweave.core.discriminant import _directions, sharpen
from spotweave.core.mixture import tied_mixture


def one_hot(labels, k):
    return np.eye(k)[labels]


@pytest.fixture
def hidden(rng):
    """Three clusters: strongly apart in a broad direction, two of them only in a direction of little variance."""
    truth = rng.integers(3, size=900)
    H = rng.normal(size=(900, 8)) * [6, 4, 3, 2, 2, 1, 1, 0.1]
    H[:, 0] += 30 * (truth == 0)
    H[:, 7] += 0.5 * (truth == 1)
    return H, truth


def test_recovers_clusters_that_differ_in_a_direction_of_low_variance(hidden, rng):
    H, truth = hidden
    start = truth.copy()
    flipped = rng.random(900) < 0.35
    start[flipped] = rng.integers(3, size=flipped.sum())
    found = sharpen(H, one_hot(start, 3))
    assert adjusted_rand_score(truth, start) < 0.5
    assert adjusted_rand_score(truth, found.predict(H).argmax(axis=1)) > 0.9
    assert found.converged
    leading = np.linalg.svd(H - H.mean(axis=0), full_matrices=False)[0][:, :3]
    without = tied_mixture(leading, 3, n_starts=3, rng=rng).probability.argmax(axis=1)
    assert adjusted_rand_score(truth, without) < 0.6


def test_directions_span_those_of_scikit_learn(hidden):
    H, truth = hidden
    X = H - H.mean(axis=0)
    ours = _directions(X, X.T @ X / len(X), one_hot(truth, 3), 0.0)
    theirs = LinearDiscriminantAnalysis(solver="eigen").fit(X, truth).scalings_[:, :2]
    Q, R = (np.linalg.qr(A)[0] for A in (ours, theirs))
    np.testing.assert_allclose(np.linalg.svd(Q.T @ R)[1], 1, atol=1e-6)
    assert ours.shape == (8, 2)


def test_predict_gives_the_posteriors_of_the_last_round_and_labels_are_a_fixed_point(hidden):
    H, truth = hidden
    found = sharpen(H, one_hot(truth, 3), tolerance=0.0, n_rounds=100)
    R = found.predict(H)
    np.testing.assert_allclose(R.sum(axis=1), 1)
    assert found.converged
    again = sharpen(H, R, n_rounds=1, tolerance=0.0)
    assert (again.predict(H).argmax(axis=1) == R.argmax(axis=1)).mean() > 0.995
    np.testing.assert_allclose(found.predict(H[::-1]), R[::-1])


def test_posterior_is_bayes_rule_with_one_covariance(hidden):
    from scipy.stats import multivariate_normal

    H, truth = hidden
    found = sharpen(H, one_hot(truth, 3))
    model = found.mixture
    Y = (H - found.origin) @ found.weights @ model.whiten
    parts = zip(model.means, model.log_weights, strict=True)
    density = np.stack([np.exp(w) * multivariate_normal(m, np.eye(2)).pdf(Y) for m, w in parts], 1)
    np.testing.assert_allclose(found.predict(H), density / density.sum(axis=1, keepdims=True), atol=1e-6)
    offset = Y[:, None] - model.means  # [n, k, 2]
    within = np.einsum("nk,nki,nkj->ij", found.predict(H), offset, offset) / len(H)
    np.testing.assert_allclose(within, np.eye(2), atol=0.02)  # coordinates where the common covariance is one


def test_unconverged_is_said(hidden, rng):
    H, _ = hidden
    assert not sharpen(H, one_hot(rng.integers(3, size=900), 3), n_rounds=1, tolerance=0.0).converged


def test_order_of_clusters_and_rows_does_not_matter(hidden, rng):
    H, truth = hidden
    start = one_hot(truth, 3)
    R = sharpen(H, start).predict(H)
    np.testing.assert_allclose(sharpen(H, start[:, [2, 0, 1]]).predict(H), R[:, [2, 0, 1]], atol=1e-6)
    rows = rng.permutation(900)
    np.testing.assert_allclose(sharpen(H[rows], start[rows]).predict(H), R, atol=1e-6)


def test_units_and_rotation_of_the_features(hidden):
    H, truth = hidden
    R = sharpen(H, one_hot(truth, 3)).predict(H)
    np.testing.assert_allclose(sharpen(1e3 * H + 5, one_hot(truth, 3)).predict(1e3 * H + 5), R, atol=1e-6)


def test_odd_shapes(hidden):
    H, truth = hidden
    assert (sharpen(H, np.ones((900, 1))).predict(H) == 1).all()  # one cluster
    assert sharpen(H[:, :2], one_hot(truth, 6)).predict(H[:, :2]).shape == (900, 6)  # empty clusters, few features
    flat = sharpen(np.zeros((9, 3)), one_hot(np.arange(9) % 2, 2)).predict(np.zeros((9, 3)))
    assert np.isfinite(flat).all()
