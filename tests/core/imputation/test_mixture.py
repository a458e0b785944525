"""The route through states: EM against loops, posteriors against scipy's multinomial, and planted types."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import multinomial

from spotweave.core.imputation.mixture import SMALLEST, fit_states, mixture
from spotweave.core.imputation.pair import CEILING, Pair

EVERY = slice(None)


@pytest.fixture
def states(rng):
    """Counts ``[41, 9]`` of three states on a platform that sees genes unlike well; cell 4 and gene 2 are empty."""
    shares, sensitivity = rng.dirichlet([0.7] * 9, 3), rng.gamma(2.0, 1.0, 9)
    rates = shares * sensitivity
    rates[:, 2] = 0
    kind = rng.choice(3, 41, p=[0.6, 0.3, 0.1])
    X = rng.poisson(rng.choice([3, 15], (41, 1)) * rates[kind] / rates.sum(axis=1)[kind, None])
    X[4] = 0
    return X.astype(float), shares, np.array([0.5, 0.2, 0.3]), kind


def slow_fit(X, shares, weight, temper, n_steps):
    """EM cell by cell, state by state, gene by gene; genes that no state has are skipped."""
    n, K = len(X), len(shares)
    genes = [g for g in range(X.shape[1]) if any(shares[k][g] > 0 for k in range(K))]
    size = [sum(X[i, g] for g in genes) for i in range(n)]
    total = {g: sum(X[i, g] for i in range(n)) for g in genes}
    s = {g: total[g] / sum(size) / sum(weight[k] * shares[k, g] for k in range(K)) for g in genes}
    for _ in range(n_steps):
        seen = [sum(shares[k, g] * s[g] for g in genes) for k in range(K)]
        P = np.zeros((n, K))
        for i in range(n):
            for k in range(K):
                logs = [X[i, g] * np.log(max(shares[k, g] * s[g] / seen[k], SMALLEST)) for g in genes]
                P[i, k] = np.log(weight[k]) + temper * sum(logs)
            P[i] = np.exp(P[i] - P[i].max())
            P[i] /= P[i].sum()
        weight = np.array([np.mean(P[:, k]) + 1e-4 for k in range(K)])
        weight = weight / weight.sum()
        prior = len(genes) / sum(s.values())
        exposure = [sum(P[i, k] * size[i] for i in range(n)) / seen[k] for k in range(K)]
        s = {g: (total[g] + 1) / (sum(exposure[k] * shares[k, g] for k in range(K)) + prior) for g in genes}
    return P, weight, [s.get(g, np.nan) for g in range(X.shape[1])]


@pytest.mark.parametrize(("temper", "n_steps"), [(1.0, 1), (0.3, 4), (0.1, 10)])
def test_fit_states_matches_a_loop(states, temper, n_steps):
    X, shares, weight, _ = states
    found = fit_states(sp.csr_matrix(X), shares, weight, temper, n_steps)
    probability, weight, sensitivity = slow_fit(X, shares, weight, temper, n_steps)
    np.testing.assert_allclose(found.probability, probability, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.weight, weight, rtol=1e-8)
    np.testing.assert_allclose(found.sensitivity, sensitivity, rtol=1e-8)


def test_posterior_is_that_of_a_multinomial(states):
    X, shares, weight, _ = states
    X[:, 2] = 1  # a gene of no counts has no rate at the start, which scipy cannot take
    X[4] = 0
    start = X.sum(axis=0) / X.sum() / (weight @ shares)
    rates = shares * start
    rates /= rates.sum(axis=1, keepdims=True)
    likelihood = np.array([[multinomial.pmf(x, x.sum(), rate) for rate in rates] for x in X])
    expected = weight * likelihood
    expected /= expected.sum(axis=1, keepdims=True)
    found = fit_states(sp.csr_matrix(X), shares, weight, 1.0, 1).probability
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(found[4], weight)  # an empty cell says nothing


def test_genes_that_no_state_has_change_nothing(states):
    X, shares, weight, _ = states
    plain = fit_states(sp.csr_matrix(X), shares, weight, 0.3, 5)
    wider = np.insert(X, 3, 1000.0, axis=1), np.insert(shares, 3, 0.0, axis=1)
    found = fit_states(sp.csr_matrix(wider[0]), wider[1], weight, 0.3, 5)
    np.testing.assert_allclose(found.probability, plain.probability, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(np.delete(found.sensitivity, 3), plain.sensitivity, rtol=1e-8)
    many = fit_states(sp.csr_matrix(wider[0]), wider[1], weight, 0.3, 300)
    assert np.isfinite(many.sensitivity).all()


def test_states_and_sensitivities_are_recovered(rng):
    shares, sensitivity = rng.dirichlet([1.0] * 30, 3), rng.gamma(2.0, 1.0, 30)
    kind = rng.choice(3, 400, p=[0.6, 0.3, 0.1])
    rates = (shares * sensitivity)[kind]
    X = rng.poisson(100 * rates / rates.sum(axis=1, keepdims=True))
    found = fit_states(sp.csr_matrix(X.astype(float)), shares, np.full(3, 1 / 3), 1.0, 30)
    assert (found.probability.argmax(axis=1) == kind).mean() > 0.99
    np.testing.assert_allclose(found.weight, np.bincount(kind) / 400, atol=0.01)
    ratio = found.sensitivity / sensitivity
    np.testing.assert_allclose(ratio / np.median(ratio), 1, atol=0.2)


@pytest.mark.parametrize(("shrink", "n_steps"), [(0.05, 10), (1.0, 1)])
def test_mixture_matches_its_definition(planted, rng, shrink, n_steps):
    """Two states are the two types, which are far apart and of unlike number."""
    kept = (planted.reference_type == 0) | (np.arange(83) % 3 == 0)
    kind = planted.reference_type[kept]
    pair = Pair(planted.pair.X, planted.pair.R[kept], planted.pair.Y[kept])
    R, Y = pair.R.toarray(), pair.Y.toarray()
    r = R.sum(axis=1)
    depth = np.array([r[kind == k].sum() for k in (0, 1)])
    pseudo = shrink * np.median(depth)
    shares = lambda y: [(y[kind == k].sum() + pseudo * y.sum() / r.sum()) / (depth[k] + pseudo) for k in (0, 1)]
    panel, wanted = (np.array([shares(y) for y in counts.T]).T for counts in (R, Y))
    P = slow_fit(pair.X.toarray(), panel, np.bincount(kind) / len(kind), 0.1, n_steps)[0]
    found = mixture(pair, rng, n_states=2, shrink=shrink, n_steps=n_steps)(EVERY)
    has = np.arange(17) != 11
    expected = np.log((P @ wanted)[:, has] / (Y.sum(axis=0) / r.sum())[has])
    np.testing.assert_allclose(found[:, has], np.clip(expected, -CEILING, CEILING), atol=1e-5)
    assert not found[:, 11].any()


def test_states_drawn_to_all_cells_say_nothing(planted, rng):
    np.testing.assert_allclose(mixture(planted.pair, rng, shrink=1e9)(EVERY), 0, atol=1e-5)


def test_markers_of_types_are_found(planted, rng):
    assert planted.worst(mixture(planted.pair, rng)) > 0.8


def test_some_genes_are_those_of_all(planted, rng):
    predict = mixture(planted.pair, rng)
    whole = predict(EVERY)
    assert whole.shape == (61, 17)
    assert np.isfinite(whole).all()
    for genes in (slice(3, 8), np.array([16, 11, 2])):
        np.testing.assert_allclose(predict(genes), whole[:, genes], atol=1e-6)


def test_the_seed_decides(planted):
    first, second = (mixture(planted.pair, np.random.default_rng(3), n_states=5)(EVERY) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_few_cells_are_few_states(planted, rng):
    pair = planted.pair
    found = mixture(Pair(pair.X, pair.R[:6], pair.Y[:6]), rng)(EVERY)
    assert np.isfinite(found).all()
