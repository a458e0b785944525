"""Density against scipy's, degrees of freedom against an optimiser on the expected likelihood."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import digamma, gammaln
from scipy.stats import multivariate_normal, multivariate_t

from spotweave.core.student import DOF_BOUNDS, log_density, solve_dofs


@pytest.mark.parametrize("d", [1, 3, 7])
def test_log_density_is_scipys(rng, d):
    Z, means, scales, dofs = (
        rng.normal(size=(11, d)),
        rng.normal(size=(4, d)),
        rng.uniform(0.1, 3, (4, d)),
        [1, 3, 30, 200],
    )
    expected = [multivariate_t(m, np.diag(s), nu).logpdf(Z) for m, s, nu in zip(means, scales, dofs, strict=True)]
    np.testing.assert_allclose(log_density(Z, means, scales, np.array(dofs, float)), np.transpose(expected), rtol=1e-10)


def test_log_density_with_one_full_matrix_is_scipys(rng):
    Z, means, A, dofs = rng.normal(size=(11, 3)), rng.normal(size=(4, 3)), rng.normal(size=(5, 3)), [1, 3, 30, 200]
    expected = [multivariate_t(m, A.T @ A, nu).logpdf(Z) for m, nu in zip(means, dofs, strict=True)]
    found = log_density(Z, means, (A.T @ A)[None], np.array(dofs, float))
    np.testing.assert_allclose(found, np.transpose(expected), rtol=1e-10)


def test_many_degrees_of_freedom_are_a_gaussian(rng):
    Z, mean, scale = rng.normal(size=(11, 5)), rng.normal(size=(1, 5)), rng.uniform(0.1, 3, (1, 5))
    expected = multivariate_normal(mean[0], np.diag(scale[0])).logpdf(Z)
    np.testing.assert_allclose(log_density(Z, mean, scale, np.array([1e9]))[:, 0], expected, rtol=1e-6)


@pytest.mark.parametrize("true", [1.5, 3, 30])
def test_degrees_of_freedom_maximise_the_expected_likelihood(rng, true):
    d, old = 4, 7.0
    delta = (rng.normal(size=(900, d)) ** 2).sum(axis=1) / rng.gamma(true / 2, 2 / true, size=900)
    u = (old + d) / (old + delta)
    log_u = np.log(u) + digamma((old + d) / 2) - np.log((old + d) / 2)

    def loss(nu):  # mean of -log Gamma(u; nu/2, nu/2) under the posterior of u
        return -(nu / 2 * np.log(nu / 2) - gammaln(nu / 2) + (nu / 2 - 1) * log_u - nu / 2 * u).mean()

    expected = minimize_scalar(loss, bounds=DOF_BOUNDS, method="bounded", options={"xatol": 1e-9}).x
    surplus = np.array([(np.log(u) - u).mean()])
    assert solve_dofs(surplus, np.array([old]), d)[0] == pytest.approx(expected, rel=1e-4)


def test_degrees_of_freedom_stay_in_their_bounds():
    np.testing.assert_allclose(solve_dofs(np.array([-50.0, -0.86]), np.array([5.0, 5.0]), 3), DOF_BOUNDS)
