import numpy as np
import pytest

from spotweave.core.alignment.features import Sites, patterns, pool, smooth, spacing


def test_spacing_of_a_grid_does_not_mind_rows_in_one_place():
    xy = np.stack(np.meshgrid(np.arange(5), np.arange(4)), -1).reshape(-1, 2) * 3.0
    assert spacing(xy) == 3
    assert spacing(np.concatenate([xy, xy[:7]])) == 3
    assert spacing(np.ones((4, 2))) == 0


def test_pool_averages_by_square(rng):
    xy, H = rng.uniform(0, 10, size=(67, 2)), rng.normal(size=(67, 3))
    found = pool(xy, H, 2.5)
    square = [tuple(s) for s in np.floor((xy - xy.min(axis=0)) / 2.5).astype(int)]
    assert len(found.xy) == len(set(square))
    for s in set(square):
        rows = [i for i in range(67) if square[i] == s]
        at = np.abs(found.xy - xy[rows].mean(axis=0)).sum(axis=1).argmin()
        np.testing.assert_allclose(found.xy[at], xy[rows].mean(axis=0))
        np.testing.assert_allclose(found.F[at], H[rows].mean(axis=0))


def test_smooth_matches_loop(rng):
    xy, F = rng.uniform(0, 5, size=(19, 2)), rng.normal(size=(19, 2))
    for i, found in enumerate(smooth(xy, F, 0.8, n_neighs=7)):
        d = np.linalg.norm(xy - xy[i], axis=1)
        near = np.argsort(d)[:7]
        w = np.exp(-(d[near] ** 2) / (2 * 0.8**2))
        np.testing.assert_allclose(found, w @ F[near] / w.sum())


def test_patterns_find_the_direction_that_varies_smoothly_and_drop_offsets(rng):
    xy = rng.uniform(0, 30, size=(400, 2))
    hidden = np.sin(xy[:, 0] / 5)
    mix = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    H = np.column_stack([hidden, 3 * rng.normal(size=(400, 5))]) @ mix  # the noise is larger
    halves = [Sites(xy[:150], H[:150] + 50.0), Sites(xy[150:], H[150:])]
    found = patterns(halves, 2.0, 2)
    assert [s.F.shape for s in found] == [(150, 2), (250, 2)]
    for part, rows in zip(found, (slice(0, 150), slice(150, 400)), strict=True):
        assert abs(np.corrcoef(part.F[:, 0], hidden[rows])[0, 1]) > 0.9
        assert part.F.mean(axis=0) == pytest.approx(np.zeros(2), abs=0.2)
    spread = np.concatenate([s.F for s in found]).std(axis=0)
    assert spread[0] > 1.5 * spread[1]
