"""Platform factors: sums and update against loops, planted factors, limits of shrinkage."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.deconvolution.platform import LEAST_VARIANCE, GeneSums, dense_rows, update
from spotweave.core.deconvolution.spot_model import spot_model


def sums_of(observed, expected):
    sums = GeneSums(len(observed))
    sums.observed += observed
    sums.expected += expected
    return sums


def test_sums_match_a_loop_and_add_up(rng):
    S, phi = rng.gamma(1, 1, (3, 7)), rng.uniform(0.1, 1, 7)
    model = spot_model(S, phi, np.zeros((0, 7)), np.zeros(0))
    W, X = rng.gamma(1, 5, (5, 3)), rng.poisson(9, (5, 7)).astype(np.float32)
    size = X.sum(axis=1)
    found = GeneSums(7)
    for rows in (slice(0, 2), slice(2, 5)):
        found.add(model, X[rows], W[rows], size[rows])
    for g in range(7):
        mu = W @ S[:, g]
        assert found.observed[g] == pytest.approx((X[:, g] / (1 + phi[g] * mu)).sum(), rel=1e-5)
        assert found.expected[g] == pytest.approx((mu / (1 + phi[g] * mu)).sum(), rel=1e-5)


def test_update_matches_a_loop(rng):
    now, expected = rng.normal(0, 0.2, 23), rng.gamma(1, 60, 23)
    observed = rng.poisson(expected * np.exp(rng.normal(0, 0.5, 23)))
    found, sd = update(now, sums_of(observed, expected))
    r = now + np.log((observed + 0.5) / (expected + 0.5))
    order, variances, start = np.argsort(expected), np.empty(23), 0
    for size in [3, 3, 3] + [2] * 7:  # ten levels
        level = order[start : start + size]
        start += size
        top = sum(r[g] ** 2 * expected[g] - 1 for g in level)
        variances[level] = max(top / sum(expected[g] for g in level), LEAST_VARIANCE)
    np.testing.assert_allclose(found, r * variances / (variances + 1 / expected))
    assert sd == pytest.approx(np.sqrt(variances.mean()))


def test_planted_factors_are_recovered_and_sure_ones_kept(rng):
    truth = rng.normal(0, 0.5, 400)
    expected = np.full(400, 1e6)
    found, sd = update(np.zeros(400), sums_of(rng.poisson(expected * np.exp(truth)), expected))
    np.testing.assert_allclose(found, truth, atol=0.01)
    assert sd == pytest.approx(0.5, abs=0.05)
    kept, _ = update(truth, sums_of(expected, expected))
    np.testing.assert_allclose(kept, truth, rtol=1e-3)


def test_noise_alone_is_drawn_to_zero(rng):
    expected = np.full(400, 20.0)
    observed = rng.poisson(expected)
    found, sd = update(np.zeros(400), sums_of(observed, expected))
    assert found.std() < 0.4 * np.log(observed / expected).std()
    assert sd < 0.15


def test_a_gene_without_counts_has_no_factor():
    found, _ = update(np.zeros(30), sums_of(np.append(0.0, np.full(29, 500.0)), np.append(0.0, np.full(29, 500.0))))
    assert found[0] == 0
    assert np.isfinite(found).all()


def test_dense_rows():
    X = sp.csr_matrix(np.arange(12).reshape(4, 3))
    found = dense_rows(X, slice(1, 3))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, [[3, 4, 5], [6, 7, 8]])
    assert type(found) is np.ndarray
