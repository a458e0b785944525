"""Image side of sections: each standardised by itself, surroundings from its own neighbours alone."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from spotweave.core.histology.tissue import LIMIT, make_tissue, standardise

N, D, K = 57, 5, 4


@pytest.fixture
def cohort(rng):
    """Two sections, interleaved, of another stain and another unit of length; column 3 is constant in the first."""
    section = np.arange(N) % 3 // 2
    features = rng.normal(size=(N, D)) * np.where(section, 3, 1)[:, None] + np.where(section, 100, -7)[:, None]
    features[section == 0, 3] = 0.1 + 0.2
    xy = rng.random((N, 2)) * np.where(section, 1e4, 2)[:, None]
    return features.astype(np.float32), section, xy


def test_each_section_has_mean_0_and_variance_1(cohort):
    features, section, xy = cohort
    tissue = make_tissue(features, section, xy, n_neighs=K)
    for s in (0, 1):
        own = tissue.features[section == s]
        np.testing.assert_allclose(own.mean(axis=0), 0, atol=1e-6)
        expected = [1, 1, 1, s, 1]  # the constant column is 0, not noise
        np.testing.assert_allclose(own.std(axis=0), expected, atol=0.02)  # a few values are cut at 5
    assert (tissue.features[section == 0, 3] == 0).all()
    assert tissue.features.dtype == tissue.around.dtype == np.float32
    np.testing.assert_array_equal(tissue.joined, np.concatenate([tissue.features, tissue.around], axis=1))


def test_a_slide_does_not_depend_on_its_level_scale_or_unit(cohort):
    features, section, xy = cohort
    once = make_tissue(features, section, xy, n_neighs=K)
    other = make_tissue(np.where(section[:, None], features, 8 * features - 3), section, 16 * xy, n_neighs=K)
    np.testing.assert_allclose(other.joined, once.joined, atol=1e-4)
    np.testing.assert_allclose(other.xy, once.xy)


def test_surroundings_are_the_mean_of_the_nearest_of_the_section(cohort):
    features, section, xy = cohort
    tissue = make_tissue(features, section, xy, n_neighs=K)
    for i in range(N):
        distance = cdist(xy[[i]], xy)[0]
        distance[section != section[i]] = np.inf
        distance[i] = np.inf
        near = np.argsort(distance)[:K]
        np.testing.assert_allclose(tissue.around[i], tissue.features[near].mean(axis=0), atol=1e-6)


def test_places_are_in_spot_distances():
    grid = np.stack(np.meshgrid(np.arange(6), np.arange(4)), axis=-1).reshape(-1, 2) * 100.0
    tissue = make_tissue(np.arange(24.0)[:, None], np.zeros(24, int), grid)
    np.testing.assert_allclose(tissue.xy, grid / 100)


def test_lone_and_stacked_spots(rng):
    section = np.array([0, 1, 1, 2, 2, 2])
    xy = np.array([[5, 5], [3, 3], [3, 3], [0, 0], [1, 0], [0, 9]], float)
    tissue = make_tissue(rng.normal(size=(6, 2)), section, xy)
    assert not tissue.features[0].any()
    assert not tissue.around[0].any(), "no neighbour"
    np.testing.assert_array_equal(tissue.around[1], tissue.features[2])
    np.testing.assert_allclose(tissue.around[3], tissue.features[4:].mean(axis=0), atol=1e-6)
    assert np.isfinite(tissue.joined).all()
    assert np.isfinite(tissue.xy).all()


def test_some_rows_keep_the_surroundings_they_had(cohort):
    tissue = make_tissue(*cohort, n_neighs=K)
    rows = np.flatnonzero(cohort[1] == 1)[::2]
    part = tissue.take(rows)
    np.testing.assert_array_equal(part.joined, tissue.joined[rows])
    np.testing.assert_array_equal(part.section, 0)
    np.testing.assert_array_equal(part.xy, tissue.xy[rows])


def test_outliers_are_cut_and_constants_are_0(rng):
    X = rng.normal(size=(200, 3))
    X[7, 0] = 1e3
    X[:, 1] = 1e6 + 1e-3 * rng.normal(size=200)  # below what float32 can tell
    found = standardise(X)
    assert found[7, 0] == LIMIT
    assert not found[:, 1].any()
    np.testing.assert_allclose(found[:, 2], (X[:, 2] - X[:, 2].mean()) / X[:, 2].std())
    assert not standardise(np.zeros((4, 2))).any()
    assert not standardise(X[:1]).any()
