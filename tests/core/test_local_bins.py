import numpy as np
import pytest

from spotweave.core.local_bins import BIN_SIZE, neighbor_bins, pair_kernel, triangles


@pytest.mark.parametrize("d", [1, 2, 3])
def test_each_point_is_in_two_bins_of_like_size(rng, d):
    S = neighbor_bins(rng.random((517, d)) ** 3)  # far denser in a corner
    assert (np.asarray(S.sum(axis=0)) == 2).all()
    sizes = np.asarray(S.sum(axis=1)).ravel()
    assert sizes.min() >= BIN_SIZE / 2
    assert sizes.max() <= BIN_SIZE * 2
    assert sizes.mean() == pytest.approx(BIN_SIZE, rel=0.15)


def test_bins_hold_neighbours(rng):
    xy = rng.random((600, 2))
    edges = pair_kernel(neighbor_bins(xy)).tocoo()
    apart = np.linalg.norm(xy[edges.row] - xy[edges.col], axis=1)
    assert np.median(apart) < 2.5 / np.sqrt(600)


def test_sums_over_the_kernel_match_dense(rng):
    S = neighbor_bins(rng.random((53, 2)))
    dense = (S.T @ S).toarray()
    np.fill_diagonal(dense, 0)
    K = pair_kernel(S)
    assert set(K.data) == {1, 2}  # neighbours parted by one cut share a bin of the other
    np.testing.assert_array_equal(K.toarray(), dense)
    assert triangles(K) == pytest.approx(np.trace(dense @ dense @ dense))


def test_fewer_points_than_a_bin(rng):
    assert neighbor_bins(rng.random((3, 2))).shape == (2, 3)
