"""Poisson regressions against scikit-learn, scipy's optimiser, the gradient and planted loadings."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from sklearn.linear_model import PoissonRegressor

from spotweave import InputError
from spotweave.core.loglinear import EMPTY, poisson_regressions


@pytest.fixture
def planted(rng):
    """Counts of 11 genes in 307 cells with 4 correlated features; the last two genes have none and one molecule."""
    H = (rng.normal(size=(307, 4)) @ rng.normal(size=(4, 4)) / 2 + [0, 1, -2, 3]).astype(np.float64)
    size = rng.choice([30.0, 200.0, 900.0], 307)
    w = rng.normal(size=(4, 11)) / 2
    b = np.log(rng.choice([0.002, 0.05], 11)) - H.mean(axis=0) @ w
    X = rng.poisson(size[:, None] * np.exp(b + H @ w)).astype(float)
    X[:, 9:] = 0
    X[13, 10] = 1
    return sp.csr_matrix(X), size, H, w, b


def objective(x, size, H, penalty, b, w):
    eta = b + H @ w
    return x @ eta - size @ np.exp(eta) - penalty / 2 * (w @ w)


def test_gradient_vanishes_at_the_optimum(planted):
    X, size, H, _, _ = planted
    fit = poisson_regressions(X, size, H, penalty=0.7, n_steps=200, tolerance=1e-14)
    assert fit.converged.all()
    left = X.toarray() - size[:, None] * np.exp(fit.intercept + H @ fit.loadings.astype(float))
    scale = np.asarray(X.sum(axis=0)).ravel() + 1
    np.testing.assert_allclose(left.sum(axis=0)[:10] / scale[:10], 0, atol=1e-5)
    np.testing.assert_allclose((H.T @ left - 0.7 * fit.loadings) / scale, 0, atol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equals_scikit_learn(planted, dtype):
    X, size, H, _, _ = planted
    penalty = 3.0
    fit = poisson_regressions(X, size, H.astype(dtype), penalty=penalty, tolerance=1e-7, n_steps=60)
    assert fit.loadings.dtype == np.float32
    for g in range(9):
        theirs = PoissonRegressor(alpha=penalty / size.sum(), max_iter=5000, tol=1e-9, solver="newton-cholesky")
        theirs.fit(H, X[:, g].toarray().ravel() / size, sample_weight=size)
        np.testing.assert_allclose(fit.loadings[:, g], theirs.coef_, atol=1e-3)
        assert fit.intercept[g] == pytest.approx(theirs.intercept_, abs=5e-3)


def test_default_stops_within_the_tolerance_of_the_best(planted):
    X, size, H, _, _ = planted
    fit = poisson_regressions(X, size, H.astype(np.float32), penalty=0.5)
    assert fit.converged.all()
    for g in [0, 4, 10]:
        x = X[:, g].toarray().ravel()
        value = lambda v, x=x: objective(x, size, H, 0.5, v[0], v[1:])
        start = np.r_[fit.intercept[g], fit.loadings[:, g]].astype(float)
        best = minimize(lambda v, value=value: -value(v), start, method="BFGS")
        assert value(start) > -best.fun - 2e-3


def test_finds_planted_loadings(rng):
    H, w, b = rng.normal(size=(2001, 3)), rng.normal(size=(3, 5)) / 2, np.log(rng.uniform(0.01, 0.1, 5))
    size = rng.uniform(200, 2000, 2001)
    X = rng.poisson(size[:, None] * np.exp(b + H @ w)).astype(float)
    fit = poisson_regressions(X, size, H, penalty=1.0)
    np.testing.assert_allclose(fit.loadings, w, atol=0.02)
    np.testing.assert_allclose(fit.intercept, b, atol=0.02)


def test_a_huge_penalty_leaves_the_mean(planted):
    X, size, H, _, _ = planted
    fit = poisson_regressions(X, size, H, penalty=1e12)
    np.testing.assert_allclose(fit.loadings, 0, atol=1e-6)
    total = np.asarray(X.sum(axis=0)).ravel()
    np.testing.assert_allclose(fit.intercept[total > 0], np.log(total[total > 0] / size.sum()), atol=1e-5)


@pytest.mark.parametrize("penalty", [0.0, 1e-6, 1.0])
def test_rare_and_absent_genes_stay_finite(planted, penalty):
    X, size, H, _, _ = planted
    fit = poisson_regressions(X, size, H.astype(np.float32), penalty=penalty)
    assert np.isfinite(fit.intercept).all()
    assert np.isfinite(fit.loadings).all()
    assert (fit.intercept[9], fit.converged[9]) == (EMPTY, True)
    assert (fit.loadings[:, 9] == 0).all()
    mean = size * np.exp(fit.intercept[10] + H @ fit.loadings[:, 10])
    assert mean.sum() == pytest.approx(1, rel=1e-3)
    assert mean[13] > 1 / 307


def test_a_marker_of_one_region_is_fitted_exactly(rng):
    inside = (np.arange(503) < 25).astype(np.float32)
    x = rng.poisson(np.where(inside, 30.0, 0.01)).astype(float)
    fit = poisson_regressions(sp.csc_matrix(x[:, None]), np.ones(503), inside[:, None], penalty=1e-3)
    assert fit.converged.all()
    rate = np.exp(fit.intercept[0] + np.array([0, 1]) * fit.loadings[0, 0])
    np.testing.assert_allclose(rate, [x[25:].mean(), x[:25].mean()], rtol=1e-2)


def test_endless_climb_stays_finite(planted):
    X, size, H, _, _ = planted
    fit = poisson_regressions(X[:, [10]], size, H.astype(np.float32), penalty=0.0, n_steps=400, tolerance=-1)
    assert np.isfinite(fit.loadings).all()
    assert np.isfinite(fit.intercept).all()
    assert not fit.converged.any()


def test_a_gene_of_one_cell_among_very_many_is_fitted():
    only = (np.arange(200_003) == 77).astype(np.float32)
    x = np.where(only, 30.0, 0.0)
    x[100:150] = 1
    fit = poisson_regressions(sp.csc_matrix(x[:, None]), np.ones(len(x)), only[:, None], penalty=1e-5)
    assert fit.converged.all()  # Newton's first step is some 10,000 times too long
    assert fit.loadings[0, 0] == pytest.approx(np.log(30 / (50 / 200_002)), abs=0.02)


def test_curvature_far_from_the_assumed_one_takes_no_more_than_a_few_steps(rng):
    H = rng.normal(size=(601, 6))
    H[:, 0] = np.arange(601) < 30
    X = rng.poisson(np.exp(-1 + H @ np.r_[6, rng.normal(size=5)]))[:, None]
    fit = poisson_regressions(X, np.ones(601), H, penalty=1.0, n_steps=30)
    assert fit.converged.all()  # steepest ascent takes 36


def test_containers_blocks_and_collinear_features_do_not_matter(planted):
    X, size, H, _, _ = planted
    fit = poisson_regressions(X, size, H, penalty=0.5)
    copies = X.copy(), size.copy(), H.copy()
    for other in (X.tocsc(), X.toarray(), X.astype(np.int32)):
        same = poisson_regressions(other, size, H, penalty=0.5, block=3)
        np.testing.assert_allclose(same.loadings, fit.loadings, atol=1e-5)
        np.testing.assert_allclose(same.intercept, fit.intercept, atol=1e-5)
    for before, after in zip(copies, (X, size, H), strict=True):
        np.testing.assert_array_equal(sp.csr_matrix(before).toarray(), sp.csr_matrix(after).toarray())
    twice = poisson_regressions(X, size, np.c_[H, H, np.ones(307)], penalty=0.25, tolerance=1e-10, n_steps=90)
    once = poisson_regressions(X, size, H, penalty=0.125, tolerance=1e-10, n_steps=90)
    np.testing.assert_allclose(twice.loadings[:4] + twice.loadings[4:8], once.loadings, atol=1e-4)
    np.testing.assert_allclose(twice.loadings[8], 0, atol=1e-6)


def test_no_penalty_and_collinear_features(planted):
    X, size, H, _, _ = planted
    H = H.astype(np.float32)
    twice = poisson_regressions(X[:, :9], size, np.c_[H, H], penalty=0.0, tolerance=1e-10, n_steps=90)
    once = poisson_regressions(X[:, :9], size, H, penalty=0.0, tolerance=1e-10, n_steps=90)
    np.testing.assert_allclose(twice.loadings[:4], twice.loadings[4:], atol=1e-4)
    np.testing.assert_allclose(2 * twice.loadings[:4], once.loadings, atol=1e-3)


def test_rows_of_size_0_are_ignored(planted):
    X, size, H, _, _ = planted
    size, H = size.copy(), H.copy()
    size[5], H[5] = 0, 50
    rest = np.arange(307) != 5
    fit = poisson_regressions(X, size, H, penalty=0.5)
    same = poisson_regressions(X[rest], size[rest], H[rest], penalty=0.5)
    np.testing.assert_array_equal(fit.loadings, same.loadings)
    np.testing.assert_array_equal(fit.intercept, same.intercept)


def test_says_when_it_has_not_converged(planted):
    X, size, H, _, _ = planted
    fit = poisson_regressions(X, size, H, penalty=0.5, n_steps=1)
    assert not fit.converged.all()
    assert fit.converged[9]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": np.ones(3)}, "each of 307 rows"),
        ({"H": np.ones((3, 2))}, "each of 307 rows"),
        ({"size": np.full(307, -1.0)}, "finite sizes"),
        ({"size": np.zeros(307)}, "not all 0"),
        ({"H": np.full((307, 2), np.nan)}, "finite features"),
        ({"penalty": -1.0}, "`penalty`"),
        ({"penalty": np.inf}, "`penalty`"),
    ],
)
def test_bad_input_is_named(planted, change, message):
    X, size, H, _, _ = planted
    arguments = {"X": X, "size": size, "H": H, "penalty": 1.0, **change}
    with pytest.raises(InputError, match=message):
        poisson_regressions(**arguments)
