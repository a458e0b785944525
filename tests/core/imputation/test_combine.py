"""Weights of routes: covariates against a loop, the fit against finite differences, planted weights, useless routes."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import brentq

from spotweave.core.imputation import combine
from spotweave.core.imputation.combine import (
    LARGEST,
    Weights,
    covariates,
    expected,
    fit_weights,
    log_expected,
)
from spotweave.core.likelihood import negative_binomial_log_likelihood

N, P = 150, 24
DISPERSION = 0.3
PRIOR = np.array([0, 0, 0, 0, 1.0, 0])
"""Of two routes, two averages, own depth and the neighbours'."""


@pytest.fixture
def S(rng):
    """Averages over up to three neighbours at random; cell 4 has none."""
    near = rng.integers(0, N, (N, 3))
    W = sp.csr_matrix((np.ones(3 * N), (np.repeat(np.arange(N), 3), near.ravel())), (N, N)).tolil()
    W[4] = 0
    W.setdiag(0)
    W = W.tocsr()
    degree = np.asarray(W.sum(axis=1)).ravel()
    return sp.csr_matrix(sp.diags(1 / np.maximum(degree, 1)) @ W)


@pytest.fixture
def routes(rng):
    return [rng.normal(size=(N, P)).astype(np.float32), rng.normal(size=(N, P)).astype(np.float32)]


@pytest.fixture
def log_depth(rng):
    return rng.normal(4, 0.7, N)


@pytest.fixture
def C(routes, log_depth, S):
    return covariates(routes, np.ones(2), log_depth, S, slice(None), P)


def draw(weights, C, rng, *, dispersion=DISPERSION, mean=4.0):
    """Counts that follow the model, some `mean` a cell on average."""
    means = expected(weights, C, rng.uniform(0.3, 2, C.shape[2]) * mean * C.shape[1])
    return rng.poisson(means * rng.gamma(1 / dispersion, dispersion, means.shape)).astype(float)


def dispersion_of(monkeypatch, value):
    monkeypatch.setattr(combine, "DISPERSIONS", (value, value))


def likelihood(weights, x, C, dispersion) -> float:
    """Log-likelihood with the best level of each gene, found by root finding: its score is 0."""
    total = 0.0
    for g in range(x.shape[1]):
        shape = np.exp(np.tensordot(weights, C[:, :, g].astype(float), axes=1))

        def score(level, shape=shape, x=x[:, g]):
            mean = np.exp(level) * shape
            return ((x - mean) / (1 + dispersion * mean)).sum()

        best = brentq(score, -60, 60, xtol=1e-13)
        total += negative_binomial_log_likelihood(x[:, g], np.exp(best) * shape, dispersion).sum()
    return total


def slopes(of, weights, step=1e-4):
    """Central differences ``[c]``."""
    moves = np.eye(len(weights)) * step
    return np.array([(of(weights + move) - of(weights - move)) / (2 * step) for move in moves])


@pytest.mark.parametrize("hops", [(), (2,), (1, 3), combine.HOPS])
@pytest.mark.parametrize("rows", [slice(None), np.array([4, 0, 77])])
def test_covariates_match_a_loop(routes, log_depth, S, hops, rows):
    spread = np.array([2.0, 0.5])
    found = covariates(routes, spread, log_depth, S, rows, P, hops=hops)
    wanted = [f.astype(float) for f in routes]
    mean = (routes[0] / 2.0 + routes[1] / 0.5) / 2
    average = S.toarray()
    for step in range(1, max(hops, default=0) + 1):
        before, mean = mean, mean.copy()
        for i in range(N):
            near = np.flatnonzero(average[i])
            if len(near):
                mean[i] = (before[i] + sum(average[i, j] * before[j] for j in near)) / 2
        if step in hops:
            wanted.append(mean)
    around_depth = [row @ log_depth if row.any() else log_depth[i] for i, row in enumerate(average)]
    wanted += [np.tile(np.reshape(d, (N, 1)), P) for d in (log_depth, around_depth)]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.stack([w[rows] for w in wanted]), rtol=1e-4, atol=1e-5)


def test_covariates_of_a_cell_without_neighbours_are_its_own(routes, log_depth, S):
    C = covariates(routes, np.ones(2), log_depth, S, np.array([4]), P)
    own = (routes[0][4] + routes[1][4]) / 2
    for h in (2, 3):
        np.testing.assert_allclose(C[h, 0], own, rtol=1e-5)
    np.testing.assert_allclose(C[-2:, 0], log_depth[4], rtol=1e-6)


def test_covariates_without_routes_are_depth_alone(log_depth, S):
    C = covariates([], np.zeros(0), log_depth, S, slice(None), 3)
    assert C.shape == (2, N, 3)
    np.testing.assert_allclose(C[0], np.repeat(log_depth[:, None], 3, axis=1), rtol=1e-6)


