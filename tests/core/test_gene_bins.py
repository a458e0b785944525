"""Counts by bins against slow loops over points."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.gene_bins import gene_bins


@pytest.fixture
def tissue(rng):
    """211 points on two slides, 7 genes: one without counts, a point without."""
    X = rng.poisson(0.7, (211, 7)).astype(np.float64)
    X[:, 3], X[17] = 0, 0
    library = np.array(["b", "a"])[(rng.random(211) < 0.3).astype(int)]
    return sp.csr_matrix(X), rng.random((211, 2)) * [30, 10], library


def members(bins, xy):
    """Rows of each bin, found by one gene for each point: what the product says of where a point went."""
    alone = gene_bins(sp.identity(len(xy), format="csr"), xy, **bins)
    return [np.flatnonzero(column) for column in alone.counts.T], alone


@pytest.mark.parametrize(("n_patches", "n_sub", "slides"), [(6, 4, False), (6, 4, True), (1, 1, True), (9, 5, True)])
def test_matches_loops_over_points(tissue, n_patches, n_sub, slides):
    X, xy, library = tissue
    options = {"n_patches": n_patches, "n_sub": n_sub, "library": library if slides else None}
    bins = gene_bins(X, xy, **options)
    rows, alone = members(options, xy)
    np.testing.assert_array_equal(np.sort(np.concatenate(rows)), np.arange(211))  # each point in one bin
    dense, s = X.toarray(), bins.n_sub
    for b, inside in enumerate(rows):
        np.testing.assert_array_equal(bins.counts[:, b], dense[inside].sum(axis=0))
        assert bins.exposure[b] == dense[inside].sum()
        if len(inside):
            np.testing.assert_allclose(bins.xy[b], xy[inside].mean(axis=0))
            assert len(set(library[inside])) == 1 or not slides
    for p in range(len(bins.patch_xy)):
        inside = np.concatenate(rows[p * s : (p + 1) * s]).astype(int)
        np.testing.assert_allclose(bins.patch_xy[p], xy[inside].mean(axis=0))
        assert set(bins.patch_library[[p]]) == (set(np.searchsorted(["a", "b"], library[inside])) if slides else {0})
    np.testing.assert_array_equal(alone.xy, bins.xy)


def test_counts_are_conserved_and_sizes_nearly_equal(tissue):
    X, xy, _ = tissue
    bins = gene_bins(X, xy, n_patches=7, n_sub=4)
    np.testing.assert_array_equal(bins.counts.sum(axis=1), np.asarray(X.sum(axis=0)).ravel())
    assert bins.exposure.sum() == X.sum()
    assert bins.counts.dtype == bins.exposure.dtype == np.float32
    sizes = [len(rows) for rows in members({"n_patches": 7, "n_sub": 4}, xy)[0]]
    assert max(sizes) <= np.ceil(np.ceil(211 / 7) / 4)
    assert min(sizes) >= 5


def test_patches_that_lack_bins_are_filled_up_without_exposure(rng):
    xy, X = rng.random((25, 2)), sp.csr_matrix(np.ones((25, 2)))
    bins = gene_bins(X, xy, n_patches=5, n_sub=2, library=np.repeat([0, 1, 2], [1, 10, 14]))
    empty = np.flatnonzero(bins.exposure == 0)
    assert list(empty) == [1]  # the slide of one point
    assert not bins.counts[:, empty].any()
    np.testing.assert_array_equal(bins.xy[empty], bins.patch_xy[empty // 2])
    np.testing.assert_array_equal(np.unique(bins.patch_library), [0, 1, 2])


def test_shapes_do_not_depend_on_the_number_of_points(rng):
    shapes = set()
    for n in (1_100, 23_456):
        xy = rng.random((n, 2))
        bins = gene_bins(sp.random(n, 3, 0.2, format="csr", random_state=0), xy)
        shapes.add((bins.counts.shape, bins.exposure.shape, bins.xy.shape, bins.patch_xy.shape, bins.n_sub))
    assert shapes == {((3, 512), (512,), (512, 2), (32, 2), 16)}


@pytest.mark.parametrize("n", [1, 3, 5, 13, 40])
def test_few_points_get_few_bins_of_two_points_or_more(rng, n):
    bins = gene_bins(sp.csr_matrix(np.ones((n, 2))), rng.random((n, 3)))
    assert len(bins.patch_xy) <= max(1, n // 4)
    assert len(bins.exposure) <= max(1, n // 2)
    assert bins.exposure.sum() == 2 * n
    assert bins.xy.shape[1] == 3


def test_numbers_that_do_not_fit_are_errors(tissue):
    X, xy, _ = tissue
    for options in ({"n_patches": 0}, {"n_sub": 0}, {"n_sub": 2.5}):
        with pytest.raises(InputError, match="whole number"):
            gene_bins(X, xy, **options)
