import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.gene_pairs import band_norms, correlations, effective_size, pair_scores
from spotweave.core.gene_patterns import section_patterns, side_by_side
from spotweave.core.rotation_null import rotation_z


def smooth_fields(xy, n_fields, scale, rng):
    """Independent Gaussian fields [n, n_fields] of unit variance, as sums of many waves."""
    fields = np.empty((len(xy), n_fields))
    for k in range(n_fields):
        waves = rng.normal(size=(200, 2)) / scale
        fields[:, k] = np.cos(xy @ waves.T + 2 * np.pi * rng.random(200)).sum(axis=1) / 10
    return fields


@pytest.fixture
def grid():
    return np.stack(np.meshgrid(np.arange(32.0), np.arange(32.0)), -1).reshape(-1, 2)


@pytest.mark.parametrize("scale", [3.0, 6.0, 12.0])
def test_independent_smooth_patterns_are_told_so(grid, rng, scale):
    fields = smooth_fields(grid, 120, scale, rng)
    X = sp.csr_matrix(rng.poisson(8 * np.exp(0.15 * fields)).astype(float))
    scores = pair_scores(section_patterns(X, grid, np.ones(len(grid))).patterns)
    assert 0.04 < (scores.pvalue < 0.05).mean() < 0.06
    assert (scores.pvalue < 0.001).mean() < 0.003
    flat = np.corrcoef(X.toarray().T)[np.triu_indices(120, 1)]  # as if points were independent
    assert (np.abs(flat) > 1.96 / np.sqrt(len(grid))).mean() > 0.1


def test_scores_are_those_of_a_loop(grid, rng):
    fields = smooth_fields(grid, 6, 5.0, rng)
    fields[:, 1] = fields[:, 0]
    X = sp.csr_matrix(np.column_stack([rng.poisson(2 * np.exp(0.5 * fields)), np.zeros(len(grid))]))
    depth = np.asarray(X.sum(axis=1)).ravel()
    one = section_patterns(X, grid, depth).patterns
    two = side_by_side([one, section_patterns(X[::2], grid[::2], depth[::2]).patterns])
    scores, k = pair_scores(two), 0
    white = two.values * np.sqrt(two.whitening)
    size = effective_size(white, two.band, two.leakage)
    for a in range(7):
        for b in range(a + 1, 7):
            T = sum(
                two.whitening[j] * (two.values[a, j] * two.values[b, j] - two.noise[a, b, two.section[j]])
                for j in range(len(two.band))
            )
            first, second = (
                np.array([np.linalg.norm(white[gene, two.band == band]) for band in range(len(size))])
                for gene in (a, b)
            )
            expected = rotation_z(np.array([T]), (first * second)[None], size)[0]
            assert abs(scores.z[k] - expected) < 0.02 * max(1, abs(expected))  # bands that do not matter are left out
            k += 1
    assert scores.z.argmax() == 0
    assert scores.correlation[0] > 0.9
    assert scores.pvalue[5] == 1  # a gene without counts
    assert scores.correlation[5] == 0


def test_correlation_is_that_of_the_patterns_without_noise(grid, rng):
    base = smooth_fields(grid, 2, 6.0, rng)
    base -= base.mean(axis=0)
    patterns = base @ np.linalg.inv(np.linalg.cholesky(np.cov(base.T)).T)  # orthogonal
    second = 0.6 * patterns[:, 0] + 0.8 * patterns[:, 1]
    X = rng.poisson(np.exp(0.25 * np.column_stack([patterns[:, 0], second])) * [1.0, 2.0]).astype(float)
    scores = pair_scores(section_patterns(sp.csr_matrix(X), grid, np.ones(len(grid))).patterns)
    assert abs(scores.correlation[0] - 0.6) < 0.15
    assert np.corrcoef(X.T)[0, 1] < 0.3


def test_pieces(rng):
    values, band = rng.normal(size=(500, 30)), np.repeat([0, 1], [10, 20])
    np.testing.assert_allclose(band_norms(values, band)[:, 1], np.linalg.norm(values[:, 10:], axis=1))
    np.testing.assert_allclose(effective_size(values, band, np.ones(30)), [10, 20], rtol=0.05)
    peaked = values * np.r_[5, np.ones(29)]
    assert effective_size(peaked, band, np.ones(30))[0] < 6
    np.testing.assert_allclose(effective_size(values, band, np.full(30, 2.0)), [5, 10], rtol=0.05)
    np.testing.assert_allclose(correlations(np.array([[4.0, 3], [3, 1]]), 9.0), [[4 / 9, 1 / 3], [1 / 3, 1 / 9]])
