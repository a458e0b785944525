"""Thinned counts: sums, moments, independence."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.splitting import thin


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, lambda X: sp.csr_matrix(X.astype(np.float32))])
def test_halves_are_whole_non_negative_and_sum_to_the_counts(rng, kind):
    X = rng.poisson(1.3, (31, 17))
    A, B = thin(kind(X), rng)
    np.testing.assert_array_equal((A + B).toarray(), X)
    for half in (A, B):
        assert half.data.min() >= 0
        np.testing.assert_array_equal(half.data, np.rint(half.data))


def test_input_is_left_alone(rng):
    X = sp.csr_matrix(rng.poisson(2.0, (9, 5)))
    before = X.copy()
    thin(X, rng)
    assert (before != X).nnz == 0


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_moments_are_binomial(rng, share):
    n, count = 40_000, 11
    A, _ = thin(np.full((n, 1), count), rng, share=share)
    values = A.toarray().ravel()
    assert values.mean() == pytest.approx(count * share, abs=4 * np.sqrt(count / 4 / n))
    assert values.var() == pytest.approx(count * share * (1 - share), rel=0.04)


def test_halves_of_poisson_counts_are_independent_and_poisson(rng):
    A, B = (half.toarray().ravel() for half in thin(rng.poisson(6.0, (40_000, 1)), rng))
    assert abs(np.corrcoef(A, B)[0, 1]) < 4 / np.sqrt(40_000)
    assert A.var() == pytest.approx(A.mean(), rel=0.04)


def test_seed_fixes_the_split():
    X = np.full((20, 10), 5)
    first, again, other = (thin(X, np.random.default_rng(s))[0].toarray() for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
