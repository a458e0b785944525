import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.gene_patterns import (
    bands,
    residual_products,
    section_patterns,
    side_by_side,
    smooth_power,
)


@pytest.fixture
def counts(rng):
    """151 points, an empty one among them; 9 genes, the last without counts, the first two of one gradient."""
    xy = rng.random((151, 2)) * 40
    rate = np.full((151, 9), 4.0)
    rate[:, :2] *= np.exp(xy[:, [0]] / 20 - 1)
    rate[:, 8] = 0
    X = rng.poisson(rate).astype(float)
    X[7] = 0
    return sp.csr_matrix(X), xy, X.sum(axis=1)


def test_coefficients_are_projections_of_residuals_over_their_noise(counts):
    X, xy, depth = counts
    found, B = section_patterns(X, xy, depth)
    s = depth / depth.mean()
    w = np.divide(1, np.sqrt(s), out=np.zeros(151), where=s > 0)  # Poisson: the level of overdispersion is 0
    np.testing.assert_allclose(B.T @ B, np.eye(B.shape[1]), atol=1e-9)
    np.testing.assert_allclose((w * s) @ B, 0, atol=1e-8)
    for gene in range(8):
        x = X[:, [gene]].toarray().ravel()
        share = (w * w * s) @ x / ((w * s) @ (w * s))
        e = w * (x - s * share)
        rest = e - B @ (B.T @ e)
        np.testing.assert_allclose(found.values[gene], B.T @ e / np.sqrt(rest @ rest / (150 - B.shape[1])), atol=1e-8)
    np.testing.assert_array_equal(found.values[8], 0)
    np.testing.assert_array_equal(found.noise[8], 0)
    np.testing.assert_allclose(np.diag(found.noise[:8, :8, 0]), 1)


def test_noise_shared_by_two_genes_is_seen(rng):
    xy = rng.random((600, 2))
    rate = np.repeat(rng.gamma(1, 5, size=(600, 1)), 2, axis=1)
    X = np.column_stack([rng.poisson(rate), rng.poisson(5, size=(600, 30))]).astype(float)
    noise = section_patterns(sp.csr_matrix(X), xy, np.full(600, 100.0)).patterns.noise[:, :, 0]
    assert noise[0, 1] > 0.5
    assert np.abs(noise[2:, :2]).max() < 0.2


def test_products_are_those_of_dense_residuals(rng):
    E, q = rng.poisson(1.0, size=(5, 31)).astype(float), rng.random(31)
    rest = E - np.outer(E @ q, q) / (q @ q)
    np.testing.assert_allclose(residual_products(sp.csr_matrix(E), q), rest @ rest.T, atol=1e-9)


@pytest.mark.parametrize("m", [0, 1, 2, 7, 40, 128])
def test_bands_widen_and_hold_all(m):
    band = bands(m)
    assert len(band) == m
    size = np.bincount(band)
    assert (np.diff(band) >= 0).all()
    assert (size[: max(m > 1, 0) * len(size)] >= 2).all()


def test_power_falls_to_that_of_noise(rng):
    values = rng.normal(size=(4000, 30)) * np.sqrt(np.r_[np.full(10, 9.0), np.full(20, 1.0)])
    power = smooth_power(values, bands(30))
    assert abs(power[3] - 9) < 1
    assert power[20:].max() < 1.1
    assert (power >= 1).all()


def test_sections_lie_side_by_side(counts):
    X, xy, depth = counts
    one = section_patterns(X, xy, depth).patterns
    two = side_by_side([one, one])
    m = one.values.shape[1]
    assert two.values.shape == (9, 2 * m)
    np.testing.assert_array_equal(two.band, np.r_[one.band, one.band + one.band.max() + 1])
    np.testing.assert_array_equal(two.section, np.repeat([0, 1], m))
    assert two.noise.shape == (9, 9, 2)


def test_bad_input_is_refused(counts):
    X, xy, depth = counts
    with pytest.raises(InputError, match="at least 20 points"):
        section_patterns(X[:12], xy[:12], depth[:12])
    with pytest.raises(InputError, match="one molecule"):
        section_patterns(X * 0, xy, depth * 0)
