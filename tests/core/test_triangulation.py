import numpy as np
import pytest
from scipy.spatial import Delaunay

from spotweave.core.triangulation import triangulate


def pairs(xy: np.ndarray) -> set[tuple[int, int]]:
    i, j = triangulate(xy)
    result = set(zip(i.tolist(), j.tolist(), strict=True))
    assert len(result) == len(i), "an edge is given twice"
    assert result == {(b, a) for a, b in result}
    return result


@pytest.mark.parametrize("direction", [(1, 0), (0, 1), (1, 3), (-2.5, 1)])
def test_points_on_a_line_are_joined_in_a_row(rng, direction):
    along = rng.permutation(17).astype(float)
    order = np.argsort(along)
    expected = {frozenset(p) for p in zip(order[:-1].tolist(), order[1:].tolist(), strict=True)}
    xy = 1000 + along[:, None] * np.array(direction)
    assert {frozenset(p) for p in pairs(xy)} == expected


def test_plane_in_space_is_triangulated_in_the_plane(rng):
    flat = rng.random((31, 2))
    expected = {(int(a), int(b)) for s in Delaunay(flat).simplices for a in s for b in s if a != b}
    assert pairs(np.column_stack([flat, np.full(31, 7.0)])) == expected
    tilt, _ = np.linalg.qr(rng.normal(size=(3, 3)))
    assert pairs(flat @ tilt[:2]) == expected


def test_space(rng):
    xyz = rng.random((29, 3))
    assert pairs(xyz) == {(int(a), int(b)) for s in Delaunay(xyz).simplices for a in s for b in s if a != b}


@pytest.mark.parametrize(("n", "n_edges"), [(1, 0), (2, 2), (3, 6)])
@pytest.mark.parametrize("d", [2, 3])
def test_few_points(rng, n, n_edges, d):
    assert len(pairs(rng.random((n, d)))) == n_edges


@pytest.mark.parametrize("d", [2, 3])
def test_one_place_only_stays_connected(d):
    assert len(pairs(np.ones((5, d)))) == 8  # a row of five


def test_lattice_is_planar_and_connected():
    xy = np.array([[x, y] for x in range(6) for y in range(9)], dtype=float)
    found = pairs(xy)
    assert len(found) // 2 == 3 * 54 - 3 - (2 * (6 + 9) - 4)  # Euler: 3n - 3 - hull
