import numpy as np
import pytest

from spotweave.core.alignment.features import Sites
from spotweave.core.alignment.field import make_field
from spotweave.core.alignment.warp import Warp, bend, fit_warp, stretch


def features(xy):
    return np.stack([np.sin(xy[:, 0] / 3), np.cos(xy[:, 1] / 3), np.sin((xy[:, 0] + xy[:, 1]) / 4)], axis=1)


def wave(xy):
    return np.stack([1.2 * np.sin(xy[:, 1] / 8), 1.2 * np.sin(xy[:, 0] / 8 + 1)], axis=1)


@pytest.fixture
def field():
    xy = np.stack(np.meshgrid(np.arange(30), np.arange(30)), -1).reshape(-1, 2).astype(float)
    return make_field(Sites(xy, features(xy)), 1.0)


def test_bend_and_its_stretch_are_those_of_the_formula(rng):
    warp = Warp(rng.uniform(0, 5, size=(3, 2)), rng.normal(size=(3, 2)) * 0.3, 2.0, 0.0)
    xy, tiny = rng.uniform(0, 5, size=(7, 2)), 1e-6
    for x, moved, area in zip(xy, bend(warp, xy), stretch(warp, xy), strict=True):
        bumps = np.exp(-((x - warp.centres) ** 2).sum(axis=1) / 8)
        np.testing.assert_allclose(moved, x + bumps @ warp.coefficients)
        J = [(bend(warp, (x + e)[None]) - bend(warp, (x - e)[None]))[0] / (2 * tiny) for e in tiny * np.eye(2)]
        assert area == pytest.approx(np.linalg.det(np.array(J)), abs=1e-6)


def test_a_known_bend_is_undone(field, rng):
    true = rng.uniform(1, 28, size=(600, 2))
    moving = Sites(true + wave(true), features(true) + 0.05 * rng.normal(size=(600, 3)))
    warp = fit_warp(np.eye(3), moving, field, rng)
    before, after = (np.linalg.norm(p - true, axis=1).mean() for p in (moving.xy, bend(warp, moving.xy)))
    assert after < 0.35 * before
    assert warp.gain > 0.3
    assert stretch(warp, moving.xy).min() > 0.1


def test_what_lies_right_or_tells_nothing_is_left_alone(field, rng):
    true = rng.uniform(1, 28, size=(600, 2))
    for F in (features(true) + 0.3 * rng.normal(size=(600, 3)), rng.normal(size=(600, 3))):
        warp = fit_warp(np.eye(3), Sites(true, F), field, rng)
        assert len(warp.centres) == 0
        np.testing.assert_array_equal(bend(warp, true), true)
        np.testing.assert_array_equal(stretch(warp, true), 1)
