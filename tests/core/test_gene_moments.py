"""Sums over streamed counts, against dense formulas."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.gene_moments import batch_moments, gene_moments, overdispersion


def chunked(X, size):
    """Row chunks of any matrix, as `_table.row_chunks` gives them."""
    return lambda: ((slice(s, min(s + size, X.shape[0])), X[s : s + size]) for s in range(0, X.shape[0], size))


@pytest.fixture
def counts(rng) -> np.ndarray:
    X = rng.negative_binomial(2, 0.4, size=(47, 23)) * (rng.random((47, 23)) < 0.6)
    X[5] = 0  # a cell of zeros
    X[:, 3] = 0  # a gene of zeros
    return X.astype(float)


@pytest.mark.parametrize("size", [1, 7, 46, 47, 100])
def test_moments_are_the_sums_of_the_dense_matrix(counts, size):
    m = gene_moments(chunked(sp.csr_matrix(counts), size))
    np.testing.assert_array_equal(m.size, counts.sum(axis=1))
    np.testing.assert_array_equal(m.total, counts.sum(axis=0))
    np.testing.assert_array_equal(m.square, (counts**2).sum(axis=0))
    np.testing.assert_array_equal(m.weighted, (counts * counts.sum(axis=1)[:, None]).sum(axis=0))
    np.testing.assert_array_equal(m.detected, (counts > 0).sum(axis=0))


def test_stored_zeros_are_not_detected(counts):
    X = sp.csr_matrix(counts)
    X.data[:40] = 0
    np.testing.assert_array_equal(gene_moments(chunked(X, 10)).detected, (X.toarray() > 0).sum(axis=0))


def test_no_rows_is_an_error():
    with pytest.raises(InputError, match="at least one row"):
        gene_moments(lambda: iter(()))


def test_overdispersion_matches_a_double_loop(counts):
    size, share = counts.sum(axis=1), counts.sum(axis=0) / counts.sum()
    expected = np.full(23, -np.inf)
    for j in range(23):
        top = bottom = 0.0
        for i in range(47):
            mean = size[i] * share[j]
            top += (counts[i, j] - mean) ** 2 - counts[i, j]
            bottom += mean**2
        if bottom > 0:
            expected[j] = top / np.sqrt(2 * bottom)
    np.testing.assert_allclose(overdispersion(gene_moments(chunked(counts, 10))), expected, rtol=1e-9)
    assert expected[3] == -np.inf


def test_overdispersion_is_standard_normal_for_poisson_and_large_for_negative_binomial_genes(rng):
    n, g = 1_500, 401
    depth, share = rng.gamma(5, 200, n), rng.dirichlet(np.full(g, 2.0))
    mean = depth[:, None] * share
    z = overdispersion(gene_moments(chunked(rng.poisson(mean), 500)))
    assert abs(z.mean()) < 0.15
    assert 0.85 < z.std() < 1.15
    mixed = rng.poisson(mean * rng.gamma(2, 1 / 2, mean.shape))
    assert np.median(overdispersion(gene_moments(chunked(mixed, 500)))) > 5


def test_moments_of_batches_are_those_of_their_rows(counts):
    batch = np.array([1, 0, 2] * 15 + [2, 2])
    X = sp.csr_matrix(counts)
    for number, found in enumerate(batch_moments(chunked(X, 4), batch)):
        alone = gene_moments(chunked(X[batch == number], 100))
        for name in ("size", "total", "square", "weighted", "detected"):
            np.testing.assert_allclose(getattr(found, name), getattr(alone, name), err_msg=name)
