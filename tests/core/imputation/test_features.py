"""Features of genes against loops, and what a platform's sensitivity does to them."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.imputation.features import (
    CLIP,
    depth_only,
    features,
    logarithms,
    residuals,
    standardised,
)

SCALES = ["residual", "log"]


@pytest.fixture
def counts(rng):
    """Overdispersed counts of 67 cells and 11 genes; cell 5 and gene 3 are empty."""
    depth = rng.gamma(3.0, 1.0, 67)
    x = rng.poisson(depth[:, None] * rng.gamma(2.0, 0.5, (67, 11)) * rng.gamma(1.0, 3.0, 11)).astype(float)
    x[5] = 0
    x[:, 3] = 0
    return x


def slow_dispersion(x, mean):
    """Moments in two passes for one gene."""
    alpha = 0.0
    for _ in range(2):
        above = below = 0.0
        for count, expected in zip(x, mean, strict=True):
            weight = 1 / (1 + alpha * expected) ** 2
            above += weight * ((count - expected) ** 2 - count)
            below += weight * expected**2
        alpha = max(0.0, above / below) if below else 0.0
    return alpha


def slow_feature(x, size, scale):
    """Feature of one gene."""
    if scale == "residual":
        mean = [s * sum(x) / sum(size) for s in size]
        alpha = slow_dispersion(x, mean)
        values = [
            max(-CLIP, min(CLIP, (c - m) / np.sqrt(m + alpha * m * m))) if m else 0.0
            for c, m in zip(x, mean, strict=True)
        ]
    else:
        median = np.median([s for s in size if s])
        values = [np.log(1 + c * median / s) if s else 0.0 for c, s in zip(x, size, strict=True)]
    values = np.array(values) - np.mean(values)
    spread = np.sqrt(np.mean(values**2))
    return values / spread if spread else values


@pytest.mark.parametrize("scale", SCALES)
def test_features_match_a_loop(counts, scale):
    size = counts.sum(axis=1)
    found = features(sp.csr_matrix(counts), size, scale)
    assert found.dtype == np.float32
    for g in range(11):
        np.testing.assert_allclose(found[:, g], slow_feature(counts[:, g], size, scale), atol=2e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_features_have_mean_0_and_variance_1(counts, scale):
    found = features(counts, counts.sum(axis=1), scale).astype(float)
    varied = np.arange(11) != 3
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(found.var(axis=0), varied, atol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("form", [np.asarray, sp.csc_matrix, sp.coo_matrix])
def test_features_of_some_genes_are_those_of_all(counts, scale, form):
    size = counts.sum(axis=1)
    whole = features(sp.csr_matrix(counts), size, scale)
    for genes in (slice(2, 6), np.array([9, 0, 3])):
        np.testing.assert_allclose(features(form(counts[:, genes]), size, scale), whole[:, genes], atol=1e-6)


def test_residuals_are_clipped(counts):
    counts[:, 8] = 0
    counts[11, 8] = 1
    counts[12] = 0
    counts[12, 8] = 1
    found = residuals(counts, counts.sum(axis=1))
    assert found.max() == CLIP
    assert found[12, 8] == CLIP


def test_an_empty_cell_is_what_its_depth_expects(counts):
    size = counts.sum(axis=1)
    assert not residuals(counts, size)[5].any()
    assert not logarithms(counts, size)[5].any()
    assert not depth_only(counts, size)[5].any()


def test_median_depth_is_that_of_cells_with_counts():
    x = np.array([[0.0, 0.0], [3.0, 1.0], [0.0, 0.0], [6.0, 2.0], [0.0, 8.0]])
    np.testing.assert_allclose(np.expm1(logarithms(x, x.sum(axis=1)))[[1, 3, 4]], [[6, 2], [6, 2], [0, 8]])


def test_depth_only_keeps_totals(counts):
    size = counts.sum(axis=1)
    mean = depth_only(counts, size)
    np.testing.assert_allclose(mean.sum(axis=0), counts.sum(axis=0))
    np.testing.assert_allclose(mean.sum(axis=1), size)
    assert not depth_only(0 * counts, 0 * size).any()


def test_standardised_ignores_shift_and_factor(rng):
    values = rng.normal(size=(13, 3))
    np.testing.assert_allclose(standardised(5 * values - 2), standardised(values), atol=1e-12)
    assert not standardised(np.full((13, 1), 0.1)).any()


def test_sensitivity_of_a_gene_leaves_residuals_unchanged(counts):
    """Exactly so where all cells are equally deep: the variance of a gene is then one number."""
    counts = np.delete(counts, 5, axis=0)
    factor = np.arange(1, 12)
    size = np.full(66, 100.0)
    plain, scaled = (features(x, size, "residual") for x in (counts, counts * factor))
    np.testing.assert_allclose(scaled, plain, atol=1e-5)


@pytest.mark.parametrize("scale", SCALES)
def test_sensitivity_of_a_gene_nearly_leaves_features_unchanged(counts, scale):
    size = counts.sum(axis=1)
    plain, scaled = (features(x, size, scale) for x in (counts, counts * np.arange(1, 12)))
    similarity = (plain * scaled).mean(axis=0)
    assert np.delete(similarity, 3).min() > 0.9
    assert not scaled[:, 3].any()
