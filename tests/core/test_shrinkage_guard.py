"""The guard on counts whose variation around the means is known; its prior against a brute-force optimum."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize_scalar
from scipy.stats import poisson

from spotweave.core import shrinkage
from spotweave.core.propagate import symmetrise
from spotweave.core.shrinkage import (
    DISPERSIONS,
    REACHES,
    evidence,
    fit_guard,
    posterior_mean,
    shared_prior,
)
from spotweave.core.splitting import thin

RATIO = 0.25


def test_shared_prior_is_the_best_of_all_for_two_candidates(rng):
    L = rng.normal(size=(2, 60)) * 2 - 300
    L[1] += 0.5
    prior, gain = shared_prior(L, 500)
    value = lambda p: np.logaddexp(np.log(p) + L[0], np.log(1 - p) + L[1]).sum()
    best = minimize_scalar(lambda p: -value(p), bounds=(1e-6, 1 - 1e-6), method="bounded", options={"xatol": 1e-8})
    assert 0.05 < best.x < 0.95
    assert prior[0] == pytest.approx(best.x, abs=1e-4)
    assert prior.sum() == pytest.approx(1)
    assert gain.shape == (60,)
    assert gain.sum() == pytest.approx(-best.fun, abs=1e-6)


def test_shared_prior_climbs(rng):
    L = 3 * rng.normal(size=(5, 40))
    values = [shared_prior(L, t)[1].sum() for t in (0, 1, 2, 5, 20, 100)]
    assert values[0] == pytest.approx(np.log(np.exp(L).mean(axis=0)).sum())
    assert (np.diff(values) > 0).all()


def test_shared_prior_of_no_genes_is_the_first_candidate():
    prior, gain = shared_prior(np.zeros((3, 0)))
    np.testing.assert_array_equal(prior, [1, 0, 0])
    assert gain.shape == (0,)


def test_dispersion_gives_the_counts_the_mean_weight_of_the_candidates(rng):
    L, prior, mean = (
        rng.normal(size=(len(DISPERSIONS), 6)),
        rng.dirichlet(np.ones(len(DISPERSIONS))),
        rng.gamma(2, 1, 6),
    )
    mean[2] = 0
    found = shrinkage._dispersion(L, prior, mean)
    for g in range(6):
        posterior = prior * np.exp(L[:, g])
        expected = (posterior / posterior.sum()) @ (DISPERSIONS * mean[g] / (1 + DISPERSIONS * mean[g]))
        assert found[g] * mean[g] / (1 + found[g] * mean[g]) == pytest.approx(expected)
    assert found[2] == 0
    sure = np.where(np.arange(len(DISPERSIONS))[:, None] == 6, 0.0, -1e4) * np.ones(6)
    np.testing.assert_allclose(shrinkage._dispersion(sure, prior, np.ones(6)), DISPERSIONS[6])


def simulated(rng, residual, n_genes):
    """Halves of counts around known means, whose rates are multiplied by `residual` ``[n, g]``."""
    n = len(residual)
    share = np.geomspace(0.4, 6, n_genes)
    table = rng.gamma(8, 1 / 8, (n, 1)) * share
    X = sp.csr_matrix(rng.poisson(table * residual).astype(np.float32))
    train, held_out = thin(X, rng, share=1 / (1 + RATIO))
    means = lambda rows, genes: (table[rows][:, genes] / (1 + RATIO)).astype(np.float32)
    return means, train.tocsc(), held_out.tocsc()


def chosen(parts, W, **options: Any):
    means, train, held_out = parts
    return fit_guard(means, train, held_out, RATIO, W, **{"rows": np.arange(W.shape[0]), **options})


def ring(n):
    return symmetrise(sp.eye_array(n, k=1, format="csr") + sp.eye_array(n, k=2, format="csr"))


def test_dispersion_of_simulated_counts_is_recovered(rng):
    n, g = 700, 40
    own = rng.gamma(1 / 0.8, 0.8, (n, g))
    own[:, ::2] = 1
    guard = chosen(simulated(rng, own, g), ring(n))
    assert (guard.reach == 0).all()  # neighbours know nothing of it
    assert guard.dispersion[::2].max() < 0.08
    assert 0.6 < np.median(guard.dispersion[1::2]) < 1.0
    assert guard.dispersion[1::2].min() > 0.4
    assert guard.gains[0] == 0
    assert len(guard.gains) == len(REACHES)


def patched(rng, n, g):
    """Residuals that 10 cells in a row share."""
    return np.repeat(rng.gamma(1 / 0.5, 0.5, (n // 10, g)), 10, axis=0)


def test_reach_opens_where_neighbours_share_what_the_model_misses_and_only_there(rng):
    n, g = 400, 30
    residual = patched(rng, n, g)
    shared = chosen(simulated(rng, residual, g), ring(n))
    assert (shared.reach >= 0.3).all()
    assert len(set(shared.reach)) == 1
    assert shared.gains.max() > 1
    permuted = chosen(simulated(rng, residual[rng.permutation(n)], g), ring(n))
    assert (permuted.reach == 0).all()
    assert np.median(permuted.dispersion) > 0.2


def test_dispersion_is_that_of_the_likelihood_written_out_at_the_chosen_reach(rng):
    n, g = 200, 12
    parts = simulated(rng, patched(rng, n, g), g)
    guard = chosen(parts, ring(n))
    assert guard.reach[0] > 0
    e = evidence(parts[0], parts[1], ring(n), None, slice(0, g))
    x = parts[2].toarray()
    expected = [RATIO * posterior_mean(e, alpha, guard.reach) for alpha in DISPERSIONS]
    L = np.stack([poisson.logpmf(x, mean).sum(axis=0) for mean in expected])
    pooled = (e.mean + guard.reach * e.mean_around).mean(axis=0)
    np.testing.assert_allclose(guard.dispersion, shrinkage._dispersion(L, shared_prior(L)[0], pooled), rtol=1e-3)


@pytest.mark.parametrize(
    ("gains", "best"), [((0.1, 0.3), 0), ((0.3, 0.1), 0), ((1.0, 2.0), 2), ((2.0, 1.0), 1), ((-2, 3), 2)]
)
def test_a_reach_has_to_gain_two_standard_errors_over_genes(gains, best):
    spread = np.array([-1.0, 0.0, 1.0, 0.0]) * 2**0.5 * 0.5  # standard error 0.29
    fits = [(np.zeros(2), np.full(4, 7.0))] + [(np.zeros(2), 7 + gain + spread) for gain in gains]
    assert shrinkage._significant(fits, np.array([0.0, *gains])) == best
    alone = [(prior, evidence[:1]) for prior, evidence in fits]  # one gene has no standard error
    assert shrinkage._significant(alone, np.array([0.0, 5.0, 6.0])) == 0


def test_estimates_with_the_chosen_settings_beat_the_model_and_the_counts(rng):
    n, g = 400, 30
    residual = patched(rng, n, g)
    parts = simulated(rng, residual, g)
    W = ring(n)
    guard = chosen(parts, W)
    e = evidence(parts[0], parts[1], W, None, slice(0, g))
    truth = e.mean * residual
    error = lambda estimate: ((np.sqrt(estimate) - np.sqrt(truth)) ** 2).mean()
    plain = posterior_mean(e, guard.dispersion, 0.0)
    assert error(posterior_mean(e, guard.dispersion, guard.reach)) < 0.6 * error(plain)
    assert error(plain) < 0.8 * min(error(e.mean), error(e.counts))


def test_without_edges_neighbours_are_not_considered(rng):
    n, g = 400, 30
    guard = chosen(simulated(rng, patched(rng, n, g), g), sp.csr_matrix((n, n)))
    assert (guard.reach == 0).all()
    np.testing.assert_array_equal(guard.gains, [0.0])


def test_flat_genes_have_no_reach_and_a_prior_of_their_own(rng):
    n, g = 400, 30
    residual = patched(rng, n, g)
    flat = np.arange(g) % 3 == 0
    residual[:, flat] = 1
    parts = simulated(rng, residual, g)
    guard = chosen(parts, ring(n), flat=flat)
    assert (guard.reach[flat] == 0).all()
    assert (guard.reach[~flat] > 0).all()
    assert guard.dispersion[flat].max() < 0.05 < guard.dispersion[~flat].min()
    means, train, held_out = parts
    for some, W in ((np.flatnonzero(flat), sp.csr_matrix((n, n))), (np.flatnonzero(~flat), ring(n))):
        only = (lambda rows, genes, some=some: means(rows, some[genes]), train[:, some], held_out[:, some])
        alone = chosen(only, W)
        np.testing.assert_allclose(guard.dispersion[some], alone.dispersion, rtol=1e-4)
        np.testing.assert_array_equal(guard.reach[some], alone.reach)


def test_genes_without_held_out_counts_and_without_any(rng):
    n, g = 200, 12
    means, train, held_out = simulated(rng, patched(rng, n, g), g)
    held_out = held_out.tolil()
    held_out[:, [0, 5]] = 0
    train = train.tolil()
    train[:, 5] = 0
    table = means(slice(None), slice(0, g)).copy()
    table[:, 5] = 0
    guard = chosen((lambda r, c: table[r][:, c], train.tocsc(), held_out.tocsc()), ring(n))
    assert np.isfinite(guard.dispersion).all()
    assert guard.dispersion[5] == 0
    nothing = chosen((means, train.tocsc(), sp.csc_matrix((n, g))), ring(n))
    np.testing.assert_array_equal(nothing.reach, 0)
    np.testing.assert_array_equal(nothing.dispersion, 0)
    np.testing.assert_array_equal(nothing.gains, 0)


def test_only_the_given_rows_decide(rng):
    n, g = 300, 20
    residual = rng.gamma(1, 1, (n, g))
    residual[:150] = 1
    parts = simulated(rng, residual, g)
    quiet, loud = (chosen(parts, ring(n), rows=rows).dispersion for rows in (np.arange(150), np.arange(150, 300)))
    assert np.median(quiet) < 0.05
    assert np.median(loud) > 0.5
