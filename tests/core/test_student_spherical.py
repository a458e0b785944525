"""One variance for all: EM against a loop over rows, the Gaussian closed form, and k-means on rows of length one."""

import numpy as np
import pytest
from scipy.stats import multivariate_t
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from spotweave.core.student_em import Prior, Student, expect, log_prior
from spotweave.core.student_mixture import StudentMixture


def spherical(k, **settings):
    return StudentMixture(k, covariance="spherical", **settings)


def draw(rng, *, n=151, k=4, d=5, spread=3.0, dof=5.0):
    truth, means = rng.integers(k, size=n), spread * rng.normal(size=(k, d))
    Z = means[truth] + rng.normal(size=(n, d)) / np.sqrt(rng.gamma(dof / 2, 2 / dof, size=(n, 1)))
    return Z, truth, means


def loop(Z, labels, k, *, dof, mean_rows, scale_rows, n_steps):
    """MAP-EM in the units of Z, a row and a component at a time: means, variance and shares after the last step."""
    n, d = Z.shape
    centre = np.median(Z, axis=0)
    robust = np.mean((1.4826 * np.median(np.abs(Z - centre), axis=0)) ** 2)
    R, U = np.eye(k)[labels], np.ones((n, k))
    means, variance, share = np.zeros((k, d)), 1.0, np.ones(k)
    for step in range(n_steps):
        if step > 0:
            joint = np.empty((n, k))
            for i in range(n):
                for c in range(k):
                    delta = ((Z[i] - means[c]) ** 2).sum() / variance
                    U[i, c] = (dof + d) / (dof + delta)
                    joint[i, c] = np.log(share[c]) - (dof + d) / 2 * np.log(1 + delta / dof)
            R = np.exp(joint - joint.max(axis=1, keepdims=True))
            R /= R.sum(axis=1, keepdims=True)
        pull = (R * U).sum(axis=0) + mean_rows
        means = ((R * U).T @ Z + mean_rows * centre) / pull[:, None]
        square = scale_rows * d * robust * k ** (-2 / d)
        for c in range(k):
            square += mean_rows * ((means[c] - centre) ** 2).sum()
            square += sum(R[i, c] * U[i, c] * ((Z[i] - means[c]) ** 2).sum() for i in range(n))
        variance = square / (d * (n + scale_rows + (k if mean_rows > 0 else 0)))
        share = R.mean(axis=0)
    return means, variance, share


@pytest.mark.parametrize("priors", [(0.0, 0.0), (0.5, 30.0)])
@pytest.mark.parametrize("dof", [3.0, 1e9])
def test_steps_are_those_of_the_loop(rng, dof, priors):
    Z, truth, _ = draw(rng)
    labels = np.where(rng.random(len(Z)) < 0.3, rng.integers(4, size=len(Z)), truth)
    mean_rows, scale_rows = priors
    fit = spherical(4, dof=dof, mean_rows=mean_rows, scale_rows=scale_rows, max_iter=6, tol=0.0)
    fit.fit(Z, start=labels)
    expected = loop(Z, labels, 4, dof=dof, mean_rows=mean_rows, scale_rows=scale_rows, n_steps=6)
    for found, value in zip((fit.means_, fit.covariances_, fit.weights_), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-6)
    assert fit.covariances_.shape == ()


def test_one_gaussian_component_is_the_closed_form(rng):
    Z = rng.normal(size=(77, 3)) * [1, 2, 9]
    fit = spherical(1, dof=1e9, mean_rows=0, scale_rows=0).fit(Z)
    np.testing.assert_allclose(fit.means_[0], Z.mean(axis=0), rtol=1e-6)
    assert float(fit.covariances_) == pytest.approx(((Z - Z.mean(axis=0)) ** 2).mean())


def test_density_is_that_of_the_formula(rng):
    Z, *_ = draw(rng)
    fit = spherical(3, dof="component", n_init=2, rng=rng).fit(1e-3 * Z + 2)
    parts = zip(fit.weights_, fit.means_, fit.dofs_, strict=True)
    joint = sum(w * multivariate_t(m, fit.covariances_ * np.eye(5), nu).pdf(1e-3 * Z + 2) for w, m, nu in parts)
    np.testing.assert_allclose(fit.score_samples(1e-3 * Z + 2), np.log(joint), rtol=1e-8)


