"""Intervals for predicted counts against slow loops, and their coverage of simulated genes."""

import numpy as np
import pytest

from spotweave import InputError
from spotweave.core.conformal import ROUNDING, Conformal, bounds, coverage, fit_conformal, group_of, quantile_groups

LEVELS = [0.5, 0.8, 0.9, 0.95]


def chunks_of(truth, predicted, scale, *, size=17):
    """Blocks of all rows, in slices."""
    cuts = [slice(start, start + size) for start in range(0, len(truth), size)]
    return lambda: ((rows, truth[rows], predicted[rows], scale[rows]) for rows in cuts)


def fit(truth, predicted, scale, *, genes=None, cells=None, levels=LEVELS, **options):
    n, p = truth.shape
    genes, cells = (np.zeros(m, int) if group is None else group for m, group in ((p, genes), (n, cells)))
    return fit_conformal(chunks_of(truth, predicted, scale), genes, cells, levels, **options)


def block(rng, n=83, p=19):
    """Counts, predictions and scales, most counts small, so that scores tie now and then."""
    predicted = rng.choice([0.25, 0.5, 2.0], (n, p))
    return rng.poisson(1.3, (n, p)).astype(float), predicted, rng.choice([0.5, 1.0, 1.75], (n, p))


def slow_quantile(scores, share):
    """Smallest score with this share of weight at or below; scores : one list a gene."""
    scores = [gene for gene in scores if len(gene)]
    for t in sorted({score for gene in scores for score in gene}):
        if np.mean([sum(score <= t for score in gene) / len(gene) for gene in scores]) >= share - 1e-12:
            return t
    return np.inf


@pytest.mark.parametrize("correction", [False, True])
@pytest.mark.parametrize("missing", [0.0, 0.6])
def test_quantiles_match_a_loop(rng, correction, missing):
    truth, predicted, scale = block(rng)
    truth[rng.random(truth.shape) < missing * rng.random(19)] = np.nan  # unlike shares of cells a gene
    truth[:, 4] = np.nan
    genes, cells = rng.integers(0, 2, 19), rng.integers(0, 3, 83)
    result = fit(truth, predicted, scale, genes=genes, cells=cells, correction=correction)
    assert result.quantiles.shape == (2, 3, 4)
    np.testing.assert_array_equal(result.levels, LEVELS)
    for g in range(2):
        n_genes = sum(genes[j] == g and j != 4 for j in range(19))
        assert result.n_genes[g] == n_genes >= 5
        for c in range(3):
            rows = [i for i in range(83) if cells[i] == c]
            scores = [
                [abs(truth[i, j] - predicted[i, j]) / scale[i, j] for i in rows if not np.isnan(truth[i, j])]
                for j in range(19)
                if genes[j] == g
            ]
            rule = (n_genes + 1) / n_genes if correction else 1
            expected = [slow_quantile(scores, level * rule) for level in LEVELS]
            np.testing.assert_allclose(result.quantiles[g, c], expected, rtol=1e-6)
    assert np.isinf(result.quantiles).any() == correction  # 95 % takes 19 genes


def test_result_does_not_depend_on_chunks_and_keeps_the_data(rng):
    data = block(rng)
    before = [array.copy() for array in data]
    cells = rng.integers(0, 3, 83)
    whole = fit_conformal(chunks_of(*data, size=100), np.zeros(19, int), cells, LEVELS)
    order = rng.permutation(83)

    def shuffled():
        for rows in np.array_split(order, 7):
            yield rows, *(array[rows] for array in data)

    np.testing.assert_array_equal(fit_conformal(shuffled, np.zeros(19, int), cells, LEVELS).quantiles, whole.quantiles)
    for array, old in zip(data, before, strict=True):
        np.testing.assert_array_equal(array, old)


def test_genes_weigh_equally_whatever_their_number_of_cells():
    truth = np.full((100, 10), np.nan)
    truth[:, :2] = 9  # two genes seen in every cell, eight in one
    truth[0, 2:] = 1
    zero = np.zeros((100, 10))
    result = fit(truth, zero, zero + 1, levels=[0.1, 0.8, 0.81])
    np.testing.assert_array_equal(result.quantiles.ravel(), [1, 1, 9])


def test_share_reached_exactly_is_enough():
    truth = np.arange(1.0, 11)[:, None] * np.ones(5)
    levels = np.arange(1, 10) / 10
    result = fit(truth, np.zeros((10, 5)), np.ones((10, 5)), levels=levels)
    np.testing.assert_array_equal(result.quantiles.ravel(), np.arange(1, 10))


