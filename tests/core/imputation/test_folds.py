"""Held-out genes: nothing of a gene's own counts reaches its prediction, every gene once, totals guessed by the panel."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.imputation import folds
from spotweave.core.imputation.combine import Weights, covariates, expected
from spotweave.core.imputation.folds import guessed_totals, hold_out_genes, log_depth
from spotweave.core.imputation.methods import METHODS, Method
from spotweave.core.imputation.pair import make_pair, sizes, totals

N, M, P, T = 61, 53, 23, 4
EVERY = np.arange(N)
QUICK = [name for name in METHODS if name != "mapping"]
"""Mapping takes seconds a run; one test of each kind is enough for it."""


def some_counts(rng, state, effects, sensitivity):
    depth = rng.gamma(4, 1, (len(state), 1))
    return rng.poisson(depth * np.exp(effects[state]) * sensitivity)


@pytest.fixture
def arrays(rng):
    """Cells of three states in both data sets; cell 9 of the target has no counts."""
    effects, sensitivity = rng.normal(0, 0.8, (3, P + T)), rng.gamma(2, 0.3, P + T)
    X = some_counts(rng, np.arange(N) * 3 // N, effects, sensitivity)[:, :P]
    Y = some_counts(rng, rng.integers(0, 3, M), effects, 2 * sensitivity * rng.gamma(4, 0.25, P + T))
    X[9] = 0
    return X, Y[:, :P], Y[:, P:]


@pytest.fixture
def S():
    """Neighbours in a row of cells; the last cell has none."""
    W = sp.diags([np.ones(N - 1), np.ones(N - 1)], [-1, 1]).tolil()
    W[N - 2, N - 1] = W[N - 1, N - 2] = 0
    W = W.tocsr()
    W.eliminate_zeros()
    return sp.csr_matrix(sp.diags(1 / np.maximum(np.asarray(W.sum(axis=1)).ravel(), 1)) @ W)


def held_out(arrays, S, method="ridge", rows=EVERY, n_folds=5, seed=0):
    way = METHODS[method] if isinstance(method, str) else method
    return hold_out_genes(make_pair(*arrays), S, way, rows, n_folds, np.random.default_rng(seed))


def changed(arrays, gene, rng):
    """Other counts of one gene in the target."""
    X = arrays[0].copy()
    X[:, gene] = rng.permutation(X[:, gene]) * 3 + rng.poisson(2, N)
    return X, *arrays[1:]


@pytest.mark.parametrize("method", QUICK)
def test_no_count_of_a_gene_reaches_what_its_own_fold_is_predicted_from(arrays, S, rng, method):
    before, gene = held_out(arrays, S, method), 6
    after = held_out(changed(arrays, gene, rng), S, method)
    np.testing.assert_array_equal(before.fold, after.fold)
    own = before.fold == before.fold[gene]
    np.testing.assert_array_equal(before.covariates[:, :, own], after.covariates[:, :, own])
    np.testing.assert_array_equal(before.depth[:, own], after.depth[:, own])
    assert (before.covariates[:, :, ~own] != after.covariates[:, :, ~own]).any(axis=(0, 1)).all()  # as their panel
    assert (before.depth[:, ~own] != after.depth[:, ~own]).any(axis=0).all()


def test_no_count_of_a_gene_reaches_its_prediction_once_weights_are_given(arrays, S, rng, monkeypatch):
    """Level and total are guessed without it as well."""
    fixed = Weights(np.array([0.6]), np.zeros(0), np.array([1.0, 0.0]), np.ones(1), converged=True)
    monkeypatch.setattr(folds, "fit_weights", lambda x, C, spread: fixed)
    before, gene = held_out(arrays, S), 6
    after = held_out(changed(arrays, gene, rng), S)
    own = before.fold == before.fold[gene]
    np.testing.assert_array_equal(before.means[:, own], after.means[:, own])
    assert (before.means[:, ~own] != after.means[:, ~own]).any(axis=0).all()


def test_weights_of_a_fold_are_fitted_to_the_counts_of_the_others(arrays, S, monkeypatch):
    given = []

    def spy(x, C, spread):
        given.append((x, C))
        return folds_fit(x, C, spread)

    folds_fit = folds.fit_weights
    monkeypatch.setattr(folds, "fit_weights", spy)
    held = held_out(arrays, S, n_folds=4)
    assert len(given) == 5
    for k, (x, C) in enumerate(given[:4]):
        others = np.flatnonzero(held.fold != k)
        np.testing.assert_array_equal(x, arrays[0][:, others])
        np.testing.assert_array_equal(C, held.covariates[:, :, others])
    np.testing.assert_array_equal(given[4][0], arrays[0])
    np.testing.assert_array_equal(held.weights.all, folds_fit(arrays[0], held.covariates, held.weights.spread).all)


@pytest.mark.parametrize("n_folds", [2, 5, 7, P])
def test_every_gene_is_held_out_once(arrays, S, n_folds):
    held = held_out(arrays, S, n_folds=n_folds)
    size = np.bincount(held.fold)
    assert len(size) == n_folds
    assert size.max() - size.min() <= 1
    assert size.sum() == P
    assert (held.means > 0).all()
    assert (held.covariates[0].std(axis=0) > 0).all()
    np.testing.assert_array_equal(held.counts, arrays[0])
    for g in range(P):
        np.testing.assert_array_equal(held.depth[:, g], arrays[0][:, held.fold != held.fold[g]].sum(axis=1))


def test_a_fold_matches_a_prediction_made_by_hand(arrays, S):
    held, k = held_out(arrays, S, "factor", n_folds=3), 1
    out, panel = np.flatnonzero(held.fold == k), np.flatnonzero(held.fold != k)
    X, R, _ = arrays
    part = make_pair(X[:, panel], R[:, panel], R[:, out])
    size = sizes(part.X)
    route = METHODS["factor"].routes[0](part, np.random.default_rng(9))(slice(None))
    C = covariates([route], np.ones(1), np.log(np.maximum(size, 0.5)), S, EVERY, len(out), hops=())
    np.testing.assert_array_equal(held.covariates[:, :, out], C)
    weights = folds.fit_weights(X[:, panel].astype(float), held.covariates[:, :, panel], np.ones(1))
    np.testing.assert_allclose(held.means[:, out], expected(weights.all, C, guessed_totals(part)), rtol=1e-6)


def test_wanted_genes_are_not_looked_at(arrays, S, rng):
    other = (*arrays[:2], rng.poisson(7, (M, 2)))
    np.testing.assert_array_equal(held_out(arrays, S, "combined").means, held_out(other, S, "combined").means)


def test_a_sample_of_rows_is_judged_by_predictions_for_all(arrays, S):
    rows = np.array([0, 9, 10, 31, 60])
    whole, part = held_out(arrays, S, "combined"), held_out(arrays, S, "combined", rows)
    np.testing.assert_array_equal(part.covariates, whole.covariates[:, rows])
    np.testing.assert_array_equal(part.counts, arrays[0][rows])
    np.testing.assert_array_equal(part.depth, whole.depth[rows])
    np.testing.assert_allclose(part.means.sum(axis=0), whole.means.sum(axis=0) * 5 / N, rtol=1e-5)


def test_weights_are_fitted_to_a_sample_of_cells(arrays, S, monkeypatch):
    seen, fit = [], folds.fit_weights

    def spy(x, C, spread):
        seen.append((len(x), C.shape[1]))
        return fit(x, C, spread)

    monkeypatch.setattr(folds, "FIT_CELLS", 31)
    monkeypatch.setattr(folds, "fit_weights", spy)
    assert held_out(arrays, S).means.shape == (N, P)
    assert set(seen) == {(31, 31)}


def test_the_seed_decides(arrays, S):
    first, second, other = (held_out(arrays, S, "combined", seed=seed) for seed in (3, 3, 4))
    for name in ("fold", "means", "covariates", "depth"):
        np.testing.assert_array_equal(getattr(first, name), getattr(second, name))
    assert (first.fold != other.fold).any()


def test_without_routes_depth_is_all_that_is_left(arrays, S):
    held = held_out(arrays, S, Method(()))
    assert held.covariates.shape == (2, N, P)
    assert len(held.weights.routes) == 0
    ratio = held.means / held.depth.clip(0.5) ** held.weights.depth[0]
    assert (held.means[9] < held.means.mean(axis=0)).all()  # the cell without counts
    assert np.isfinite(ratio).all()


def test_guessed_totals_follow_a_power_of_the_references(rng):
    """Genes 0 to 29 of the same platforms are the panel; the others lie on the same line."""
    reference = np.round(np.exp(rng.uniform(3, 8, 40)))
    target = np.round(reference**0.7 * 2)
    column = lambda total: np.stack([total, total * 3])  # two cells
    pair = make_pair(column(target[:30]), column(reference[:30]), column(reference[30:]))
    np.testing.assert_allclose(guessed_totals(pair), 4 * target[30:], rtol=0.05)


def test_guessed_totals_match_the_line_by_hand(arrays):
    pair = make_pair(*arrays)
    x, r, y = (np.asarray(A).sum(axis=0) for A in arrays)
    share = lambda total: np.log((total + 0.5) / (total + 0.5).sum())
    slope, intercept = np.polyfit(share(r), share(x), 1)
    wanted = np.exp(intercept + slope * np.log((y + 0.5) / (r + 0.5).sum())) * x.sum()
    np.testing.assert_allclose(guessed_totals(pair), wanted)
    np.testing.assert_array_equal(totals(pair.R), r)


def test_log_depth_of_an_empty_cell_is_that_of_half_a_count():
    np.testing.assert_allclose(log_depth(np.array([0.0, 1, 20])), np.log([0.5, 1, 20]))
