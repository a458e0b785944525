"""Neighbour lists of both graphs against a full sort."""

import numpy as np
from scipy.spatial.distance import cdist

from spotweave.models.histology_sides import make_side

N, K = 31, 4


def test_lists_are_the_nearest_in_place_and_the_most_alike_of_the_section(rng):
    section = np.repeat([0, 1], [17, 14])
    inputs, xy = rng.normal(size=(N, 5)), rng.random((N, 2))
    types = rng.dirichlet(np.ones(3), N).astype(np.float32)
    side = make_side(inputs, xy, section, n_neighs=K, types=types, rng=rng)
    away = np.where(section[:, None] == section, 0, 1e9) + 1e9 * np.eye(N)
    np.testing.assert_array_equal(side.x, inputs.astype(np.float32))
    for lists, distance in ((side.spatial, cdist(xy, xy)), (side.functional, cdist(inputs, inputs, "cosine"))):
        for i in range(N):
            assert set(lists[i].tolist()) == set(np.argsort((distance + away)[i])[:K].tolist())
    for i in range(N):
        for j in range(K):
            near, alike = side.spatial[i, j], side.functional[i, j]
            np.testing.assert_allclose(side.offset[i, j], xy[near] - xy[i], atol=1e-6)
            np.testing.assert_allclose(side.alike[i, j], types[i] @ types[alike], rtol=1e-5)


def test_without_types_nobody_is_known_to_be_alike(rng):
    side = make_side(rng.normal(size=(9, 3)), rng.random((9, 2)), np.zeros(9), n_neighs=3, rng=rng)
    assert not side.alike.any()


def test_small_sections_are_filled_up_with_the_spot_itself(rng):
    section = np.array([0, 1, 1, 2, 2, 2])
    side = make_side(rng.normal(size=(6, 3)), rng.random((6, 2)), section, n_neighs=4, rng=rng)
    for lists in (side.spatial, side.functional):
        assert lists.shape == (6, 4)
        assert lists[0].tolist() == [0, 0, 0, 0]
        assert sorted(lists[1].tolist()) == [1, 1, 1, 2]
        assert sorted(lists[4].tolist()) == [3, 4, 4, 5]
    assert not side.offset[0].any()
