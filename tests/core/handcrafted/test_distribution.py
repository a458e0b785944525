"""Moments and quantiles against numpy and scipy; damping only where there is nothing to see."""

import numpy as np
import pytest
from scipy import stats

from spotweave.core.handcrafted.distribution import TINY, correlation, distribution, share_above


@pytest.mark.parametrize("scale", [1.0, 0.01])
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (31, 17)])
def test_distribution_matches_numpy(shape, scale, rng):
    plane = scale * rng.gamma(2.0, size=shape).astype(np.float32)
    before = plane.copy()
    found = distribution("x", plane)
    m2 = ((plane - plane.mean()) ** 2).mean()
    skew = stats.skew(plane.astype(float), axis=None) * (m2 / (m2 + TINY)) ** 1.5 if plane.size > 1 else 0
    expected = [plane.mean(), plane.std(), skew, *np.quantile(plane, [0.05, 0.25, 0.5, 0.75, 0.95])]
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-4, atol=1e-6)
    assert list(found) == [f"x_{k}" for k in ("mean", "sd", "skew", "q05", "q25", "q50", "q75", "q95")]
    np.testing.assert_array_equal(plane, before)


def test_a_flat_plane_has_no_skewness():
    found = distribution("x", np.full((9, 9), np.float32(0.3)))
    assert found["x_skew"] == pytest.approx(0, abs=1e-6)
    assert found["x_sd"] == pytest.approx(0, abs=1e-6)


def test_correlation_matches_numpy_and_is_zero_for_flat_planes(rng):
    a = rng.normal(size=(13, 11)).astype(np.float32)
    b = a + rng.normal(size=(13, 11)).astype(np.float32)
    assert correlation(a, b) == pytest.approx(np.corrcoef(a.ravel(), b.ravel())[0, 1], abs=1e-3)
    assert correlation(a, np.full_like(a, 0.2)) == pytest.approx(0, abs=1e-6)


def test_share_above_is_a_ramp():
    plane = np.array([0.0, 0.35, 0.4, 0.5, 0.55, 0.6, 2.0], np.float32)
    expected = np.mean([0, 0, 0, 0.5, 0.75, 1, 1])
    assert share_above(plane, 0.5, width=0.1) == pytest.approx(expected, abs=1e-6)
