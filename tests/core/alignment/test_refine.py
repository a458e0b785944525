import numpy as np
import pytest

from spotweave.core.alignment.features import Sites
from spotweave.core.alignment.field import look_up, make_field
from spotweave.core.alignment.refine import place, refine
from spotweave.core.alignment.rigid import scale_of, similarity, transform


def features(xy):
    return np.stack([np.sin(xy[:, 0] / 3), np.cos(xy[:, 1] / 4 + xy[:, 0] / 9), xy[:, 0] - xy[:, 1]], axis=1)


def grid(n=21):
    return np.stack(np.meshgrid(np.arange(n), np.arange(n)), -1).reshape(-1, 2).astype(float)


def test_field_is_exact_for_planes_and_knows_its_border(rng):
    xy = rng.uniform(0, 10, size=(150, 2))
    plane = lambda p: np.stack([p @ [2.0, -1.0] + 3, p @ [0.5, 0.25]], axis=1)
    field = make_field(Sites(xy, plane(xy)), 0.8)
    q = np.concatenate([rng.uniform(2, 8, size=(20, 2)), [[50.0, 50.0]]])
    seen = look_up(field, q)
    assert seen.on[:20].sum() > 15
    assert not seen.on[20]
    np.testing.assert_allclose(seen.F, plane(q[seen.on]), atol=0.05)
    np.testing.assert_allclose(seen.gradient[:, 0].mean(axis=0), [2, -1], atol=0.02)


@pytest.mark.parametrize("mirrored", [False, True])
def test_refine_finds_a_known_placement_from_nearby(rng, mirrored):
    T = similarity(0.9, np.array([5.0, -3.0]), mirrored=mirrored)
    true = rng.uniform(2, 18, size=(200, 2))
    moving = Sites(transform(np.linalg.inv(T), true), 2 * features(true) - 5)  # offset and factor are of no account
    field = make_field(Sites(grid(), features(grid())), 1.0)
    start = similarity(np.radians(5), np.array([0.8, -0.9])) @ T
    found = refine(start, moving, field, tolerance=1e-4)
    assert found.converged
    assert np.linalg.norm(transform(found.T, moving.xy) - true, axis=1).max() < 0.05
    assert found.score > place(start, moving, field).score
    assert found.share == pytest.approx(1.0)
    assert (found.r > 0.99).all()


def test_refine_fits_a_scale_on_demand_only(rng):
    true = rng.uniform(2, 18, size=(200, 2))
    moving = Sites(true / 1.06, features(true))
    field = make_field(Sites(grid(), features(grid())), 1.0)
    assert scale_of(refine(np.eye(3), moving, field).T) == pytest.approx(1.0)
    assert scale_of(refine(np.eye(3), moving, field, scale=True, tolerance=1e-4).T) == pytest.approx(1.06, abs=0.003)


def test_tissue_without_counterpart_hardly_pulls(rng):
    true = rng.uniform(2, 18, size=(300, 2))
    F = features(true)
    odd = true[:, 0] > 15
    F[odd] = rng.normal(size=(odd.sum(), 3))
    field = make_field(Sites(grid(), features(grid())), 1.0)
    found = refine(similarity(0.05, np.array([0.5, 0.5])), Sites(true, F), field)
    assert np.linalg.norm(transform(found.T, true) - true, axis=1).mean() < 0.15


def test_features_that_are_flat_move_nothing():
    field = make_field(Sites(grid(7), np.ones((49, 2))), 1.0)
    found = refine(np.eye(3), Sites(grid(7), np.zeros((49, 2))), field)
    np.testing.assert_allclose(found.T, np.eye(3))
    assert found.score == 0
    far = refine(similarity(0.0, np.array([99.0, 0.0])), Sites(grid(7), np.zeros((49, 2))), field)
    assert (far.share, far.score) == (0, 0)
