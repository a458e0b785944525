"""The lattice that points were put on is found again: turned, sheared, with holes and jitter, or not there."""

import numpy as np
import pytest

from spotweave.core.lattice import find_lattice


def hexagonal(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Places with step 1 and their sites in steps of the first and the 60 degree direction."""
    row, column = (grid.ravel() for grid in np.mgrid[:rows, :columns])
    xy = np.column_stack([column + row % 2 / 2, row * np.sqrt(3) / 2])
    return xy, np.column_stack([column - row // 2, row])


def square(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    row, column = (grid.ravel() for grid in np.mgrid[:rows, :columns])
    return np.column_stack([column, row]).astype(float), np.column_stack([column, row])


def turned(xy: np.ndarray, degrees: float) -> np.ndarray:
    a = np.deg2rad(degrees)
    return xy @ np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]])


@pytest.mark.parametrize(
    ("make", "n", "degrees"), [(hexagonal, 6, 0.3), (hexagonal, 6, -29), (square, 4, 0), (square, 4, 44)]
)
def test_sites_are_found_but_for_where_they_start(make, n, degrees, rng):
    xy, sites = make(77, 129)  # twice as long as a step that is off by a half at its end
    kept = rng.random(len(xy)) < 0.7
    kept[(xy[:, 0] > 30) & (xy[:, 0] < 60) & (xy[:, 1] > 20)] = False
    sheared = turned(xy, degrees) @ np.array([[1.003, 0.002], [0, 0.998]])
    found = find_lattice(137.4 * sheared[kept] + [9000, -400])
    assert found is not None
    assert found.n_neighs == n
    shift = found.sites - sites[kept]
    assert (shift == shift[0]).all()
    np.testing.assert_allclose(np.linalg.norm(found.basis, axis=1), 137.4, rtol=0.005)
    np.testing.assert_allclose(
        found.origin + found.sites @ found.basis, 137.4 * sheared[kept] + [9000, -400], atol=1e-6
    )


@pytest.mark.parametrize("shape", [(31, 33), (7, 1500)])
def test_spots_beside_their_site(shape, rng):
    xy, sites = square(*shape)  # on the long strip, a first guess would be rows off at its ends
    found = find_lattice(xy + rng.uniform(-0.12, 0.12, xy.shape))
    assert found is not None
    assert len(np.unique(found.sites - sites, axis=0)) == 1


def test_points_at_the_same_place_share_a_site():
    xy, sites = hexagonal(9, 7)
    found = find_lattice(np.concatenate([xy, xy[5:8]]))
    assert found is not None
    np.testing.assert_array_equal(found.sites[-3:], found.sites[5:8])
    assert len(np.unique(found.sites, axis=0)) == len(sites)


def test_a_row_of_spots_is_a_lattice():
    found = find_lattice(np.column_stack([3.0 * np.arange(23), np.full(23, 2.0)]))
    assert found is not None
    np.testing.assert_array_equal(np.ptp(found.sites, axis=0), [22, 0])
    np.testing.assert_allclose(found.basis, 3 * np.eye(2), atol=1e-9)


def test_other_points_lie_on_none(rng):
    two = np.concatenate([square(20, 20)[0], square(20, 20)[0] + [40.5, 0.5]])  # pieces half a step apart
    for xy in (rng.random((900, 2)), np.zeros((30, 2)), np.eye(2), square(2, 3)[0], two):
        assert find_lattice(xy) is None
