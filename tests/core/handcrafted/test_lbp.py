"""Codes and bins against a loop over pixels and neighbours."""

import numpy as np
import pytest

from spotweave.core.handcrafted.lbp import MARGIN, lbp_codes, lbp_features

AROUND = [(-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1)]


def bits_at(plane, i, j, radius):
    return [int(plane[i + radius * dy, j + radius * dx] - plane[i, j] > MARGIN) for dy, dx in AROUND]


def by_loop(plane, radius):
    """Shares of the ten patterns, from the text of the paper."""
    h, w = plane.shape
    counts = np.zeros(10)
    for i in range(radius, h - radius):
        for j in range(radius, w - radius):
            bits = bits_at(plane, i, j, radius)
            changes = sum(bits[k] != bits[k - 1] for k in range(8))
            counts[sum(bits) if changes <= 2 else 9] += 1
    return counts / counts.sum()


def test_codes_match_a_loop(rng):
    plane = rng.random((9, 12))
    for radius, rows, columns in ((1, range(1, 8), range(1, 11)), (3, range(3, 6), range(3, 9))):
        expected = [
            [sum(b << (7 - k) for k, b in enumerate(bits_at(plane, i, j, radius))) for j in columns] for i in rows
        ]
        np.testing.assert_array_equal(lbp_codes(plane, radius=radius), expected)


@pytest.mark.parametrize(("shape", "radius"), [((3, 3), 1), ((17, 24), 1), ((7, 8), 3), ((17, 24), 3)])
def test_shares_match_a_loop(shape, radius, rng):
    plane = rng.random(shape)
    found = lbp_features("p", plane, radius=radius)
    assert list(found) == [f"p_{k}" for k in range(10)]
    np.testing.assert_allclose(list(found.values()), by_loop(plane, radius))


def test_shares_know_no_direction(rng):
    plane = rng.random((20, 31))
    here = list(lbp_features("p", plane, radius=1).values())
    for move in (np.rot90, np.flipud, np.fliplr, np.transpose):
        np.testing.assert_allclose(list(lbp_features("p", move(plane), radius=1).values()), here)


def test_a_flat_plane_and_faint_noise_are_flat(rng):
    flat = np.full((8, 8), 0.2)
    for plane in (flat, flat + 0.9 * MARGIN * rng.random((8, 8))):
        assert lbp_features("p", plane, radius=1)["p_0"] == 1


def test_a_pale_point_has_no_paler_neighbour_and_a_dark_edge_three():
    point = np.ones((3, 3))
    point[1, 1] = 0
    assert lbp_features("p", point, radius=1)["p_8"] == 1
    edge = np.zeros((3, 3))
    edge[:, 2] = 1
    assert lbp_features("p", edge, radius=1)["p_3"] == 1