def test_covariates_of_a_route_that_predicts_nothing(routes, log_depth, S):
    C = covariates([np.zeros_like(routes[0]), routes[1]], np.array([0.0, 1.0]), log_depth, S, slice(None), P, hops=(1,))
    assert np.isfinite(C).all()
    np.testing.assert_array_equal(C[0], 0)


def test_expected_adds_up_and_keeps_to_the_bounds(C, rng):
    weights, total = np.array([30.0, 0, 0, 0, 1, 0]), rng.uniform(0, 500, P)
    total[3] = 0
    found = expected(weights, C, total)
    np.testing.assert_allclose(found.sum(axis=0), total, rtol=1e-5)
    assert not found[:, 3].any()
    eta = log_expected(weights, C)
    assert np.abs(eta).max() == LARGEST
    plain = log_expected(weights / 100, C)
    np.testing.assert_allclose(plain.mean(axis=0), 0, atol=1e-6)
    by_hand = 0.3 * C[0, :, 5].astype(float) + 0.01 * C[4, :, 5]
    np.testing.assert_allclose(plain[:, 5], by_hand - by_hand.mean(), rtol=1e-5, atol=1e-6)


def test_gradient_and_information_match_finite_differences_of_poisson_counts(C, rng):
    weights = np.array([0.3, 0.1, 0.2, 0.0, 0.8, 0.1])
    x = draw(np.array([0.5, 0, 0, 0.4, 0.7, 0.0]), C, rng)
    tiny = 1e-9
    information, gradient = combine._moments(x, C, weights, np.full(P, tiny))
    np.testing.assert_allclose(gradient, slopes(lambda w: likelihood(w, x, C, tiny), weights), rtol=1e-4)
    curvature = slopes(lambda w: combine._moments(x, C, w, np.full(P, tiny))[1], weights)
    np.testing.assert_allclose(information, -curvature, rtol=1e-4, atol=1e-4 * information.max())


def test_gradient_nearly_matches_finite_differences_of_overdispersed_counts(C, rng):
    planted = np.array([0.5, 0.2, 0.0, 0.3, 0.7, 0.0])
    x = draw(planted, C, rng)
    information, gradient = combine._moments(x, C, planted * 0.8, np.full(P, DISPERSION))
    wanted = slopes(lambda w: likelihood(w, x, C, DISPERSION), planted * 0.8)
    np.testing.assert_allclose(gradient, wanted, atol=0.01 * np.diag(information).max())


def test_moments_of_blocks_of_genes_add_up(rng):
    """20,000 cells: 16 genes a block."""
    C = rng.normal(size=(6, 20_000, 19)).astype(np.float32)
    x, weights, alpha = rng.poisson(1.0, C.shape[1:]).astype(float), rng.uniform(0, 0.3, 6), rng.uniform(0.1, 1, 19)
    assert 2_000_000 // (6 * 20_000) == 16
    whole = combine._moments(x, C, weights, alpha)
    parts = [combine._moments(x[:, [g]], C[:, :, [g]], weights, alpha[[g]]) for g in range(19)]
    for i in range(2):
        together: Any = sum(part[i] for part in parts)
        np.testing.assert_allclose(whole[i], together, rtol=1e-8, atol=1e-6)


@pytest.mark.parametrize("penalty", [0.01, combine.PENALTY])
def test_fit_is_where_the_penalised_likelihood_is_largest(C, rng, monkeypatch, penalty):
    dispersion_of(monkeypatch, DISPERSION)
    monkeypatch.setattr(combine, "PENALTY", penalty)
    x = draw(np.array([0.6, -0.3, 0.0, 0.5, 0.7, -0.2]), C, rng)
    fitted = fit_weights(x, C, np.ones(2))
    assert fitted.converged
    found = fitted.all
    assert found[1] == 0  # planted below 0
    assert (found[:4] >= 0).all()
    information = np.diag(combine._moments(x, C, found, np.full(P, DISPERSION))[0])
    ridge = penalty * information
    gradient = slopes(lambda w: likelihood(w, x, C, DISPERSION), found) - ridge * (found - PRIOR)
    free = np.array([*(found[:4] > 0), True, True])
    np.testing.assert_allclose(gradient[free] / information[free], 0, atol=0.005)
    assert (gradient[~free] <= 0).all()  # smaller would be better still, and is not allowed

    def lost(w):
        return (ridge * (w - PRIOR) ** 2).sum() / 2 - likelihood(w, x, C, DISPERSION)

    for _ in range(20):
        move = rng.normal(size=6) * 0.05
        other = found + move
        other[:4] = np.maximum(other[:4], 0)
        assert lost(other) > lost(found) - 1e-3


def test_planted_weights_are_found_where_hardly_any_penalty_is(C, rng, monkeypatch):
    monkeypatch.setattr(combine, "PENALTY", 1e-6)
    planted = np.array([0.6, 0.3, 0.0, 0.5, 0.7, -0.2])
    found = fit_weights(draw(planted, C, rng, mean=20.0, dispersion=0.1), C, np.array([1.5, 2.5]))
    np.testing.assert_allclose(found.all, planted, atol=0.06)
    np.testing.assert_array_equal(found.routes, found.all[:2])
    np.testing.assert_array_equal(found.smooth, found.all[2:4])
    np.testing.assert_array_equal(found.depth, found.all[4:])
    np.testing.assert_array_equal(found.spread, [1.5, 2.5])


