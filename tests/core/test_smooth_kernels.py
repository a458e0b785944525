import numpy as np
import pytest

from spotweave.core.smooth_kernels import gaussian_spectrum, smooth_kernels
from spotweave.core.spatial_basis import box_waves


def test_sums_match_dense_kernels(rng):
    xy, q = rng.random((41, 2)) * [2, 1], rng.uniform(0.2, 2, 41)
    q[5] = 0  # an empty point
    scales = np.array([0.5, 0.1])
    found = smooth_kernels(xy, q, box_waves(xy, 15), scales)
    B = found.functions
    np.testing.assert_allclose(B.T @ B, np.eye(15), atol=1e-9)
    np.testing.assert_allclose(q @ B, 0, atol=1e-9)
    assert not B[5].any()
    dense = [B @ np.diag(s) @ B.T for s in found.spectrum.T]
    off = [K - np.diag(np.diag(K)) for K in dense]
    np.testing.assert_allclose(found.diagonal, np.column_stack([np.diag(K) for K in dense]))
    np.testing.assert_allclose(found.pairs, [[(K * L).sum() for L in off] for K in off])
    np.testing.assert_allclose(found.triangles, [np.trace(K @ K @ K) for K in off])
    np.testing.assert_allclose(found.cubes, [(K**3).sum() for K in off])
    centred = np.eye(41) - np.outer(q, q) / (q @ q)
    np.testing.assert_allclose(found.mean, [np.trace(centred @ K) for K in off], atol=1e-9)


def test_span_is_that_of_the_waves_times_q(rng):
    xy, q = rng.random((60, 2)), rng.uniform(0.2, 2, 60)
    waves = box_waves(xy, 9)
    B = smooth_kernels(xy, q, waves, np.array([0.1])).functions
    F = q[:, None] * np.column_stack([np.ones(60), waves(xy)])
    np.testing.assert_allclose(F @ np.linalg.lstsq(F, B)[0], B, atol=1e-9)


def test_spectrum_is_that_of_a_gaussian():
    d = np.linspace(-60, 60, 60_001)
    kernel = np.exp(-(d**2) / (2 * 3.0**2))
    expected = [(kernel * np.cos(2 * np.pi * f * d)).sum() / kernel.sum() for f in (0.0, 0.02, 0.1)]
    assert gaussian_spectrum(np.array([0, 0.02, 0.1]), np.array([3.0]))[:, 0] == pytest.approx(expected, abs=1e-6)
