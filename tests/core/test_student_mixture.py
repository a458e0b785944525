"""Student mixtures against scikit-learn's Gaussian ones, a density written out, and planted components."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from scipy.stats import multivariate_t
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from spotweave import InputError
from spotweave.core.student_mixture import StudentMixture

DOFS = np.array([3.0, 30.0, 6.0])


def draw(rng, *, n, d=4, dofs=DOFS, spread=5.0):
    """Rows of a t mixture with uneven weights, their components and its parameters."""
    k = len(dofs)
    weights = np.arange(2.0, k + 2) / np.arange(2.0, k + 2).sum()
    truth = rng.choice(k, n, p=weights)
    means, scales = spread * np.eye(k, d) + rng.normal(size=(k, d)), rng.uniform(0.3, 2, size=(k, d))
    u = rng.gamma(dofs[truth] / 2, 2 / dofs[truth])
    Z = means[truth] + np.sqrt(scales[truth] / u[:, None]) * rng.normal(size=(n, d))
    return Z, truth, (weights, means, scales)


def density(fit, Z):
    """Weighted density of each component, from scipy."""
    matrices = [fit.covariances_] * len(fit.weights_) if fit.covariance == "tied" else map(np.diag, fit.covariances_)
    parts = zip(fit.weights_, fit.means_, matrices, fit.dofs_, strict=True)
    return np.stack([w * multivariate_t(m, S, nu).pdf(Z) for w, m, S, nu in parts], axis=1)


def falls(fit):
    """Largest relative fall of the objective outside of prunings."""
    steps = np.diff(fit.objective_history_)
    kept = np.setdiff1d(np.arange(len(steps)), fit.pruned_ - 1)
    return -(steps[kept] / np.abs(fit.objective_history_[1:][kept])).min(initial=0)


@pytest.mark.parametrize("covariance", ["diag", "tied"])
@pytest.mark.parametrize("dof", ["component", "shared", 4.0])
def test_posterior_and_density_are_those_of_the_formula(rng, covariance, dof):
    Z, *_ = draw(rng, n=211)
    for X in (Z, 1e-3 * Z + 7):
        fit = StudentMixture(3, covariance=covariance, dof=dof, n_init=2, rng=rng).fit(X)
        joint = density(fit, X)
        np.testing.assert_allclose(fit.score_samples(X), np.log(joint.sum(axis=1)), rtol=1e-8)
        np.testing.assert_allclose(fit.predict_proba(X), joint / joint.sum(axis=1, keepdims=True), atol=1e-9)
        np.testing.assert_array_equal(fit.predict(X), joint.argmax(axis=1))
        assert fit.weights_.sum() == pytest.approx(1)
        assert fit.converged_


@pytest.mark.parametrize("covariance", ["diag", "tied"])
@pytest.mark.parametrize("dof", ["component", "shared", 4.0])
@pytest.mark.parametrize("prior", [(1.0, 0.0, 0.0), (1.0, 0.01, 1.0), (3.0, 5.0, 20.0), (0.2, 0.0, 3.0)])
def test_objective_never_falls(covariance, dof, prior):
    Z, *_ = draw(np.random.default_rng(0), n=300)
    start = np.random.default_rng(1).dirichlet(np.ones(6), len(Z))
    concentration, mean_rows, scale_rows = prior
    fit = StudentMixture(
        6, covariance=covariance, dof=dof, concentration=concentration, mean_rows=mean_rows, scale_rows=scale_rows,
        max_iter=150, tol=0.0,
    ).fit(Z, start=start)  # fmt: skip
    assert len(fit.objective_history_) > 50
    assert falls(fit) < 1e-8


def test_objective_is_likelihood_and_prior_written_out(rng):
    Z, *_ = draw(rng, n=200)
    Z = (Z - np.median(Z, axis=0)) / 1.4826
    Z /= np.sort(np.abs(Z), axis=0)[99]  # a frame that is the identity but for the choice among two medians
    values = []
    for n_steps in (2, 60):
        fit = StudentMixture(3, concentration=2.0, mean_rows=0.5, scale_rows=3.0, max_iter=n_steps).fit(Z)
        m, s = (fit.means_ - fit._frame.centre) / fit._frame.scale, fit.covariances_ / fit._frame.scale**2
        scale = 3 ** (-2 / 4)
        prior = np.log(fit.weights_).sum() - (4 * np.log(s) + 3 * scale / s + 0.5 * m**2 / s).sum() / 2
        values.append(fit.score_samples(Z).mean() + prior / 200 - fit.objective_history_[-1])
    np.testing.assert_allclose(values, 0, atol=1e-10)


@pytest.mark.parametrize("covariance", ["diag", "tied"])
def test_large_fixed_dof_and_flat_priors_are_scikit_learns_gaussians(rng, covariance):
    Z, *_ = draw(rng, n=400, dofs=np.full(3, 50.0), spread=3.0)
    labels = KMeans(3, n_init=1, random_state=1).fit_predict(Z)
    start = np.eye(3)[labels]
    means = np.stack([Z[labels == c].mean(axis=0) for c in range(3)])
    within = Z - means[labels]
    tied = covariance == "tied"
    precisions = (
        np.linalg.inv(within.T @ within / 400) if tied else 1 / np.stack([within[labels == c].var(0) for c in range(3)])
    )
    reference = GaussianMixture(
        3, covariance_type=covariance, weights_init=start.mean(axis=0), means_init=means, precisions_init=precisions,
        reg_covar=0, tol=1e-10, max_iter=5_000,
    ).fit(Z)  # fmt: skip
    fit = StudentMixture(
        3, covariance=covariance, dof=1e9, mean_rows=0, scale_rows=0, tol=1e-10, max_iter=5_000
    ).fit(Z, start=start)  # fmt: skip
    assert fit.score_samples(Z).mean() == pytest.approx(reference.score(Z), abs=1e-6)
    np.testing.assert_allclose(fit.means_, reference.means_, atol=1e-3)
    np.testing.assert_allclose(fit.covariances_, reference.covariances_, atol=1e-3)
    np.testing.assert_allclose(fit.weights_, reference.weights_, atol=1e-3)
    assert fit.bic(Z) == pytest.approx(reference.bic(Z), abs=1e-2)


def test_planted_parameters_are_recovered(rng):
    Z, truth, (weights, means, scales) = draw(rng, n=6_001)
    fit = StudentMixture(3, n_init=3, tol=1e-6, rng=rng).fit(Z)
    order = linear_sum_assignment(((means[:, None] - fit.means_) ** 2).sum(axis=2))[1]
    np.testing.assert_allclose(fit.weights_[order], weights, atol=0.02)
    np.testing.assert_allclose(fit.means_[order], means, atol=0.15)
    np.testing.assert_allclose(fit.covariances_[order], scales, rtol=0.15)
    assert fit.dofs_[order][0] == pytest.approx(3, rel=0.15)
    assert 18 < fit.dofs_[order][1] < 60
    assert fit.dofs_[order][2] == pytest.approx(6, rel=0.25)


@pytest.mark.parametrize("true", [3.0, 30.0])
def test_shared_dof_and_full_matrix_are_recovered(rng, true):
    Z, truth, _ = draw(rng, n=6_001, dofs=np.full(2, true), spread=8.0)
    A, centre = rng.normal(size=(4, 4)), 8 * np.eye(2, 4)
    u = rng.gamma(true / 2, 2 / true, size=6_001)
    Z = centre[truth] + rng.normal(size=(6_001, 4)) @ A / np.sqrt(u)[:, None]
    fit = StudentMixture(2, covariance="tied", dof="shared", n_init=3, tol=1e-6, rng=rng).fit(Z)
    np.testing.assert_allclose(fit.covariances_, A.T @ A, atol=0.1 * (A**2).sum(axis=0).max())
    assert fit.dofs_[0] == fit.dofs_[1] == pytest.approx(true, rel=0.25)


def test_outliers_move_a_gaussian_mixture_and_not_this_one(rng):
    Z, truth, (_, means, _) = draw(rng, n=600, dofs=np.full(3, 50.0))
    Z[:30] = rng.uniform(-400, 400, size=(30, 4))
    fit = StudentMixture(3, rng=rng).fit(Z)
    gaussian = GaussianMixture(3, covariance_type="diag", random_state=0, n_init=5).fit(Z)
    assert adjusted_rand_score(truth[30:], fit.predict(Z)[30:]) > 0.95
    assert adjusted_rand_score(truth[30:], gaussian.predict(Z)[30:]) < 0.7
    nearest = np.sqrt(((means[:, None] - fit.means_) ** 2).sum(axis=2)).min(axis=1)
    assert nearest.max() < 0.4


def test_weights_of_rows_are_repeats_and_zero_is_absence(rng):
    Z, truth, _ = draw(rng, n=151)
    times = rng.integers(0, 3, size=151)
    times[truth == 0] = np.maximum(times[truth == 0], 1)
    start = np.eye(3)[truth]
    a = StudentMixture(3).fit(Z, start=start, sample_weight=times)
    b = StudentMixture(3).fit(np.repeat(Z, times, axis=0), start=np.repeat(start, times, axis=0))
    np.testing.assert_allclose(a.means_, b.means_, rtol=1e-6)
    np.testing.assert_allclose(a.dofs_, b.dofs_, rtol=1e-6)
    assert a.bic(Z, sample_weight=times) == pytest.approx(b.bic(np.repeat(Z, times, axis=0)))
    Z[times == 0] = 1e6
    c = StudentMixture(3, rng=rng).fit(Z, sample_weight=times)
    assert np.abs(c.means_).max() < 50


def test_low_concentration_removes_components_one_at_a_time(rng):
    Z, truth, _ = draw(rng, n=900, dofs=np.full(3, 30.0), spread=8.0)
    fit = StudentMixture(12, concentration=-8.0, rng=rng).fit(Z)  # 9 parameters each: 1 - 9 / 2 and some
    assert fit.n_components_ == len(fit.weights_) == 12 - len(fit.pruned_) < 6
    assert len(np.unique(fit.pruned_)) == len(fit.pruned_)
    assert (np.diff(fit.objective_history_).argmin() + 1) in fit.pruned_
    assert falls(fit) < 1e-8
    assert (900 * fit.weights_ > 9 - 1e-6).all()
    assert adjusted_rand_score(truth, fit.predict(Z)) > 0.9


@pytest.mark.parametrize("covariance", ["diag", "tied"])
@pytest.mark.parametrize("priors", [{}, {"mean_rows": 0.0, "scale_rows": 0.0}])
def test_components_of_one_row_or_none_and_equal_rows(rng, covariance, priors):
    Z = np.concatenate([rng.normal(size=(40, 3)), np.full((1, 3), 1e3), np.full((30, 3), -20.0)])
    start = np.zeros((71, 4))
    start[:40, 0] = start[40, 1] = start[41:, 2] = 1  # the fourth has no row
    fit = StudentMixture(4, covariance=covariance, **priors).fit(Z, start=start)
    assert fit.n_components_ <= 4
    for found in (fit.means_, fit.covariances_, fit.weights_, fit.dofs_, fit.score_samples(Z), fit.bic(Z)):
        assert np.isfinite(found).all()
    assert falls(fit) < 1e-8
    assert len(np.unique(fit.predict(Z)[41:])) == 1


def test_component_that_no_row_is_near_is_removed(rng):
    Z = np.concatenate([rng.normal(size=(40, 3)), 60 + rng.normal(size=(40, 3))])
    start = np.zeros((80, 3))
    start[:40, 0] = start[40:, 1] = 1
    fit = StudentMixture(3, dof=1e6, mean_rows=0.0, scale_rows=0.0).fit(Z, start=start)
    assert fit.n_components_ == 2
    np.testing.assert_allclose(fit.weights_, 0.5)


@pytest.mark.parametrize("covariance", ["diag", "tied"])
def test_constant_feature_changes_nothing(rng, covariance):
    Z, *_ = draw(rng, n=150)
    wide = np.insert(Z, 2, 0.3, axis=1)
    a, b = (StudentMixture(3, covariance=covariance, n_init=2, rng=np.random.default_rng(0)).fit(X) for X in (Z, wide))
    np.testing.assert_allclose(a.score_samples(Z), b.score_samples(wide))
    assert (b.means_[:, 2] == 0.3).all()
    assert (b.covariances_[..., 2] == 0).all()


@pytest.mark.parametrize("covariance", ["diag", "tied"])
def test_odd_shapes(rng, covariance):
    one = StudentMixture(2, covariance=covariance, rng=rng).fit(
        np.concatenate([rng.normal(size=30), 9 + rng.normal(size=20)])[:, None]
    )
    assert sorted((50 * one.weights_).round()) == [20, 30]
    few = StudentMixture(5, covariance=covariance, rng=rng).fit(np.eye(3)[np.arange(50) % 3])
    assert np.isfinite(few.predict_proba(np.eye(3))).all()
    assert StudentMixture(7, covariance=covariance, rng=rng).fit(rng.normal(size=(7, 2))).n_iter_ >= 1


@pytest.mark.parametrize("covariance", ["diag", "tied"])
def test_large_numbers_and_many_features_do_not_overflow(rng, covariance):
    Z, truth, _ = draw(rng, n=200, d=64, dofs=np.full(3, 3.0))
    fit = StudentMixture(3, covariance=covariance, n_init=1, rng=np.random.default_rng(0)).fit(1e3 * Z)
    assert adjusted_rand_score(truth, fit.predict(1e3 * Z)) > 0.9
    for X in (1e3 * Z, 1e9 * Z, np.zeros((1, 64))):
        assert np.isfinite(fit.score_samples(X)).all()
        np.testing.assert_allclose(fit.predict_proba(X).sum(axis=1), 1)
    again = StudentMixture(3, covariance=covariance, n_init=1, rng=np.random.default_rng(0)).fit(Z.astype(np.float32))
    np.testing.assert_allclose(again.means_, fit.means_ / 1e3, atol=1e-2)
    assert again.means_.dtype == np.float64


def test_seed_fixes_every_bit_and_data_are_left_alone(rng):
    Z, *_ = draw(rng, n=211)
    before = Z.copy()
    a, b = (StudentMixture(4, rng=np.random.default_rng(7)).fit(Z) for _ in range(2))
    for name in ("means_", "covariances_", "weights_", "dofs_", "objective_history_"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    np.testing.assert_array_equal(Z, before)


def test_running_out_of_steps_is_said_and_chunks_do_not_matter(rng, monkeypatch):
    Z, *_ = draw(rng, n=211)
    whole = StudentMixture(3, max_iter=5, rng=np.random.default_rng(0)).fit(Z)
    assert not whole.converged_
    assert whole.n_iter_ == 5
    monkeypatch.setattr("spotweave.core.student_em.CHUNK", 60)
    parts = StudentMixture(3, max_iter=5, rng=np.random.default_rng(0)).fit(Z)
    np.testing.assert_allclose(parts.means_, whole.means_, rtol=1e-9)
    np.testing.assert_allclose(parts.predict_proba(Z), whole.predict_proba(Z), atol=1e-9)


def test_icl_is_bic_and_entropy(rng):
    Z, *_ = draw(rng, n=211)
    fit = StudentMixture(3, rng=rng).fit(Z)
    P = fit.predict_proba(Z)
    assert fit.icl(Z) == pytest.approx(fit.bic(Z) - 2 * (P * np.log(np.maximum(P, 1e-300))).sum())
    assert fit.n_parameters == 2 + 3 * (4 + 4 + 1)


@pytest.mark.parametrize("k", [0, 10, 2.5, True])
def test_number_that_does_not_fit_is_an_error(rng, k):
    with pytest.raises(InputError, match="n_components.*the number of rows"):
        StudentMixture(k).fit(rng.normal(size=(9, 2)))


def test_bad_input_is_an_error(rng):
    Z = rng.normal(size=(9, 2))
    with pytest.raises(InputError, match="fitted"):
        StudentMixture(2).predict(Z)
    fit = StudentMixture(2).fit(Z)
    with pytest.raises(InputError, match="2 features"):
        fit.predict(Z[:, :1])
    for weight in (np.ones(8), -np.ones(9), np.zeros(9)):
        with pytest.raises(InputError, match="9 weights"):
            StudentMixture(2).fit(Z, sample_weight=weight)
    for start in (np.ones((9, 3)), np.ones(9), np.ones(8, int), np.full((9, 2), np.nan), -np.ones((9, 2))):
        with pytest.raises(InputError, match=r"shape \[9, 2\]"):
            StudentMixture(2).fit(Z, start=start)
    for labels in (np.full(9, 2), np.full(9, -1)):
        with pytest.raises(InputError, match="labels from 0 to 1"):
            StudentMixture(2).fit(Z, start=labels)
    for settings in ({"covariance": "full"}, {"dof": "own"}, {"dof": -1.0}, {"scale_rows": -1}, {"n_init": 0}):
        with pytest.raises(InputError):
            StudentMixture(2, **settings).fit(Z)
    Z[3, 1] = np.nan
    with pytest.raises(InputError, match="NaN or infinity in 1 of 9"):
        StudentMixture(2).fit(Z)