def test_penalty_draws_routes_to_zero_and_depth_to_one(C, rng, monkeypatch):
    x = draw(np.array([0.6, 0.3, 0.0, 0.5, 0.4, -0.4]), C, rng)
    fits = []
    for penalty in (0.01, 1.0, 1e4):
        monkeypatch.setattr(combine, "PENALTY", penalty)
        fits.append(np.abs(fit_weights(x, C, np.ones(2)).all - PRIOR).sum())
    assert fits[0] > fits[1] > fits[2]
    assert fits[2] < 0.01


def test_noise_gets_nothing_and_a_timid_route_is_made_bolder(routes, log_depth, S, rng):
    truth = routes[0]
    planted = covariates([truth], np.ones(1), log_depth, S, slice(None), P, hops=())
    x = draw(np.array([1.0, 0.7, 0.0]), planted, rng)

    def weigh(*given):
        alone = covariates(given, np.ones(len(given)), log_depth, S, slice(None), P, hops=())
        return fit_weights(x, alone, np.ones(len(given)))

    honest, noise = weigh(truth, routes[1]).routes
    assert noise < 0.05
    assert 0.6 < honest <= 1.0
    timid = weigh(truth / 2).routes[0]
    assert timid > 1.2
    bold = weigh(truth * 3).routes[0]
    assert bold < 0.4
    assert weigh(-truth).routes[0] == 0


def test_neighbours_get_weight_only_where_they_know_more(log_depth, rng, monkeypatch):
    """A route of a smooth pattern and as much noise in each cell: neighbours' means are nearer to the pattern."""
    monkeypatch.setattr(combine, "PENALTY", 0.01)
    W = sp.diags([np.ones(N - 1), np.ones(N - 1)], [-1, 1]).tocsr()
    S = sp.csr_matrix(sp.diags(1 / np.asarray(W.sum(axis=1)).ravel()) @ W)
    smooth = np.sin(np.linspace(0, 6, N)[:, None] + rng.uniform(0, 6, P)).astype(np.float32)
    route = smooth + rng.normal(size=(N, P)).astype(np.float32)
    C = covariates([route], np.ones(1), log_depth, S, slice(None), P)
    of_pattern = draw(np.array([1.0, 1, 0]), np.concatenate([smooth[None], C[-2:]]), rng)
    found = fit_weights(of_pattern, C, np.ones(1))
    assert found.smooth.sum() > 5 * found.routes[0]
    of_route = draw(np.array([0.7, 0, 0, 1, 0]), C, rng)
    found = fit_weights(of_route, C, np.ones(1))
    assert found.smooth.sum() < 0.1 * found.routes[0]


def test_genes_without_counts_say_nothing(C, rng):
    x = draw(np.array([0.6, 0.3, 0.0, 0.5, 0.7, -0.2]), C, rng)
    x[:, [0, 7, 23]] = 0
    some = np.setdiff1d(np.arange(P), [0, 7, 23])
    found, wanted = fit_weights(x, C, np.ones(2)), fit_weights(x[:, some], C[:, :, some], np.ones(2))
    np.testing.assert_array_equal(found.all, wanted.all)
    none = fit_weights(np.zeros_like(x), C, np.ones(2))
    np.testing.assert_array_equal(none.all, PRIOR)
    assert none.converged


def test_depth_alone_and_its_power(log_depth, S, rng):
    C = covariates([], np.zeros(0), log_depth, S, slice(None), P)
    found = fit_weights(draw(np.array([0.4, 0.3]), C, rng, mean=20.0), C, np.zeros(0))
    assert isinstance(found, Weights)
    assert (len(found.routes), len(found.smooth), len(found.all)) == (0, 0, 2)
    between = (np.array([0.4, 0.3]) + combine.PENALTY * np.array([1, 0])) / (1 + combine.PENALTY)
    np.testing.assert_allclose(found.depth, between, atol=0.1)


def test_equal_depths_leave_depth_at_one(routes, S, rng):
    C = covariates(routes, np.ones(2), np.full(N, 3.0), S, slice(None), P)
    found = fit_weights(draw(np.array([0.5, 0, 0, 0, 1, 0]), C, rng), C, np.ones(2))
    assert found.converged
    np.testing.assert_allclose(found.depth, [1, 0], atol=1e-3)
    assert found.routes[0] > 0.2


def test_inputs_stay_as_they_were(C, rng):
    x = draw(np.array([0.6, 0.3, 0.0, 0.5, 0.7, -0.2]), C, rng)
    before = x.copy(), C.copy()
    fit_weights(x, C, np.ones(2))
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(C, before[1])
