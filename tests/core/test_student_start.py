"""Robust frames, weighted medians, and k-means that outliers do not reach."""

import numpy as np
import pytest
from scipy.stats import median_abs_deviation
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from spotweave import InputError
from spotweave.core.student_start import frame_of, kmeans_starts, plain_kmeans_starts, weighted_median


def test_median_and_scale_are_scipys(rng):
    Z = rng.normal(size=(101, 4)) * [1, 10, 1e-6, 1e6] + 7
    frame = frame_of(Z, np.ones(101))
    np.testing.assert_allclose(frame.centre, np.median(Z, axis=0))
    np.testing.assert_allclose(frame.scale, median_abs_deviation(Z, scale="normal"), rtol=1e-4)
    np.testing.assert_allclose(median_abs_deviation(frame.scaled(Z), scale="normal"), 1, rtol=1e-4)


def test_weights_of_rows_are_repeats(rng):
    Z, times = rng.normal(size=(23, 3)), rng.integers(0, 4, size=23)
    np.testing.assert_array_equal(
        weighted_median(Z, times), weighted_median(np.repeat(Z, times, 0), np.ones(times.sum()))
    )
    a, b = frame_of(Z, times), frame_of(np.repeat(Z, times, 0), np.ones(times.sum()))
    np.testing.assert_array_equal(a.scale, b.scale)


def test_constant_features_are_left_out_and_sparse_ones_kept(rng):
    Z = np.column_stack([np.full(50, 0.1), rng.normal(size=50), np.eye(50)[0]])
    frame = frame_of(Z, np.ones(50))
    np.testing.assert_array_equal(frame.varies, [False, True, True])
    assert frame.scale[1] == pytest.approx(np.sqrt(1 / 50))
    with pytest.raises(InputError, match="only constant"):
        frame_of(Z[:, :1], np.ones(50))


def test_starts_find_clusters_beside_far_outliers(rng):
    truth = rng.integers(3, size=300)
    Z = 6 * np.eye(3)[truth] + rng.normal(size=(300, 3))
    Z[:3] *= 1e4
    frame = frame_of(Z, np.ones(300))
    starts = kmeans_starts(frame.scaled(Z), frame, 3, row_weight=np.ones(300), n_starts=4, rng=rng)
    assert max(adjusted_rand_score(truth, labels) for labels in starts) > 0.9


def test_one_scale_keeps_the_shape_of_the_data(rng):
    Z = rng.normal(size=(50, 3)) * [1, 10, 0.1] + 7
    frame = frame_of(Z, np.ones(50))
    one = frame.with_one_scale()
    scaled = one.scaled(Z)
    np.testing.assert_allclose(one.scale, np.sqrt((frame.scale**2).sum() / 3))
    np.testing.assert_allclose(np.diff(scaled, axis=0) * one.scale[0], np.diff(Z, axis=0))
    assert one.log_volume == pytest.approx(3 * np.log(one.scale[0]))


def test_plain_starts_are_scikit_learns_far_rows_included(rng):
    Z = rng.normal(size=(60, 2)) * [9, 1]
    Z[0] = 500
    starts = plain_kmeans_starts(Z, 4, row_weight=np.ones(60), n_starts=2, rng=np.random.default_rng(3))
    seeds = np.random.default_rng(3).integers(2**31, size=2)
    for labels, seed in zip(starts, seeds, strict=True):
        expected = KMeans(4, n_init=1, random_state=int(seed)).fit_predict(Z)
        assert adjusted_rand_score(expected, labels) == 1
        assert (labels == labels[0]).sum() == 1
