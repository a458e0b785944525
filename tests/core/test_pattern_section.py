import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.pattern_section import bands, make_sections, smooth_pattern, standardised


@pytest.mark.parametrize("m", [1, 2, 3, 5, 6, 20, 128])
def test_bands_widen_and_hold_every_function_once(m):
    band = bands(m)
    assert len(band) == m
    assert (np.diff(band) >= 0).all()
    np.testing.assert_array_equal(np.unique(band), np.arange(band.max() + 1))
    assert m < 3 or np.bincount(band).min() > 1


def test_standardised_weighs_by_depth(rng):
    values, depth = rng.random(30), rng.random(30)
    found = standardised(values, depth)
    np.testing.assert_allclose([depth @ found, depth @ found**2], [0, depth.sum()], atol=1e-12)
    np.testing.assert_array_equal(standardised(np.full(30, 0.1), depth), 0)


def test_sections_leave_small_libraries_out(rng):
    xy, library = rng.random((100, 2)), np.repeat([0, 1, 2], [60, 30, 10])
    sections = make_sections(xy, np.ones(100), library, 0)
    assert [len(s.rows) for s in sections] == [60, 30]
    for s in sections:
        np.testing.assert_allclose(s.functions.T @ s.functions, np.eye(s.functions.shape[1]), atol=1e-9)
        np.testing.assert_allclose(s.functions.T @ s.weights.q, 0, atol=1e-9)


def test_pattern_of_a_gene_is_that_which_made_it(rng):
    xy, depth = rng.random((600, 2)), rng.lognormal(0, 0.5, 600)
    depth[3] = 0
    pattern = np.cos(2 * np.pi * xy[:, 0]) + xy[:, 1]
    x = rng.poisson(5 * depth * np.exp(0.5 * pattern))
    found = smooth_pattern(sp.csr_matrix(x[:, None]), xy, depth)
    assert np.corrcoef(found, np.exp(0.5 * pattern))[0, 1] > 0.95
    np.testing.assert_allclose([depth @ found, depth @ found**2], [0, depth.sum()], atol=1e-9)
    np.testing.assert_array_equal(smooth_pattern(sp.csr_matrix((600, 1)), xy, depth), 0)


def test_patterns_of_libraries_are_their_own(rng):
    xy, library = np.tile(rng.random((300, 2)), (2, 1)), np.repeat([0, 1], 300)
    up = np.where(library == 0, xy[:, 0], -xy[:, 0])
    x = rng.poisson(8 * np.exp(1.5 * up))
    found = smooth_pattern(sp.csr_matrix(x[:, None]), xy, np.ones(600), library=library)
    for half, sign in ((library == 0, 1), (library == 1, -1)):
        assert sign * np.corrcoef(found[half], xy[half, 0])[0, 1] > 0.8
