"""Gradient against numpy, coherence against a loop over squares and on pictures with a known direction."""

import numpy as np
import pytest

from spotweave.core.handcrafted.edges import edge_features, gradient


def test_gradient_matches_numpy(rng):
    plane = rng.normal(size=(9, 14))
    x, y = gradient(plane)
    expected_y, expected_x = np.gradient(plane)
    np.testing.assert_allclose(x[:, 1:-1], 2 * expected_x[:, 1:-1])
    np.testing.assert_allclose(y[1:-1], 2 * expected_y[1:-1])
    np.testing.assert_allclose(x[:, 0], plane[:, 1] - plane[:, 0])
    np.testing.assert_allclose(y[-1], plane[-1] - plane[-2])


@pytest.mark.parametrize("side", [8, 32])
@pytest.mark.parametrize("scale", [1.0, 0.005])
def test_coherence_matches_eigenvalues_in_a_loop(side, scale, rng):
    plane = scale * rng.normal(size=(96, 64)).cumsum(axis=1).astype(np.float32)
    x, y = (g.astype(float) for g in gradient(plane))
    values = []
    for i in range(0, 96, side):
        for j in range(0, 64, side):
            g = np.stack([p[i : i + side, j : j + side].ravel() for p in (x, y)])
            low, high = np.linalg.eigvalsh(g @ g.T / side**2)
            values.append((high - low) / (high + low + 1e-4))
    found = edge_features("p", plane)
    assert found[f"p_coherence{side}_mean"] == pytest.approx(np.mean(values), rel=1e-4)
    assert found[f"p_coherence{side}_sd"] == pytest.approx(np.std(values), rel=1e-3)


@pytest.mark.parametrize("degrees", [0, 20, 45, 90])
def test_fibres_are_coherent_in_any_direction_and_noise_is_not(degrees, rng):
    y, x = np.mgrid[:96, :96]
    a = np.deg2rad(degrees)
    fibres = np.sin((x * np.cos(a) + y * np.sin(a)) / 3).astype(np.float32)
    noise = rng.normal(size=(96, 96)).astype(np.float32)
    assert edge_features("p", fibres)["p_coherence32_mean"] > 0.95
    assert edge_features("p", noise)["p_coherence32_mean"] < 0.15


def test_gradient_of_a_slope_and_coherence_of_nothing():
    slope = np.tile(0.1 * np.arange(64, dtype=np.float32), (64, 1))
    found = edge_features("p", slope)
    assert [found[f"p_gradient_q{q}"] for q in (25, 50, 95)] == pytest.approx([0.2] * 3, rel=1e-4)
    assert found["p_gradient_mean"] == pytest.approx(0.2 * 63 / 64, rel=1e-4), "half as steep at the mirrored edges"
    assert edge_features("p", np.ones((64, 64), np.float32))["p_coherence8_mean"] == 0
