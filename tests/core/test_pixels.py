"""Neighbours in the picture are neighbours in the tissue, pixels lie where their points do, sizes follow the points."""

import numpy as np
import pytest

from spotweave import InputError
from spotweave.core.pixels import PixelGrid, pixel_grid


def hexagonal(degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Steps of 100 in a round piece with a hole, in any order."""
    row, column = (grid.ravel() for grid in np.mgrid[:40, :36])
    xy = 100 * np.column_stack([column + row % 2 / 2, row * np.sqrt(3) / 2])
    far = np.linalg.norm(xy - xy.mean(axis=0), axis=1)
    a = np.deg2rad(degrees)
    xy = xy[(far < 1600) & (far > 300)] @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    return rng.permutation(xy) + [5000, -70]


def touching(grid: PixelGrid) -> set[tuple[int, int]]:
    """Pairs of points whose pixels share an edge."""
    owner = np.full(grid.shape, -1)
    for part in grid.parts():
        assert (owner.flat[part] == -1).all(), "no pixel belongs to two spots"
        owner.flat[part] = np.arange(len(part))
    sides = [(owner[:, 1:], owner[:, :-1]), (owner[1:], owner[:-1])]
    pairs = np.concatenate([np.column_stack([a.ravel(), b.ravel()]) for a, b in sides])
    return {(min(a, b), max(a, b)) for a, b in pairs.tolist() if a != b and min(a, b) >= 0}


@pytest.mark.parametrize("degrees", [0, 0.4, -7, 14, 17, 29.8, 30, 50, -16, -30, 90, 121])
def test_neighbours_in_a_hexagonal_picture_are_neighbours_in_the_tissue(degrees, rng):
    xy = hexagonal(degrees, rng)
    grid = pixel_grid(xy)
    distance = np.linalg.norm(xy[:, None] - xy, axis=2)
    expected = {(i, j) for i, j in np.argwhere(np.abs(distance - 100) < 1).tolist() if i < j}
    assert len(expected) > 2.5 * len(xy)
    assert touching(grid) == expected
    assert grid.span == ((1, 2) if (degrees + 15) % 60 < 30 else (2, 1))


@pytest.mark.parametrize("degrees", [0, 20, -20, 30, 58])
def test_hexagonal_pixels_lie_where_their_spots_do(degrees, rng):
    xy = hexagonal(degrees, rng)
    grid = pixel_grid(xy)
    middle = grid.pixel[:, ::-1] + np.array(grid.span[::-1]) / 2  # column, row
    np.testing.assert_allclose(middle @ grid.to_xy[:, :2].T + grid.to_xy[:, 2], xy, atol=1e-6)
    assert np.linalg.det(grid.to_xy[:, :2]) == pytest.approx(100**2 * np.sqrt(3) / 4), "not mirrored"
    right, down = grid.to_xy[:, :2].T
    assert abs(right @ down) < 1e-6, "not skewed"
    assert right[0] > 3 * abs(right[1]), "turned by 15 degrees at most"
    assert down[1] > 3 * abs(down[0])


@pytest.mark.parametrize("degrees", [0, 3, 44, -30])
def test_square_lattice_has_a_pixel_a_spot(degrees, rng):
    row, column = (grid.ravel() for grid in np.mgrid[:12, :17])
    a = np.deg2rad(degrees)
    xy = 2 * np.column_stack([column, row]) @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])
    grid = pixel_grid(xy)
    assert grid.shape == (12, 17)
    np.testing.assert_array_equal(grid.pixel, np.column_stack([row, column]))
    middle = grid.pixel[:, ::-1] + 0.5
    np.testing.assert_allclose(middle @ grid.to_xy[:, :2].T + grid.to_xy[:, 2], xy, atol=1e-9)
    if degrees == 0:
        assert grid.extent() == pytest.approx((-1, 33, 23, -1))


@pytest.mark.parametrize("wanted", [1.0, 4.0, 20.0])
def test_pixels_of_scattered_cells_hold_as_many_as_asked(rng, wanted):
    xy = rng.random((20_000, 2)) * [3000, 1500]
    xy = xy[(np.linalg.norm(xy - [1500, 700], axis=1) < 600) | (xy[:, 0] < 300)]  # two pieces far apart
    grid = pixel_grid(xy, points_per_pixel=wanted)
    area = abs(np.linalg.det(grid.to_xy[:, :2]))
    assert area * 20_000 / (3000 * 1500) == pytest.approx(wanted, rel=0.1)
    corner = (xy - grid.to_xy[:, 2]) / np.sqrt(area)
    np.testing.assert_array_equal(grid.pixel, np.floor(corner)[:, ::-1])
    assert grid.counts().sum() == len(xy)


def test_pixel_size_is_taken_as_given(rng):
    for xy in (rng.random((50, 2)) * 10, np.argwhere(np.ones((9, 10))).astype(float)):
        grid = pixel_grid(xy, pixel_size=2.5)
        np.testing.assert_array_equal(grid.pixel, np.floor((xy - xy.min(axis=0)) / 2.5)[:, ::-1])
        np.testing.assert_allclose(grid.to_xy[:, :2], 2.5 * np.eye(2))


def test_padding_cuts_nothing(rng):
    xy = hexagonal(0, rng)
    plain, padded = pixel_grid(xy), pixel_grid(xy, patch=8)
    assert padded.shape[0] % 8 == padded.shape[1] % 8 == 0
    assert all(0 <= p - q < 8 for p, q in zip(padded.shape, plain.shape, strict=True))
    h, w = plain.shape
    np.testing.assert_array_equal(padded.counts()[:h, :w], plain.counts())
    assert padded.counts().sum() == plain.counts().sum()
    assert pixel_grid(xy, patch=w).shape[1] == w


@pytest.mark.parametrize("xy", [[[1.0, 2.0]], [[1, 2], [1, 2]], [[0, 0], [3, 0], [7, 0]]])
def test_few_points(xy):
    grid = pixel_grid(np.array(xy, float))
    assert grid.counts().sum() == len(xy)
    assert np.linalg.det(grid.to_xy[:, :2]) > 0


def test_refusals(rng):
    for xy, message in (
        ([[0, np.nan]], "finite"),
        (rng.random((5, 3)), "two dimensions"),
        (np.zeros((0, 2)), "one point"),
    ):
        with pytest.raises(InputError, match=message):
            pixel_grid(np.array(xy))
    for options in ({"pixel_size": 0.0}, {"patch": 0}, {"patch": 1.5}, {"points_per_pixel": 0}, {"pixel_size": 1e-300}):
        with pytest.raises(InputError):
            pixel_grid(rng.random((9, 2)), **options)
