"""Adaptive shrinkage against numerical integration, and its limits."""

import numpy as np
import pytest

from spotweave.core.deconvolution import adaptive
from spotweave.core.deconvolution.adaptive import SCALES, shrink


def normal(x, variance):
    return np.exp(-0.5 * x**2 / variance) / np.sqrt(2 * np.pi * variance)


def integrated(z, v, n_steps):
    """EM and posterior means by sums over a fine grid of the true value."""
    grid = np.linspace(-25, 25, 20_001)
    step = grid[1] - grid[0]
    at_zero = np.where(np.abs(grid) < step / 2, 1.0, 0.0)
    priors = np.array([at_zero, *(normal(grid, scale**2) * step for scale in SCALES[1:])])
    noise = np.array([normal(a - grid, b) for a, b in zip(z, v, strict=True)])  # [n, grid]
    L = noise @ priors.T
    weight = np.full(len(SCALES), 1 / len(SCALES))
    for _ in range(n_steps):
        r = L * weight
        weight = (r / r.sum(axis=1, keepdims=True)).mean(axis=0)
    joint = noise * (weight @ priors)
    return (joint * grid).sum(axis=1) / joint.sum(axis=1)


def test_matches_integration_over_a_grid(rng):
    z = np.concatenate([rng.normal(0, 0.4, 19), rng.normal(0, 2, 8)])
    v = rng.uniform(0.05, 0.5, 27)
    np.testing.assert_allclose(shrink(z, v, n_steps=13), integrated(z, v, 13), atol=1e-6)


def test_sure_values_stay(rng):
    z = rng.normal(0, 1, 300)
    np.testing.assert_allclose(shrink(z, np.full(300, 1e-9)), z, rtol=1e-5)


def test_noise_alone_goes_to_zero(rng):
    v = rng.uniform(0.2, 2, 5_000)
    z = rng.normal(0, np.sqrt(v))
    found = shrink(z, v)
    assert np.sqrt((found**2).mean()) < 0.1 * np.sqrt((z**2).mean())


def test_is_nearer_to_the_truth_than_no_or_uniform_shrinkage(rng):
    truth = np.where(rng.random(4_000) < 0.1, rng.normal(0, 2, 4_000), 0)
    z = truth + rng.normal(0, 0.5, 4_000)
    found = shrink(z, np.full(4_000, 0.25))
    factor = max((z**2).mean() - 0.25, 0) / (z**2).mean()
    assert ((found - truth) ** 2).mean() < 0.6 * ((factor * z - truth) ** 2).mean()


def test_is_odd_keeps_shape_and_never_grows(rng):
    z, v = rng.normal(0, 1, (7, 11)), rng.uniform(0.1, 1, (7, 11))
    z[0, 0] = 0
    found = shrink(z, v)
    assert found.shape == (7, 11)
    assert found[0, 0] == 0
    assert (np.abs(found) <= np.abs(z)).all()
    np.testing.assert_allclose(shrink(-z, v), -found)


def test_chunks_and_learning_from_a_part(rng, monkeypatch):
    z, v = rng.normal(0, 1, 2_001), rng.uniform(0.1, 1, 2_001)
    whole = shrink(z, v)
    monkeypatch.setattr(adaptive, "CHUNK", 37)
    np.testing.assert_allclose(shrink(z, v), whole, rtol=1e-12)
    monkeypatch.setattr(adaptive, "MOST", 500)
    part = shrink(z, v)
    assert 0 < np.abs(part - whole).mean() < 0.05


@pytest.mark.parametrize("value", [40.0, -40.0])
def test_a_value_beyond_all_scales_stays_finite(value):
    z = np.append(np.zeros(50), value)
    found = shrink(z, np.full(51, 1e-3))
    assert found[-1] == pytest.approx(value, rel=1e-3)
    assert not found[:-1].any()