@pytest.mark.parametrize("dof", ["component", "shared", 4.0])
@pytest.mark.parametrize("prior", [(1.0, 0.0, 0.0), (1.0, 0.01, 1.0), (3.0, 5.0, 20.0), (-4.0, 0.0, 3.0)])
def test_objective_never_falls_but_where_a_component_goes(dof, prior):
    Z, *_ = draw(np.random.default_rng(0), n=300)
    concentration, mean_rows, scale_rows = prior
    fit = spherical(
        7, dof=dof, concentration=concentration, mean_rows=mean_rows, scale_rows=scale_rows, max_iter=80, tol=0.0
    ).fit(Z, start=np.random.default_rng(1).dirichlet(np.ones(7), len(Z)))
    steps = np.diff(fit.objective_history_)
    kept = np.setdiff1d(np.arange(len(steps)), fit.pruned_ - 1)
    assert len(steps) > 50
    assert steps[kept].min() > -1e-9
    assert len(fit.pruned_) == 7 - fit.n_components_


def test_variance_is_at_the_maximum_of_likelihood_and_prior(rng):
    Z, truth, _ = draw(rng)
    fit = spherical(4, dof="shared", mean_rows=6.0, scale_rows=9.0, tol=1e-15, max_iter=3_000).fit(Z, start=truth)
    Y, model = fit._frame.scaled(Z), fit._model
    prior = Prior(1.0, 6.0, 9.0, 4 ** (-2 / 5), spherical=True)

    def goal(factor: float) -> float:
        moved = Student(model.means, factor * model.covariances, model.weights, model.dofs)
        return expect(Y, np.ones(len(Y)), moved).evidence + log_prior(moved, prior)

    assert goal(1.0) > max(goal(0.999), goal(1.001))


def test_planted_variance_and_dof_are_recovered(rng):
    Z, truth, means = draw(rng, n=4_001, dof=6.0, spread=4.0)
    fit = spherical(4, dof="shared", n_init=4, tol=1e-6, rng=rng).fit(Z)
    assert adjusted_rand_score(truth, fit.predict(Z)) > 0.95
    assert float(fit.covariances_) == pytest.approx(1, rel=0.1)
    assert fit.dofs_[0] == pytest.approx(6, rel=0.25)
    assert np.sqrt(((means[:, None] - fit.means_) ** 2).sum(axis=2)).min(axis=1).max() < 0.3


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rows_of_length_one_are_sorted_as_well_as_by_kmeans(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(10, size=500)
    Z = rng.normal(size=(10, 24))[truth] + rng.uniform(0.5, 1.6, size=(500, 1)) * rng.normal(size=(500, 24))
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    fit = spherical(10, dof="shared", n_init=24, rng=rng).fit(Z)
    reference = KMeans(10, n_init=24, random_state=0).fit_predict(Z)
    assert adjusted_rand_score(truth, fit.predict(Z)) > adjusted_rand_score(truth, reference) - 0.03


def test_fit_does_not_depend_on_the_unit_or_the_order_of_features(rng):
    Z, *_ = draw(rng)
    a, b = (spherical(4, n_init=2, rng=np.random.default_rng(0)).fit(X) for X in (Z, 8 * Z[:, ::-1]))
    np.testing.assert_allclose(b.means_[:, ::-1], 8 * a.means_, rtol=1e-6)
    assert float(b.covariances_) == pytest.approx(64 * float(a.covariances_))


@pytest.mark.parametrize(("dof", "n_dofs"), [("component", 3), ("shared", 1), (4.0, 0)])
def test_parameters_are_counted(rng, dof, n_dofs):
    fit = spherical(3, dof=dof, n_init=1, rng=rng).fit(draw(rng)[0])
    assert fit.n_parameters == 3 * 5 + 2 + 1 + n_dofs


def test_labels_are_responsibilities_of_one(rng):
    Z, truth, _ = draw(rng)
    for covariance in ("spherical", "tied", "diag"):
        a, b = (StudentMixture(4, covariance=covariance).fit(Z, start=s) for s in (truth, np.eye(4)[truth]))
        np.testing.assert_array_equal(a.means_, b.means_)


def test_equal_rows_and_far_ones_stay_finite(rng):
    Z = np.concatenate([np.zeros((30, 3)), np.ones((30, 3)), rng.normal(size=(3, 3)) * 1e5])
    for priors in ({}, {"mean_rows": 0.0, "scale_rows": 0.0}):
        fit = spherical(3, n_init=2, rng=rng, **priors).fit(Z)
        for found in (fit.means_, fit.covariances_, fit.weights_, fit.score_samples(Z), fit.bic(Z)):
            assert np.isfinite(found).all()
