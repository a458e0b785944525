"""Predictions block by block equal those of the whole, and add up to what the panel lets one guess."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.imputation import predict as module
from spotweave.core.imputation.combine import Weights, covariates, expected
from spotweave.core.imputation.folds import guessed_totals
from spotweave.core.imputation.methods import METHODS
from spotweave.core.imputation.pair import make_pair, sizes
from spotweave.core.imputation.predict import predict

N, M, P, T = 41, 37, 13, 7
ROWS = np.array([3, 4, 40])
QUICK = [name for name in METHODS if name != "mapping"]
"""Mapping takes seconds a run; one test of each kind is enough for it."""


@pytest.fixture
def pair(rng):
    state = np.exp(rng.normal(0, 1, (3, P + T)))
    X, Y = (rng.poisson(state[rng.integers(0, 3, n)] * rng.gamma(3, 0.5, (n, 1))) for n in (N, M))
    X[5] = 0
    Y[:, -1] = 0  # never counted
    return make_pair(X[:, :P], Y[:, :P], Y[:, P:])


@pytest.fixture
def S():
    W = sp.diags([np.ones(N - 1), np.ones(N - 1)], [-1, 1]).tocsr()
    return sp.csr_matrix(sp.diags(1 / np.asarray(W.sum(axis=1)).ravel()) @ W)


def weights_of(method):
    k, h = len(METHODS[method].routes), len(METHODS[method].hops)
    return Weights(np.full(k, 0.3), np.full(h, 0.2), np.array([0.8, 0.1]), np.linspace(0.5, 1, k), converged=True)


def blocks_of(pair, S, method, seed=0):
    return list(predict(pair, S, METHODS[method], weights_of(method), ROWS, np.random.default_rng(seed)))


@pytest.mark.parametrize("method", QUICK)
@pytest.mark.parametrize("genes_a_block", [1, 3])
def test_blocks_equal_the_whole(pair, S, monkeypatch, method, genes_a_block):
    (whole,) = blocks_of(pair, S, method)
    n_covariates = len(METHODS[method].routes) + len(METHODS[method].hops) + 2
    monkeypatch.setattr(module, "BLOCK", genes_a_block * N * n_covariates)
    parts = blocks_of(pair, S, method)
    assert [list(range(T)[part.genes]) for part in parts] == [
        list(range(start, min(start + genes_a_block, T))) for start in range(0, T, genes_a_block)
    ]
    np.testing.assert_allclose(np.hstack([part.means for part in parts]), whole.means, rtol=2e-4)
    joined = np.concatenate([part.covariates for part in parts], axis=2)
    np.testing.assert_allclose(joined, whole.covariates, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
def test_totals_are_those_guessed(pair, S, method):
    (block,) = blocks_of(pair, S, method)
    assert block.means.shape == (N, T)
    assert block.means.dtype == np.float32
    np.testing.assert_array_equal((block.means > 0).all(axis=1), sizes(pair.X) > 0)  # nothing of an empty cell
    np.testing.assert_allclose(block.means.sum(axis=0), guessed_totals(pair), rtol=1e-5)


def test_matches_covariates_weighed_by_hand(pair, S):
    (block,) = blocks_of(pair, S, "combined")
    weights, rng = weights_of("combined"), np.random.default_rng(0)
    found = [route(pair, rng)(slice(None)) for route in METHODS["combined"].routes]
    depth = np.log(np.maximum(sizes(pair.X), 0.5))
    C = covariates(found, weights.spread, depth, S, slice(None), T, hops=METHODS["combined"].hops)
    means = expected(weights.all, C, guessed_totals(pair)) * (sizes(pair.X) > 0)[:, None]
    np.testing.assert_allclose(block.means, means * guessed_totals(pair) / means.sum(axis=0), rtol=1e-5)
    np.testing.assert_array_equal(block.covariates, C[:, ROWS])


def test_mean_is_depth_to_its_power(pair, S):
    (block,) = blocks_of(pair, S, "mean")
    depth = np.maximum(sizes(pair.X), 0.5)
    shape = depth**0.8 * np.exp(0.1 * (S @ np.log(depth))) * (sizes(pair.X) > 0)
    np.testing.assert_allclose(block.means / block.means[0], np.repeat(shape[:, None], T, axis=1) / shape[0], rtol=1e-4)
