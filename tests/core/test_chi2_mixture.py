import numpy as np
import pytest
from scipy import stats

from spotweave.core.chi2_mixture import equivalent, gamma_log_tail, log_tail


@pytest.mark.parametrize("df", [1, 2, 7, 60])
def test_tail_of_equal_weights_is_chi_square(df):
    x = stats.chi2.isf([0.9, 0.5, 0.1, 0.05, 1e-3, 1e-8, 1e-60], df)
    np.testing.assert_allclose(log_tail(3 * x, np.full(df, 3.0)), stats.chi2.logsf(x, df), rtol=0.012, atol=0.07)


def test_tail_matches_random_draws(rng):
    weights = np.exp(-np.linspace(0, 5, 40))
    draws = rng.normal(size=(100_000, 40)) ** 2 @ weights
    for p in (0.5, 0.05, 0.01, 0.002):
        x = np.quantile(draws, 1 - p)
        assert np.exp(log_tail(np.array(x), weights)) == pytest.approx(p, abs=4 * np.sqrt(p / 100_000) + 0.01 * p)


def test_tail_falls_without_end_and_begins_at_one():
    found = log_tail(np.array([-1, 0, 1, 10, 1e3, 1e6, 1e16]), np.array([1, 0.2]))
    assert (found[:2] == 0).all()
    assert (np.diff(found[1:]) < 0).all()
    np.testing.assert_allclose(found[-2:], [-5e5, -5e15], rtol=1e-3)


@pytest.mark.parametrize("skewness", [0.1, 0.5, 1.5])
def test_gamma_tail(skewness):
    z = np.array([-1.0, 0, 1, 3, 6])
    gamma = stats.pearson3.logsf(z, skewness)
    np.testing.assert_allclose(gamma_log_tail(z, np.full(5, skewness)), gamma, rtol=0.04, atol=0.04)


def test_gamma_tail_without_skewness_is_normal():
    np.testing.assert_allclose(gamma_log_tail(np.array([0.0, 2]), np.zeros(2)), stats.norm.logsf([0, 2]), rtol=1e-3)


def test_equivalent_is_the_identity_or_a_quantile():
    z = np.array([-0.5, 0.3, 2, 4])
    np.testing.assert_allclose(equivalent(z, np.full(4, 0.7), 0.7), z)
    expected = stats.pearson3.isf(stats.pearson3.sf(z, 0.4), 1.2)
    np.testing.assert_allclose(equivalent(z, np.full(4, 0.4), 1.2), expected, rtol=0.03, atol=0.05)
