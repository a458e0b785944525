import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from spotweave.core.score_residuals import (
    LEVELS,
    MOST_OF_SUM,
    clip_outliers,
    dispersion_levels,
    power,
    residual_moments,
    working_weights,
)


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_moments_match_dense_residuals(rng, level):
    depth = rng.lognormal(0, 0.5, 61)
    depth[7] = 0
    counts = rng.poisson(np.outer([0.3, 2, 9], depth)).astype(float)
    Y = sp.csr_matrix(counts)
    weights = working_weights(depth, level)
    found = residual_moments([power(Y, k) for k in (1, 2, 3, 4)], depth, weights)
    w = np.where(depth > 0, 1 / np.sqrt(np.where(depth > 0, depth, 1) * (1 + level * depth)), 0)
    q = w * depth
    for g in range(3):
        share = (q * w * counts[g]).sum() / (q**2).sum()
        e = w * (counts[g] - share * depth)
        assert e @ q == pytest.approx(0, abs=1e-9)
        assert found.share[g] == pytest.approx(share)
        assert found.square[g] == pytest.approx((e**2).sum())
        assert found.skewness[g] == pytest.approx((e**3).mean() / (e**2).mean() ** 1.5)
        products = [e[i] ** 2 * e[j] ** 2 for i in range(61) for j in range(61) if i != j]
        assert found.distinct[g] == pytest.approx(np.mean(products) / (e**2).mean() ** 2)


def test_weights_make_the_variance_of_residuals_even(rng):
    depth = np.repeat([0.3, 1.0, 3.0], 20_000)
    for level in (0.0, 1.0):
        rate = depth * (rng.gamma(1 / level, level, depth.size) if level else 1)
        e = working_weights(depth, level).w * (rng.poisson(rate) - depth)  # share 1: the level is alpha
        spread = [e[depth == d].var() for d in (0.3, 1.0, 3.0)]
        np.testing.assert_allclose(spread, 1, atol=0.1)


def test_levels_are_found(rng):
    depth = rng.lognormal(0, 0.4, 20_000)
    rates = [depth * (rng.gamma(1 / a, a, 20_000) if a else 1) for a in LEVELS]
    Y = sp.csr_matrix(rng.poisson(rates).astype(float))
    np.testing.assert_array_equal(dispersion_levels(Y, depth), np.arange(len(LEVELS)))
    empty = dispersion_levels(sp.csr_matrix((2, 20_000)), depth)
    assert np.isin(empty, np.arange(len(LEVELS))).all()


def test_only_outliers_are_clipped(rng):
    depth = rng.lognormal(0, 0.3, 500)
    depth /= depth.mean()
    counts = rng.poisson(np.outer([5, 5], depth)).astype(float)
    counts[1, 3] = 900
    before = counts.copy()
    Y = sp.csr_matrix(counts)
    clipped = clip_outliers(Y, depth).toarray()
    np.testing.assert_allclose(clipped[0], counts[0])
    assert clipped[1, 3] ** 2 / depth[3] == pytest.approx((counts[1] ** 2 / depth).sum() / MOST_OF_SUM)
    np.testing.assert_allclose(np.delete(clipped[1], 3), np.delete(counts[1], 3))
    np.testing.assert_array_equal(Y.toarray(), before)


def test_skewness_agrees_with_scipy_at_equal_depth(rng):
    counts = rng.poisson(1.0, (1, 200)).astype(float)
    Y = sp.csr_matrix(counts)
    found = residual_moments([power(Y, k) for k in (1, 2, 3, 4)], np.ones(200), working_weights(np.ones(200), 0.0))
    assert found.skewness[0] == pytest.approx(stats.skew(counts[0]))
