"""Intervals of genes that are exchangeable cover what they say; scales, groups of cells, small panels."""

import numpy as np
import pytest

from spotweave.core.imputation.intervals import (
    CELL_GROUPS,
    GENE_GROUPS,
    LEAST_GENES,
    LEVELS,
    cross_coverage,
    depth_edges,
    depth_groups,
    fit_intervals,
    scale,
)

N, P = 240, 120


@pytest.fixture
def exchangeable(rng):
    """Counts and expectations of genes that differ in level and in how wrong their expectation is."""
    depth = rng.gamma(3, 1, N)
    level, wrong = np.exp(rng.normal(0.3, 0.7, P)), rng.uniform(0.1, 1.0, P)
    means = depth[:, None] * level / 3
    truth = means * np.exp(wrong * rng.normal(size=(N, P)))
    counts = rng.poisson(truth * rng.gamma(4, 0.25, (N, P))).astype(float)
    return counts, means, -wrong, depth, np.arange(P) % 5


def test_coverage_is_what_was_asked_for(exchangeable):
    counts, means, quality, depth, fold = exchangeable
    groups = depth_groups(depth, depth_edges(depth))
    covered = cross_coverage(counts, means, quality, groups, fold)
    assert covered.shape == (len(LEVELS), P)
    np.testing.assert_allclose(covered.mean(axis=1), LEVELS, atol=0.03)
    for group in range(CELL_GROUPS):
        cells = groups == group
        of_group = cross_coverage(counts[cells], means[cells], quality, np.zeros(cells.sum(), int), fold)
        np.testing.assert_allclose(of_group.mean(axis=1), LEVELS, atol=0.05)


def test_a_fold_is_judged_by_the_others_alone(exchangeable):
    """Genes of one fold are much worse than all others: no interval can have known."""
    counts, means, quality, depth, fold = exchangeable
    groups = depth_groups(depth, depth_edges(depth))
    counts = counts.copy()
    counts[:, fold == 2] += 40
    covered = cross_coverage(counts, means, quality, groups, fold)
    assert covered[2, fold == 2].max() < 0.1
    rest = np.flatnonzero(fold != 2)
    fitted = fit_intervals(counts[:, rest], means[:, rest], quality[rest], groups, LEVELS)
    lower, upper = fitted.bounds(means[:, fold == 2], quality[fold == 2], groups, 0.9)
    inside = (counts[:, fold == 2] >= lower) & (counts[:, fold == 2] <= upper)
    np.testing.assert_array_equal(covered[2, fold == 2], inside.mean(axis=0))


def test_bounds_hold_the_mean_and_widen_with_the_level(exchangeable):
    counts, means, quality, depth, _ = exchangeable
    groups = depth_groups(depth, depth_edges(depth))
    fitted = fit_intervals(counts, means, quality, groups, LEVELS)
    before = means, means
    for level in LEVELS:
        lower, upper = fitted.bounds(means, quality, groups, level)
        assert (lower >= 0).all()
        assert (lower <= before[0]).all()
        assert (upper >= before[1]).all()
        before = lower, upper


def test_genes_expected_to_be_predicted_badly_get_wider_intervals(exchangeable):
    counts, means, quality, depth, _ = exchangeable
    fitted = fit_intervals(counts, means, quality, np.zeros(N, int), (0.9,))
    assert len(fitted.edges) == GENE_GROUPS - 1
    np.testing.assert_allclose(fitted.edges, np.quantile(quality, [1 / 3, 2 / 3]), atol=0.02)
    one = np.full((N, 3), 2.0)
    lower, upper = fitted.bounds(one, np.array([-1.0, -0.5, -0.1]), np.zeros(N, int), 0.9)
    width = (upper - lower)[0]
    assert width[0] > width[1] > width[2]


def test_small_panels_have_one_group_of_genes(exchangeable):
    counts, means, quality, *_ = exchangeable
    few = 2 * LEAST_GENES - 1
    fitted = fit_intervals(counts[:, :few], means[:, :few], quality[:few], np.zeros(N, int), (0.9,))
    assert len(fitted.edges) == 0
    fitted = fit_intervals(counts[:, :1], means[:, :1], quality[:1], np.zeros(N, int), (0.9,))
    assert np.isfinite(fitted.bounds(means, quality, np.zeros(N, int), 0.9)[1]).all()


def test_dispersion_is_the_median_of_genes_with_counts(rng):
    means = np.tile(rng.uniform(2, 6, (4000, 1)), 5)
    planted = np.array([0.1, 0.3, 0.9])
    counts = np.zeros((4000, 5))
    counts[:, :3] = rng.poisson(means[:, :3] * rng.gamma(1 / planted, planted, (4000, 3)))
    fitted = fit_intervals(counts, means, np.zeros(5), np.zeros(4000, int), (0.9,))
    assert fitted.dispersion == pytest.approx(0.3, rel=0.15)


def test_genes_without_any_counts_give_finite_intervals():
    means = np.full((7, 3), 0.2)
    fitted = fit_intervals(np.zeros((7, 3)), means, np.zeros(3), np.zeros(7, int), (0.9,))
    lower, upper = fitted.bounds(means, np.zeros(3), np.zeros(7, int), 0.9)
    assert (lower == 0).all()
    assert (upper < 1).all()


def test_scale_is_the_standard_deviation_with_a_floor():
    np.testing.assert_allclose(scale(np.array([4.0, 9.0]), 0.5), np.sqrt([4 + 0.5 * 16, 9 + 0.5 * 81]))
    np.testing.assert_allclose(scale(np.array([0.0, 1e-9, 0.01]), 2.0), np.sqrt(0.01 + 2e-4))


def test_depth_groups_are_of_equal_size(rng):
    depth = rng.gamma(2, 50, 301)
    groups = depth_groups(depth, depth_edges(depth))
    size = np.bincount(groups)
    assert len(size) == CELL_GROUPS
    assert size.max() - size.min() <= 1
    for group in range(1, CELL_GROUPS):
        assert depth[groups == group].min() > depth[groups == group - 1].max()


def test_depth_groups_of_ties_and_of_cells_that_were_not_sampled():
    assert set(depth_groups(np.full(9, 3.0), depth_edges(np.full(9, 3.0)))) <= set(range(CELL_GROUPS))
    edges = depth_edges(np.array([1.0, 2, 3, 4, 5, 6]))
    np.testing.assert_array_equal(depth_groups(np.array([0.0, 1e9]), edges), [0, CELL_GROUPS - 1])