@pytest.mark.parametrize(("n_genes", "finite"), [(18, False), (19, True)])
def test_correction_takes_nineteen_genes_at_95_percent(rng, n_genes, finite):
    truth, predicted, scale = block(rng, p=n_genes)
    result = fit(truth, predicted, scale, levels=[0.95], correction=True)
    assert np.isfinite(result.quantiles).all() == finite
    lower, upper = bounds(result, predicted, scale, np.zeros(n_genes, int), np.zeros(83, int), 0.95)
    assert np.isfinite(upper).all() == finite
    assert not np.isnan(upper).any()
    if finite:
        assert result.quantiles.item() == pytest.approx((np.abs(truth - predicted) / scale).max())
        assert (coverage(truth, lower, upper) == 1).all()
    else:
        assert (lower == 0).all()


def genes_of(rng, n, p):
    """Cells with a noise that the scale knows, genes with a bias and a noise that it does not."""
    predicted = 30 + rng.gamma(2, 3, (n, p))
    scale = rng.uniform(0.5, 2, (n, 1)) * np.ones(p)
    error = rng.normal(0, 0.7, p) + rng.lognormal(0, 0.5, p) * rng.standard_t(4, (n, p))
    return predicted + scale * error, predicted, scale


def inside(result, data, level, *, cells=None):
    """Share of the cells of each gene inside; data : truth, prediction and scale."""
    (truth, predicted, scale), (n, p) = data, data[0].shape
    cells = np.zeros(n, int) if cells is None else cells
    return coverage(truth, *bounds(result, predicted, scale, np.zeros(p, int), cells, level))


def test_like_genes_are_covered_within_binomial_error(rng):
    n, p = 40, 150
    old, new = ((rng.normal(50, 3, (n, p)), np.full((n, p), 50.0), np.full((n, p), 2.0)) for _ in range(2))
    result = fit(*old)
    for level in LEVELS:  # every score is exchangeable: both quantile and share have a binomial's error
        error = np.sqrt(2 * level * (1 - level) / (n * p))
        assert inside(result, new, level).mean() == pytest.approx(level, abs=4 * error)


@pytest.mark.parametrize("correction", [False, True])
def test_average_coverage_of_unlike_genes_keeps_its_promise(rng, correction):
    n, p, repeats = 30, 20, 150
    found = np.empty((repeats, len(LEVELS)))
    for r in range(repeats):
        result = fit(*genes_of(rng, n, p), correction=correction)
        new = genes_of(rng, n, p)
        found[r] = [inside(result, new, level).mean() for level in LEVELS]
    error = 4 * found.std(axis=0) / np.sqrt(repeats)
    least = np.array(LEVELS) * (1 if correction else p / (p + 1))
    assert (found.mean(axis=0) > least - error).all()
    assert (found.mean(axis=0) < least + (1 + 1 / n) / (p + 1) + error).all()
    if not correction:
        assert (found.mean(axis=0)[2:] < np.array(LEVELS)[2:]).all()  # what the correction is for


