import numpy as np

from spotweave.core.field_covariance import field_covariance
from spotweave.core.spatial_basis import spatial_basis


def test_is_that_of_drawn_fields(rng):
    xy = rng.random((400, 2)) * [1.0, 1.5]
    B, frequency = spatial_basis(xy, 12)
    signal = np.exp(-frequency / 0.5)
    found = field_covariance(B, xy, frequency, signal)
    np.testing.assert_allclose(np.diag(found), signal)
    assert np.linalg.eigvalsh(found).min() > -1e-9
    # Fields of many waves: radius by the density of power times circumference, any direction, any phase.
    rings = np.linspace(0, frequency.max(), 2_001)[1:]
    density = np.interp(rings, frequency, signal) * rings
    radius = rng.choice(rings, 4_000, p=density / density.sum())
    angle, phase = rng.uniform(0, 2 * np.pi, (2, 4_000))
    wave = 2 * np.pi * radius[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])
    c = B.T @ np.cos(xy @ wave.T + phase)  # each wave is a field of its own
    expected = np.corrcoef(np.hstack([c, B.T @ np.sin(xy @ wave.T + phase)]))
    np.testing.assert_allclose(found / np.sqrt(np.outer(signal, signal)), expected, atol=0.12)
    assert np.abs(expected - np.eye(12)).max() > 0.25  # or else the test would say nothing


def test_no_signal_no_covariance(rng):
    xy = rng.random((60, 3))
    B, frequency = spatial_basis(xy, 5)
    np.testing.assert_array_equal(field_covariance(B, xy, frequency, np.zeros(5)), 0)
