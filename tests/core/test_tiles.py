import numpy as np
import pytest

from spotweave import InputError
from spotweave.core.graph import grid, knn
from spotweave.core.propagate import propagate, row_normalise, symmetrise
from spotweave.core.tiles import halo, spatial_tiles


@pytest.mark.parametrize("max_size", [1, 7, 50, 1000])
def test_tiles_partition_the_rows_within_libraries(rng, max_size):
    xy, library = rng.random((331, 2)), rng.integers(0, 3, 331)
    tiles = spatial_tiles(xy, max_size=max_size, library=library)
    np.testing.assert_array_equal(np.sort(np.concatenate(tiles)), np.arange(331))
    assert all(len(np.unique(library[rows])) == 1 for rows in tiles)
    assert all((np.diff(rows) > 0).all() for rows in tiles)
    for code in range(3):
        sizes = [len(rows) for rows in tiles if library[rows[0]] == code]
        n = (library == code).sum()
        assert len(sizes) == -(-n // max_size)
        assert max(sizes) <= max_size
        assert max(sizes) - min(sizes) <= np.log2(len(sizes)) + 1


def test_tiles_are_compact():
    xy = np.array([[x, y] for x in range(40) for y in range(40)], dtype=float)[
        np.random.default_rng(0).permutation(1600)
    ]
    tiles = spatial_tiles(xy, max_size=100)
    assert len(tiles) == 16
    assert all(tuple(np.ptp(xy[rows], axis=0)) == (9, 9) for rows in tiles)
    tile_of = np.empty(1600, int)
    for t, rows in enumerate(tiles):
        tile_of[rows] = t
    W = grid(xy, n_neighs=4).connectivities.tocoo()
    assert (tile_of[W.row] != tile_of[W.col]).sum() == 2 * 2 * 3 * 40  # the six straight cuts and no other edge


def test_tiles_do_not_depend_on_the_order_of_rows(rng):
    xy = rng.random((200, 3))
    order = rng.permutation(200)
    as_sets = {frozenset(order[rows].tolist()) for rows in spatial_tiles(xy[order], max_size=23)}
    assert as_sets == {frozenset(rows.tolist()) for rows in spatial_tiles(xy, max_size=23)}


def test_tiles_of_one_place_and_of_nothing():
    assert [rows.tolist() for rows in spatial_tiles(np.zeros((5, 2)), max_size=2)] == [[0], [1, 2], [3, 4]]
    assert spatial_tiles(np.empty((0, 2)), max_size=3) == []
    with pytest.raises(InputError, match="max_size"):
        spatial_tiles(np.zeros((5, 2)), max_size=0)


@pytest.mark.parametrize("n_hops", [0, 1, 2, 5])
def test_halo_matches_breadth_first_search(rng, n_hops):
    W = knn(rng.random((90, 2)), n_neighs=3).connectivities
    rows = np.array([40, 3, 77])
    reached = set(rows.tolist())
    for _ in range(n_hops):
        reached |= {int(j) for i in reached for j in W[[i]].indices}
    index = halo(W, rows, n_hops)
    np.testing.assert_array_equal(index[:3], rows)
    np.testing.assert_array_equal(index[3:], sorted(reached - set(rows.tolist())))


def test_tile_with_halo_propagates_like_the_whole(rng):
    xy, X = rng.random((150, 2)), rng.random((150, 4))
    P = row_normalise(symmetrise(knn(xy, n_neighs=4).connectivities))
    expected = propagate(X, P, 2)
    for rows in spatial_tiles(xy, max_size=40):
        index = halo(P, rows, 2)
        assert len(index) < 150
        part = propagate(X[index], P[index][:, index], 2)
        np.testing.assert_allclose(part[: len(rows)], expected[rows])
    index = halo(P, rows, 1)
    part = propagate(X[index], P[index][:, index], 2)[: len(rows)]
    assert not np.allclose(part, expected[rows])  # one ring is not enough for two hops


def test_halo_of_no_rows(rng):
    W = knn(rng.random((9, 2)), n_neighs=3).connectivities
    assert len(halo(W, np.array([], dtype=int), 2)) == 0
