"""Deviances and likelihoods against scipy's distributions; dispersion against its formula and simulated genes."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from spotweave import InputError
from spotweave.core.likelihood import (
    MEAN_FLOOR,
    fit_dispersion,
    negative_binomial_deviance,
    negative_binomial_log_likelihood,
    pearson_residuals,
    poisson_deviance,
)

ALPHAS = [1e-3, 0.1, 0.8, 20.0]


@pytest.fixture
def counts(rng) -> np.ndarray:
    x = rng.poisson(rng.choice([0.1, 3.0, 200.0], 7), (31, 7))
    x[4] = 0
    return x


@pytest.fixture
def means(rng) -> np.ndarray:
    return rng.choice([0.05, 2.0, 300.0], (31, 7)) * rng.random((31, 7))


def law(mean, alpha):
    return stats.nbinom(1 / alpha, 1 / (1 + alpha * mean)) if alpha else stats.poisson(mean)


@pytest.mark.parametrize("alpha", [0, *ALPHAS])
def test_log_likelihood_matches_scipy(counts, means, alpha):
    np.testing.assert_allclose(
        negative_binomial_log_likelihood(counts, means, alpha), law(means, alpha).logpmf(counts), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("alpha", [1e-250, 1e-13, 1e-8, 1e-5])
def test_log_likelihood_near_the_poisson_limit(alpha):
    x, mean = np.array([[0, 1, 2, 40, 900]]), np.array([[0.3, 2.0, 2.0, 30.0, 1000.0]])
    product = [np.log1p(alpha * np.arange(k)).sum() for k in x[0]]  # Gamma(x + r) / Gamma(r) r^x, factor by factor
    expected = product - (x[0] + 1 / alpha) * np.log1p(alpha * mean[0]) + x[0] * np.log(mean[0])
    expected -= [np.log(np.arange(1, k + 1)).sum() for k in x[0]]
    np.testing.assert_allclose(negative_binomial_log_likelihood(x, mean, alpha)[0], expected, rtol=1e-8)


@pytest.mark.parametrize("alpha", [0, *ALPHAS])
def test_deviance_is_twice_the_lost_log_likelihood(counts, means, alpha):
    best = np.where(counts > 0, law(np.maximum(counts, 1), alpha).logpmf(counts), 0.0)
    expected = 2 * (best - law(means, alpha).logpmf(counts))
    np.testing.assert_allclose(negative_binomial_deviance(counts, means, alpha), expected, rtol=1e-9, atol=1e-8)
    if alpha == 0:
        np.testing.assert_allclose(poisson_deviance(counts, means), expected, rtol=1e-9, atol=1e-8)


def test_deviance_of_a_zero_count_is_exact():
    mean = np.array([1e-7, 0.2, 5.0, 1e6])
    np.testing.assert_allclose(poisson_deviance(np.zeros(4), mean), 2 * mean, rtol=1e-14)
    np.testing.assert_allclose(negative_binomial_deviance(np.zeros(4), mean, 0.5), 4 * np.log1p(0.5 * mean), rtol=1e-14)


@pytest.mark.parametrize("alpha", [1e-300, 1e-16, 1e-12, 1e-9])
def test_deviance_goes_over_into_poisson(counts, means, alpha):
    limit = poisson_deviance(counts, means)
    np.testing.assert_allclose(negative_binomial_deviance(counts, means, alpha), limit, rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("alpha", [0, 0.3])
def test_deviance_is_zero_at_the_count_and_finite_everywhere(counts, alpha):
    np.testing.assert_allclose(negative_binomial_deviance(counts, counts, alpha), 0, atol=3 * MEAN_FLOOR)
    surprise = negative_binomial_deviance(np.array([0, 3, 3]), np.array([0.0, 0.0, -1.0]), alpha)
    assert surprise[0] == pytest.approx(2 * MEAN_FLOOR)
    assert surprise[1] == surprise[2] > 100
    assert np.isfinite(surprise).all()
    assert (negative_binomial_deviance(np.full(99, 1e6), 1e6 + np.linspace(-1e-3, 1e-3, 99), alpha) >= 0).all()


def test_dispersion_of_each_gene_reaches_its_column(counts, means):
    alphas = np.array([0, 0.1, 0.5, 1, 0, 2, 7])
    for function in (negative_binomial_deviance, negative_binomial_log_likelihood, pearson_residuals):
        each = np.column_stack([function(counts[:, j], means[:, j], alphas[j]) for j in range(7)])
        np.testing.assert_array_equal(function(counts, means, alphas), each)


@pytest.mark.parametrize("alpha", [0.0, 0.7])
def test_residuals_of_the_true_model_have_mean_0_and_variance_1(rng, alpha):
    mean = np.broadcast_to([0.5, 4.0, 60.0], (40_000, 3))
    z = pearson_residuals(law(mean, alpha).rvs(random_state=rng), mean, alpha)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=4 / np.sqrt(40_000))
    np.testing.assert_allclose(z.var(axis=0), 1, rtol=0.06)


def test_residual_where_nothing_was_expected():
    assert pearson_residuals(np.array([0, 1]), np.zeros(2), 0.1).tolist() == [0, 1 / np.sqrt(MEAN_FLOOR)]


def simulated(rng, alpha, n=3000):
    """Counts and true means of genes with dispersions `alpha`, cells of different depth."""
    means = rng.lognormal(0, 0.5, (n, 1)) * np.linspace(1, 4, len(alpha))
    excess = [rng.gamma(1 / a, a, n) if a else np.ones(n) for a in alpha]
    return rng.poisson(means * np.column_stack(excess)), means


def chunks_of(X, size):
    return lambda: ((slice(i, i + size), X[i : i + size]) for i in range(0, X.shape[0], size))


def test_fit_dispersion_recovers_the_truth(rng):
    alpha = np.array([0, 0, 0.1, 0.1, 0.5, 0.5, 2.0, 2.0])
    X, means = simulated(rng, alpha)
    np.testing.assert_allclose(fit_dispersion(chunks_of(X, 700), lambda r: means[r]), alpha, rtol=0.2, atol=0.03)


def test_fit_dispersion_matches_the_formula_in_any_chunks(rng):
    X, means = simulated(rng, np.array([0.0, 0.4, 1.5, 0.4]), n=257)
    X[:, 3], means[:, 3] = 0, 0.0
    expected = []
    for x, mean in zip(X.T[:3], means.T[:3], strict=True):
        first = max(sum((a - m) ** 2 - a for a, m in zip(x, mean, strict=True)) / sum(mean**2), 0)
        w = (1 + first * mean) ** -2
        expected.append(max((w * ((x - mean) ** 2 - x)).sum() / (w * mean**2).sum(), 0))
    for size in (257, 100, 1):
        for matrix in (X, sp.csr_matrix(X)):
            found = fit_dispersion(chunks_of(matrix, size), lambda r: means[r])
            np.testing.assert_allclose(found, [*expected, 0])


def test_underdispersed_gene_has_dispersion_0(rng):
    X = rng.binomial(10, 0.8, (500, 1))
    assert fit_dispersion(chunks_of(X, 500), lambda _: np.full((500, 1), 8.0)).tolist() == [0]
    with pytest.raises(InputError, match="at least one row"):
        fit_dispersion(lambda: iter(()), lambda _: X)
