"""Confusion of types against closed forms."""

import numpy as np
import pytest

from spotweave.core.deconvolution.confusion import confusion


@pytest.mark.parametrize("r", [0.9, 0.3, 0.0])
def test_two_types(r):
    """Information of correlation r: variances 1 / (1 - r^2), errors of correlation -r."""
    found = confusion(np.array([[4.0, 6 * r], [6 * r, 9.0]]))
    np.testing.assert_allclose(found.inflation, 1 / (1 - r**2), rtol=1e-4)
    np.testing.assert_allclose(found.correlation, -r, atol=1e-5)
    np.testing.assert_array_equal(found.nearest, [1, 0])


def test_matches_partial_correlations(rng):
    A = rng.normal(0.5, 1, (40, 5))
    found = confusion(A.T @ A)
    for t in range(5):
        rest = np.delete(np.arange(5), t)
        left = A[:, t] - A[:, rest] @ np.linalg.lstsq(A[:, rest], A[:, t])[0]
        assert found.inflation[t] == pytest.approx((A[:, t] ** 2).sum() / (left**2).sum(), rel=1e-3)
    V = np.linalg.inv(A.T @ A)
    r = V / np.sqrt(np.outer(V.diagonal(), V.diagonal())) + 9 * np.eye(5)
    np.testing.assert_array_equal(found.nearest, r.argmin(axis=1))
    np.testing.assert_allclose(found.correlation, r.min(axis=1), atol=1e-4)


def test_one_type_twins_and_a_type_without_information():
    one = confusion(np.array([[7.0]]))
    assert (one.inflation[0], one.nearest[0], one.correlation[0]) == (pytest.approx(1), 0, 0)
    H = np.array([[2.0, 2, 0, 0], [2, 2, 0, 0], [0, 0, 5, 0], [0, 0, 0, 0]])
    twins = confusion(H)
    assert twins.inflation[0] > 1e5
    assert twins.correlation[0] < -0.999
    np.testing.assert_array_equal(twins.nearest[:2], [1, 0])
    assert twins.inflation[2] == pytest.approx(1)
    assert np.isfinite(twins.inflation).all()