def test_unlike_cell_groups_get_a_coverage_of_their_own(rng):
    n, p = 120, 60
    cells = np.repeat([0, 1], n // 2)
    noise = np.where(cells, 4.0, 1.0)[:, None]
    predicted, scale = np.full((n, p), 50.0), np.ones((n, p))
    old, new = (predicted + noise * rng.normal(size=(n, p)) for _ in range(2))
    own, single = fit(old, predicted, scale, cells=cells), fit(old, predicted, scale)
    for level in LEVELS:
        for c in (0, 1):
            rows = cells == c
            data = new[rows], predicted[rows], scale[rows]
            error = 4 * np.sqrt(2 * level * (1 - level) / (rows.sum() * p))
            assert inside(own, data, level, cells=cells[rows]).mean() == pytest.approx(level, abs=error)
            assert abs(inside(single, data, level).mean() - level) > error
    assert own.quantiles[0, 1] == pytest.approx(4 * own.quantiles[0, 0], rel=0.1)


@pytest.mark.parametrize("correction", [False, True])
def test_small_strata_fall_back(rng, correction):
    def quantiles_of(cells, genes):
        keep = np.ix_(cells, genes)
        return fit(truth[keep], predicted[keep], scale[keep], levels=levels, correction=correction).quantiles[0, 0]

    levels = [0.3, 0.5, 0.8]  # also the corrected bounds are finite
    truth, predicted, scale = genes_of(rng, 83, 16)  # no scores tie
    genes = np.repeat([0, 1, 3], [7, 4, 5])  # group 1 is too small, group 2 has no gene
    cells = rng.choice([0, 2], 83)
    truth[cells == 2, 11] = np.nan  # leaves 4 genes of group 3 in these cells
    options = {"genes": genes, "cells": cells, "levels": levels, "correction": correction}
    result = fit(truth, predicted, scale, **options)
    quantiles = result.quantiles
    np.testing.assert_array_equal(result.n_genes, [7, 4, 0, 5])
    whole = quantiles_of(cells >= 0, genes >= 0)
    np.testing.assert_array_equal(quantiles[:, 1], [whole] * 4)  # no such cell
    pooled = {c: quantiles_of(cells == c, genes >= 0) for c in (0, 2)}
    for g, c in [(0, 0), (3, 0), (0, 2)]:
        np.testing.assert_array_equal(quantiles[g, c], quantiles_of(cells == c, genes == g))
    for g, c in [(1, 0), (2, 0), (1, 2), (2, 2), (3, 2)]:
        np.testing.assert_array_equal(quantiles[g, c], pooled[c])
    assert np.isfinite(quantiles).all()
    assert not np.array_equal(pooled[0], whole)
    fewer = fit(truth, predicted, scale, least_genes=4, **options).quantiles
    assert not np.array_equal(fewer[1, 0], pooled[0])


def test_cell_groups_of_a_panel_smaller_than_least_genes_stay_apart(rng):
    truth, predicted, scale = block(rng, p=3)
    cells = rng.integers(0, 2, 83)
    truth[cells == 1] += 20
    quantiles = fit(truth, predicted, scale, cells=cells, genes=np.array([0, 0, 1])).quantiles
    assert (quantiles[:, 1] > quantiles[:, 0]).all()
    np.testing.assert_array_equal(quantiles[0], quantiles[1])


def test_cells_that_no_chunk_holds_count_as_groups(rng):
    truth, predicted, scale = block(rng)
    cells = np.r_[np.zeros(50, int), np.ones(33, int)]
    sample = fit_conformal(chunks_of(truth[:50], predicted[:50], scale[:50], size=25), np.zeros(19, int), cells, LEVELS)
    np.testing.assert_array_equal(sample.quantiles[0, 1], sample.quantiles[0, 0])


def test_bounds_match_a_loop(rng):
    quantiles = np.sort(rng.gamma(2, 1, (3, 2, 4)), axis=2)
    conformal = Conformal(np.array(LEVELS), quantiles, np.array([7, 7, 7]))
    _, predicted, scale = block(rng, 11, 5)
    genes, cells = np.array([2, 0, 1, 1, 2]), rng.integers(0, 2, 11)
    for level in (0.5, 0.6, 0.9, 0.95):
        lower, upper = bounds(conformal, predicted, scale, genes, cells, level)
        for i in range(11):
            for j in range(5):
                half = np.interp(level, LEVELS, quantiles[genes[j], cells[i]]) * scale[i, j]
                assert upper[i, j] == pytest.approx(predicted[i, j] + half, rel=2 * ROUNDING)
                assert lower[i, j] == pytest.approx(max(predicted[i, j] - half, 0), rel=2 * ROUNDING, abs=1e-5)
    assert (lower == 0).any()
    assert (lower > 0).any()


def test_levels_between_a_finite_and_an_infinite_bound_are_infinite():
    conformal = Conformal(np.array([0.5, 0.8, 0.9]), np.array([[[1.0, np.inf, np.inf]]]), np.array([3]))
    one, zero = np.ones((1, 1)), np.zeros(1, int)
    for level, expected in ((0.5, 2), (0.6, np.inf), (0.8, np.inf), (0.85, np.inf)):
        lower, upper = bounds(conformal, one, one, zero, zero, level)
        assert upper.item() == pytest.approx(expected)
        assert lower.item() == 0


@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("share", [0.3, 0.7])  # one is rounded up in float32, one down
def test_counts_that_tie_with_the_bound_are_inside(rng, sign, share):
    predicted, scale = (np.tile(values, (50, 1)) for values in 10 + rng.gamma(2, 1, (2, 41)))
    truth = predicted + sign * scale * share  # one score for all, but for rounding
    result = fit(truth, predicted, scale)
    assert (inside(result, (truth, predicted, scale), 0.9) == 1).all()


def test_coverage_matches_a_loop(rng):
    truth, lower, _ = block(rng)
    upper = lower + rng.choice([0, 1, 1.5], lower.shape)
    truth[rng.random(truth.shape) < 0.2] = np.nan
    truth[:, 3] = np.nan
    found = coverage(truth, lower, upper)
    for j in range(19):
        inside = [lower[i, j] <= truth[i, j] <= upper[i, j] for i in range(83) if not np.isnan(truth[i, j])]
        assert found[j] == pytest.approx(np.mean(inside)) if j != 3 else np.isnan(found[j])
    assert (coverage(np.array([[1, 2]]), np.array([[1, 0]]), np.array([[3, 2]])) == 1).all()  # ends are inside


@pytest.mark.parametrize(("p", "n_groups", "expected"), [(100, 4, 4), (23, 10, 4), (9, 3, 1), (1, 2, 1), (10, 2, 2)])
def test_quantile_groups_are_even_and_never_small(rng, p, n_groups, expected):
    values = rng.normal(size=p)
    edges = quantile_groups(values, n_groups)
    sizes = np.bincount(group_of(values, edges))
    assert len(sizes) == len(edges) + 1 == expected
    assert sizes.max() - sizes.min() <= 1
    assert expected == 1 or sizes.min() >= 5
    assert (group_of(np.array([-99.0, 99.0]), edges) == [0, expected - 1]).all()


def test_values_that_tie_share_a_group(rng):
    for _ in range(30):
        values = rng.poisson(rng.gamma(1, 2), rng.integers(5, 60)).astype(float)
        edges = quantile_groups(values, 6, least_genes=4)
        sizes = np.bincount(group_of(values, edges), minlength=len(edges) + 1)
        assert sizes.min() >= 4
        assert (np.diff(edges) > 0).all()
    assert len(quantile_groups(np.zeros(40), 4)) == 0
    np.testing.assert_array_equal(quantile_groups(np.repeat([0.0, 1, 2], [20, 3, 20]), 3), [2])
    late = np.minimum(np.arange(40.0), 21)  # groups of 10, 10, 1 and 19 genes
    np.testing.assert_array_equal(quantile_groups(late, 4), [10, 21])
    np.testing.assert_array_equal(group_of(np.array([1.9, 2.0]), np.array([2.0])), [0, 1])


def test_wrong_input_is_named(rng):
    truth, predicted, scale = block(rng)
    good = fit(truth, predicted, scale)
    genes, cells = np.zeros(19, int), np.zeros(83, int)
    for levels in ([0.9, 0.5], [0.5, 0.5], [0.0, 0.5], [0.5, 1.0], [], [[0.5]], [np.nan]):
        with pytest.raises(InputError, match="ascending `levels`"):
            fit(truth, predicted, scale, levels=levels)
    with pytest.raises(InputError, match="least_genes"):
        fit(truth, predicted, scale, least_genes=0)
    for bad in (genes[:, None], genes + 0.5, genes[:0]):
        with pytest.raises(InputError, match="`gene_group`"):
            fit(truth, predicted, scale, genes=bad)
    with pytest.raises(InputError, match="`cell_group` from 0"):
        fit(truth, predicted, scale, cells=cells - 1)
    with pytest.raises(InputError, match=r"blocks of shape \[17, 18\]"):
        fit(truth, predicted, scale, genes=genes[:18])
    with pytest.raises(InputError, match="blocks of shape"):
        fit(truth[:, :18], predicted, scale)
    for value in (0, -1, np.nan, np.inf):
        with pytest.raises(InputError, match="positive, finite scales"):
            fit(truth, predicted, np.full_like(scale, value))
    for value in (np.nan, np.inf):
        with pytest.raises(InputError, match="finite predictions"):
            fit(truth, np.full_like(scale, value), scale)
    with pytest.raises(InputError, match="finite counts"):
        fit(truth + np.inf, predicted, scale)
    with pytest.raises(InputError, match="at least one measured count"):
        fit(truth + np.nan, predicted, scale)
    for level in (0.4, 0.96, np.nan):
        with pytest.raises(InputError, match="the levels fitted"):
            bounds(good, predicted, scale, genes, cells, level)
    with pytest.raises(InputError, match="`gene_group` from 0 to 0"):
        bounds(good, predicted, scale, genes + 1, cells, 0.9)
    with pytest.raises(InputError, match="`cell_group` from 0 to 0"):
        bounds(good, predicted, scale, genes, cells + 1, 0.9)
    with pytest.raises(InputError, match="blocks of shape"):
        bounds(good, predicted, scale, genes[:4], cells, 0.9)
    with pytest.raises(InputError, match="one shape"):
        coverage(truth, predicted, scale[:5])
    for values in (np.array([1, np.nan]), np.ones((1, 1)), np.empty(0)):
        with pytest.raises(InputError, match="finite value"):
            quantile_groups(values, 2)
        with pytest.raises(InputError, match="finite value"):
            group_of(values, np.array([1.0]))
    with pytest.raises(InputError, match="n_groups"):
        quantile_groups(np.ones(9), 0)
