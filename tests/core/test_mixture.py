"""Tied Gaussian mixtures against scikit-learn's, a likelihood written out, and planted clusters."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from spotweave import InputError
from spotweave.core import mixture as module
from spotweave.core.mixture import em, tied_mixture


@pytest.fixture
def blobs(rng):
    """Three elongated, touching clusters of one covariance in 4 dimensions."""
    truth = rng.integers(3, size=307)
    centres = np.array([[0, 0, 0, 0], [0, 4, 0, 0], [0, 0, 5, 1.0]])
    mix = np.diag([8, 1, 1, 1]) @ np.linalg.qr(rng.normal(size=(4, 4)))[0]
    return centres[truth] @ np.linalg.qr(rng.normal(size=(4, 4)))[0] + 0.3 * rng.normal(size=(307, 4)) @ mix, truth


def density(model, H):
    """Weighted density of each component, from scipy."""
    covariance = np.linalg.inv(model.whiten @ model.whiten.T)
    means, weights = model.means @ np.linalg.inv(model.whiten), np.exp(model.log_weights)
    assert weights.sum() == pytest.approx(1)
    return np.stack([w * multivariate_normal(m, covariance).pdf(H) for w, m in zip(weights, means, strict=True)], 1)


def test_probability_and_likelihood_are_those_of_the_formula(blobs, rng):
    H, _ = blobs
    for X in (H, H + 100):
        fit = tied_mixture(X, 3, n_starts=2, rng=rng)
        joint = density(fit.model, X)
        np.testing.assert_allclose(fit.probability, joint / joint.sum(axis=1, keepdims=True), atol=1e-7)
        np.testing.assert_allclose(fit.model.predict(X), fit.probability, atol=1e-9)
        assert fit.log_likelihood == pytest.approx(np.log(joint.sum(axis=1)).mean())
        assert fit.converged


def test_ends_where_scikit_learn_ends_from_the_same_start(blobs):
    H, truth = blobs
    labels = KMeans(3, n_init=1, random_state=1).fit_predict(H)
    means = np.stack([H[labels == c].mean(axis=0) for c in range(3)])
    within = H - means[labels]
    reference = GaussianMixture(
        3, covariance_type="tied", weights_init=np.bincount(labels) / 307, means_init=means,
        precisions_init=np.linalg.inv(within.T @ within / 307), tol=1e-9, max_iter=2_000,
    ).fit(H)  # fmt: skip
    found = em(H, np.eye(3)[labels], tolerance=1e-9, n_steps=2_000)
    assert found.log_likelihood == pytest.approx(reference.score(H), abs=1e-4)
    np.testing.assert_allclose(found.probability, reference.predict_proba(H), atol=1e-2)


def test_likelihood_never_falls_and_running_out_of_steps_is_said(blobs):
    H, _ = blobs
    R = np.random.default_rng(0).dirichlet(np.ones(3), len(H))
    fits = [em(H, R, n_steps=n, tolerance=0.0) for n in range(1, 25)]
    assert (np.diff([fit.log_likelihood for fit in fits]) >= -1e-9).all()
    assert not fits[0].converged


def test_not_below_scikit_learn_and_never_below_one_of_its_own_starts(blobs):
    H, truth = blobs
    fit = tied_mixture(H, 3, n_starts=6, rng=np.random.default_rng(4))
    for seed in range(5):
        other = GaussianMixture(3, covariance_type="tied", random_state=seed, tol=1e-4, max_iter=200).fit(H)
        assert fit.log_likelihood >= other.score(H) - 1e-3
    for seed in np.random.default_rng(4).integers(2**31, size=6):
        start = KMeans(3, n_init=1, random_state=int(seed)).fit_predict(H)
        assert fit.log_likelihood >= em(H, np.eye(3)[start]).log_likelihood
    ward = AgglomerativeClustering(3).fit_predict(H)
    assert fit.log_likelihood >= em(H, np.eye(3)[ward]).log_likelihood
    assert adjusted_rand_score(truth, fit.probability.argmax(axis=1)) > 0.9


def test_one_component_is_the_gaussian_of_the_data(blobs, rng):
    H, _ = blobs
    fit = tied_mixture(H, 1, rng=rng)
    assert (fit.probability == 1).all()
    expected = multivariate_normal(H.mean(axis=0), np.cov(H.T, bias=True)).logpdf(H).mean()
    assert fit.log_likelihood == pytest.approx(expected, abs=1e-3)


def test_without_k_means_starts_the_hierarchical_one_is_used(blobs, rng, monkeypatch):
    H, truth = blobs
    for rows in (2_000, 100):  # all rows, or part of them with the others by nearest centre
        monkeypatch.setattr(module, "WARD_ROWS", rows)
        fit = tied_mixture(H, 3, n_starts=0, rng=rng)
        assert adjusted_rand_score(truth, fit.probability.argmax(axis=1)) > 0.8


def test_large_data_is_fitted_on_a_part_and_labelled_whole(blobs, rng, monkeypatch):
    H, truth = blobs
    monkeypatch.setattr(module, "MAX_ROWS", 150)
    fit = tied_mixture(H, 3, n_starts=3, rng=rng)
    assert fit.probability.shape == (307, 3)
    assert adjusted_rand_score(truth, fit.probability.argmax(axis=1)) > 0.9


def test_seed_fixes_the_result(blobs):
    a, b = (tied_mixture(blobs[0], 4, n_starts=2, rng=np.random.default_rng(7)).probability for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_float32_and_scale(blobs, rng):
    H, _ = blobs
    a = tied_mixture(H, 3, n_starts=2, rng=np.random.default_rng(0)).probability
    b = tied_mixture((1e-3 * H).astype(np.float32), 3, n_starts=2, rng=np.random.default_rng(0)).probability
    assert adjusted_rand_score(a.argmax(axis=1), b.argmax(axis=1)) == 1


@pytest.mark.parametrize("ward", [True, False])
def test_fewer_distinct_rows_than_components(rng, ward):
    H = np.eye(3)[np.arange(50) % 3]
    fit = tied_mixture(H, 5, n_starts=2, ward=ward, rng=rng)
    assert fit.probability.shape == (50, 5)
    assert np.isfinite(fit.probability).all()
    for row in range(3):  # equal rows have equal posteriors
        assert np.ptp(fit.probability[row::3], axis=0).max() < 1e-9


def test_as_many_components_as_rows(rng):
    assert tied_mixture(rng.normal(size=(9, 2)), 9, rng=rng).probability.shape == (9, 9)


@pytest.mark.parametrize("k", [0, 10, -1, 2.5, True])
def test_number_that_does_not_fit_is_an_error(rng, k):
    with pytest.raises(InputError, match="n_components.*the number of rows"):
        tied_mixture(rng.normal(size=(9, 2)), k, rng=rng)


def test_bad_features_are_errors(rng):
    H = rng.normal(size=(9, 2))
    H[3, 1] = np.nan
    with pytest.raises(InputError, match="finite features"):
        tied_mixture(H, 2, rng=rng)
    with pytest.raises(InputError, match="two rows"):
        tied_mixture(np.ones((1, 2)), 1, rng=rng)
