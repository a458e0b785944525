"""Directions that neighbours share, against Moran's I by loop and planted truth."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.directions import leading_axes, leading_coordinates, spatial_directions
from spotweave.core.graph import knn
from spotweave.core.propagate import symmetrise


@pytest.fixture
def tissue(rng):
    xy = rng.random((211, 2))
    return xy, symmetrise(knn(xy, n_neighs=6).connectivities)


def moran(z, W):
    """Correlation of a coordinate with the mean of its neighbours, point by point."""
    z = z - z.mean()
    lag = [np.mean([z[j] for j in W[[i]].indices]) if W[[i]].nnz else 0.0 for i in range(len(z))]
    return (z * lag).sum() / (z**2).sum()


def test_correlation_is_morans_i_of_the_coordinates_in_falling_order(tissue, rng):
    xy, W = tissue
    H = np.hstack([np.sin(4 * xy), rng.normal(size=(211, 4)) @ np.diag([5, 1, 0.2, 3])])
    found = spatial_directions(H, W, 6)
    Z = (H - H.mean(axis=0)) @ found.weights
    np.testing.assert_allclose([moran(z, W) for z in Z.T], found.correlation, atol=1e-8)
    assert (np.diff(found.correlation) <= 0).all()
    np.testing.assert_allclose(Z.T @ Z / 211, np.eye(6), atol=1e-8)


def test_no_other_direction_has_a_larger_one(tissue, rng):
    xy, W = tissue
    H = np.hstack([xy**2, rng.normal(size=(211, 5))])
    best = spatial_directions(H, W, 1).correlation[0]
    assert max(moran(H @ rng.normal(size=7), W) for _ in range(40)) <= best + 1e-9


def test_finds_a_smooth_direction_under_noise_of_larger_variance(tissue, rng):
    xy, W = tissue
    smooth = np.sin(5 * xy[:, 0])
    H = np.column_stack([rng.normal(scale=s, size=211) for s in (9, 6, 4, 3)])
    H = np.column_stack([H, 0.5 * smooth]) @ np.linalg.qr(rng.normal(size=(5, 5)))[0]
    found = spatial_directions(H, W, 2)
    z = (H - H.mean(axis=0)) @ found.weights[:, 0]
    assert abs(np.corrcoef(z, smooth)[0, 1]) > 0.95
    assert abs(np.corrcoef(leading_coordinates(H, 1)[:, 0], smooth)[0, 1]) < 0.3


def test_number_is_cut_to_the_rank_and_scale_does_not_matter(tissue, rng):
    _, W = tissue
    H = rng.normal(size=(211, 3))
    H = np.column_stack([H, H[:, 0] - 2 * H[:, 1], np.ones(211)])
    found = spatial_directions(H, W, 9)
    assert found.weights.shape == (5, 3)
    rescaled = spatial_directions(1e4 * H, W, 9)
    np.testing.assert_allclose(found.correlation, rescaled.correlation, atol=1e-8)


def test_isolated_points_count_as_uncorrelated(rng):
    H, W = rng.normal(size=(9, 2)), sp.csr_matrix((9, 9))
    np.testing.assert_allclose(spatial_directions(H, W, 2).correlation, 0, atol=1e-12)


def test_leading_coordinates_are_principal_components(rng):
    H = rng.normal(size=(41, 6)) @ np.diag([1, 5, 2, 0.5, 3, 4]) + 7
    centred = H - H.mean(axis=0)
    U, s, Vt = np.linalg.svd(centred, full_matrices=False)
    found = leading_coordinates(H, 4)
    np.testing.assert_allclose(np.abs(found), np.abs(U[:, :4] * s[:4]), atol=1e-8)
    np.testing.assert_allclose(np.abs(leading_axes(H, 4)), np.abs(Vt[:4].T), atol=1e-8)
    assert leading_coordinates(H.astype(np.float32), 2).dtype == np.float32
