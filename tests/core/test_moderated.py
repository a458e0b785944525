import numpy as np
import pytest
from scipy import stats

from spotweave import InputError
from spotweave.core.moderated import moderated_contrast, prior

GROUP = np.array([0, 0, 0, 1, 1, 1])


def test_like_variances_are_pooled_and_unlike_ones_are_not(rng):
    same = moderated_contrast(rng.normal(size=(6, 5000)), GROUP, np.ones(6))
    assert same.df > 40
    assert abs((same.pvalue < 0.05).mean() - 0.05) < 0.01
    values = rng.normal(size=(6, 400)) / np.sqrt(rng.chisquare(0.1, size=400) + 1e-30)  # hardly any prior
    own = moderated_contrast(values, GROUP, np.ones(6))
    expected = stats.ttest_ind(values[3:], values[:3]).pvalue
    assert own.df < 5
    assert np.corrcoef(np.log(own.pvalue), np.log(expected))[0, 1] > 0.98


def test_prior_is_recovered(rng):
    d0, s0, d = 6.0, 2.5, 4.0
    true = s0 * d0 / rng.chisquare(d0, size=40_000)
    found = prior(true * rng.chisquare(d, size=40_000) / d, d)
    np.testing.assert_allclose(found, (d0, s0), rtol=0.08)


def test_p_is_uniform_where_variances_follow_the_prior(rng):
    sd = np.sqrt(4 / rng.chisquare(4, size=20_000))
    p = moderated_contrast(rng.normal(size=(6, 20_000)) * sd, GROUP, np.ones(6)).pvalue
    np.testing.assert_allclose([(p < a).mean() / a for a in (0.5, 0.05, 0.01)], 1, atol=0.15)


def test_precision_weighs_means_and_variances(rng):
    group, precision = np.array([0, 0, 1, 1, 1]), np.array([0.5, 1.5, 1.0, 1.2, 0.8])
    values = rng.normal(size=(5, 9000)) / np.sqrt(precision)[:, None]
    found = moderated_contrast(values, group, precision)
    np.testing.assert_allclose(found.mean[0], np.average(values[:2], axis=0, weights=precision[:2]))
    np.testing.assert_allclose(found.difference, found.mean[1] - found.mean[0])
    assert abs(found.variance.mean() - 1) < 0.05
    assert abs((found.pvalue < 0.05).mean() - 0.05) < 0.01


def test_too_few_replicates_are_refused():
    with pytest.raises(InputError, match="three replicates"):
        moderated_contrast(np.ones((2, 4)), np.array([0, 1]), np.ones(2))
