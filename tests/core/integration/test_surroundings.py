import numpy as np
import scipy.sparse as sp

from spotweave.core.graph import knn
from spotweave.core.integration.surroundings import _noise, averaged, find_view
from spotweave.core.propagate import row_normalise, symmetrise


def lattice(n):
    xy = np.stack(np.meshgrid(np.arange(n), np.arange(n)), axis=-1).reshape(-1, 2).astype(float)
    return xy, symmetrise(knn(xy, n_neighs=6).connectivities)


def test_average_is_the_dense_product(rng):
    _, W = lattice(5)
    P = rng.normal(size=(25, 3))
    S = row_normalise(W).toarray()
    np.testing.assert_allclose(averaged(P, W, 2), S @ S @ P, atol=1e-6)
    np.testing.assert_array_equal(averaged(P, W, 0), P)


def test_noise_that_is_left_is_the_mean_square_row_of_the_operator(rng):
    _, W = lattice(40)
    S = row_normalise(W)
    view = find_view(rng.normal(size=(1600, 4)), W, np.zeros(1600, int), n_axes=4, n_hops=2, rng=rng)
    exact = (S @ S).power(2).sum(axis=1).mean()
    np.testing.assert_allclose(view.noise, exact, rtol=0.03)


def test_smooth_features_weigh_and_noise_does_not(rng):
    xy, W = lattice(40)
    P = rng.normal(size=(1600, 6))
    P[:, 2] += 3 * np.sin(xy[:, 0] / 6)
    view = find_view(P, W, np.zeros(1600, int), n_axes=6, n_hops=2, rng=rng)
    assert abs(view.axes[2, 0]) > 0.98
    assert view.gain[0] > 0.9
    assert view.gain[1:].max() < 0.25


def test_a_difference_between_batches_is_no_direction(rng):
    xy, W = lattice(40)
    batch = (np.arange(1600) >= 800).astype(int)
    P = rng.normal(size=(1600, 3))
    P[:, 0] += 3 * np.sin(xy[:, 1] / 5)
    P[:, 1] += 50 * batch
    view = find_view(P, W, batch, n_axes=1, n_hops=2, rng=rng)
    assert abs(view.axes[0, 0]) > 0.98


def test_noise_everywhere_and_no_edges_leave_weights_of_one(rng):
    view = find_view(rng.normal(size=(60, 3)), sp.csr_matrix((60, 60)), np.zeros(60, int), n_axes=9, n_hops=2, rng=rng)
    np.testing.assert_array_equal(view.gain, 1)
    assert view.axes.shape == (3, 3)


def test_noise_of_cells_is_found_beside_what_is_smooth(rng):
    xy, W = lattice(40)
    C = rng.normal(0, [0.5, 2.0], (1600, 2)) + 5 * np.sin(xy[:, :1] / 15)
    np.testing.assert_allclose(_noise(C, W), [0.25, 4], rtol=0.08)
    np.testing.assert_array_equal(_noise(C, sp.csr_matrix((1600, 1600))), 0)


def test_where_nothing_is_smooth_no_direction_is_preferred(rng):
    _, W = lattice(40)
    view = find_view(rng.normal(size=(1600, 3)), W, np.zeros(1600, int), n_axes=3, n_hops=1, rng=rng)
    np.testing.assert_array_equal(view.gain, 1)
