"""Shrunk estimates against numerical integration, scipy and slow loops."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.integrate import quad
from scipy.stats import poisson

from spotweave.core import shrinkage
from spotweave.core.propagate import symmetrise
from spotweave.core.shrinkage import (
    Evidence,
    chosen_rows,
    evidence,
    gene_blocks,
    poisson_log_likelihood,
    posterior_mean,
    posterior_variance,
    weights,
)


def some_evidence(rng, b=5, g=3):
    mean, around = rng.gamma(2, 1, (b, g)), rng.gamma(6, 1, (b, g))
    counts, counts_around = rng.poisson(2 * mean), rng.poisson(around)
    counts[0], counts_around[1] = 0, 0
    return Evidence(mean, counts.astype(float), around, counts_around.astype(float))


def integrated(e, place, alpha, kappa):
    """First two moments of the rate: prior times the likelihoods of the counts, the neighbours' to the power kappa."""
    mean, count, mean_around, count_around = (part[place] for part in e)

    def density(u):
        prior = (1 / alpha - 1) * np.log(u) - u / alpha
        return np.exp(prior + count * np.log(u) - mean * u + kappa * (count_around * np.log(u) - mean_around * u))

    moments = [quad(lambda u, p=p: u**p * density(u), 1e-12, 60, limit=400, epsabs=0)[0] for p in range(3)]
    first, second = mean * moments[1] / moments[0], mean**2 * moments[2] / moments[0]
    return first, second - first**2


@pytest.mark.parametrize("kappa", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("alpha", [0.1, 0.8])
def test_estimate_and_variance_are_those_of_the_posterior(rng, alpha, kappa):
    e = some_evidence(rng)
    mean, variance = posterior_mean(e, alpha, kappa), posterior_variance(e, alpha, kappa)
    for place in np.ndindex(e.mean.shape):
        first, second = integrated(e, place, alpha, kappa)
        assert mean[place] == pytest.approx(first, rel=1e-5)
        assert variance[place] == pytest.approx(second, rel=1e-4)


def test_limits_are_the_model_and_the_count(rng):
    e = some_evidence(rng)
    np.testing.assert_array_equal(posterior_mean(e, 0.0, 0.5), e.mean)
    np.testing.assert_array_equal(posterior_variance(e, 0.0, 0.5), 0)
    np.testing.assert_allclose(posterior_mean(e, 1e9, 0.0), e.counts, rtol=1e-6, atol=1e-6)
    pooled = e.mean * (e.counts + 0.5 * e.counts_around) / (e.mean + 0.5 * e.mean_around)
    np.testing.assert_allclose(posterior_mean(e, 1e9, 0.5), pooled, rtol=1e-6, atol=1e-6)


def test_one_setting_for_each_gene(rng):
    e = some_evidence(rng)
    alpha, kappa = np.array([0.0, 0.5, 2.0]), np.array([1.0, 0.0, 0.3])
    for function in (posterior_mean, posterior_variance):
        found = function(e, alpha, kappa)
        for g in range(3):
            one = Evidence(*(part[:, [g]] for part in e))
            np.testing.assert_allclose(found[:, [g]], function(one, alpha[g], kappa[g]))


def test_weights_are_shares_of_what_the_estimate_is_made_of(rng):
    e, alpha, kappa = some_evidence(rng), np.array([0.0, 0.5, 2.0]), np.array([0.3, 0.0, 1.0])
    share = weights(e, alpha, kappa)
    assert (share >= 0).all()
    np.testing.assert_allclose(share.sum(axis=0), 1)
    np.testing.assert_array_equal(share[:, :, 0], np.repeat([[1.0], [0.0], [0.0]], 5, axis=1))
    says = np.stack([e.mean, e.mean * e.counts_around / e.mean_around, e.counts])  # the model, neighbours, the cell
    np.testing.assert_allclose((share * says).sum(axis=0), posterior_mean(e, alpha, kappa))


@pytest.fixture
def model(rng):
    """Weighted graph with an isolated cell, counts with an empty row, and means of 23 cells and 11 genes."""
    W = sp.random(23, 23, 0.15, random_state=3, format="csr")
    W = symmetrise(W).tolil()
    W[4], W[:, 4] = 0, 0
    W.setdiag(0)
    table = rng.gamma(2, 1, (23, 11)).astype(np.float32)
    X = rng.poisson(table).astype(np.float32)
    X[7] = 0
    return lambda rows, genes: table[rows][:, genes], table, sp.csc_matrix(X), sp.csr_matrix(W)


@pytest.mark.parametrize("genes", [slice(2, 9), np.array([10, 0, 5])], ids=["slice", "indices"])
@pytest.mark.parametrize("rows", [None, np.array([0, 4, 7, 22]), np.array([9, 3])], ids=["all", "some", "unsorted"])
def test_evidence_is_that_of_a_loop_over_neighbours(model, rows, genes):
    means, table, X, W = model
    found = evidence(means, X, W, rows, genes)
    dense = X.toarray()
    for position, i in enumerate(range(23) if rows is None else rows):
        np.testing.assert_array_equal(found.mean[position], table[i, genes])
        np.testing.assert_array_equal(found.counts[position], dense[i, genes])
        for around, values in ((found.mean_around, table), (found.counts_around, dense)):
            expected = sum((W[i, j] * values[j, genes] for j in W[[i]].indices), np.zeros(around.shape[1]))
            np.testing.assert_allclose(around[position], expected, rtol=1e-5)
    assert found.mean.shape == (23 if rows is None else len(rows), len(np.arange(11)[genes]))


@pytest.mark.parametrize("rows", [None, np.array([3, 9])])
def test_evidence_without_edges(model, rows):
    means, _, X, W = model
    found = evidence(means, X, sp.csr_matrix(W.shape), rows, slice(0, 4))
    assert not found.mean_around.any()
    assert not found.counts_around.any()
    assert found.mean_around.shape == found.mean.shape


def test_blocks_cover_all_genes_once():
    assert list(gene_blocks(7, 3)) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert list(gene_blocks(3, 3)) == [slice(0, 3)]


def test_chosen_rows(rng, monkeypatch):
    np.testing.assert_array_equal(chosen_rows(17, rng), np.arange(17))
    monkeypatch.setattr(shrinkage, "MAX_ROWS", 10)
    rows = chosen_rows(17, rng)
    assert len(set(rows)) == 10
    assert (np.diff(rows) > 0).all()


def test_likelihood_is_that_of_scipy_but_for_what_the_counts_decide(rng):
    mean, x = rng.gamma(2, 1, (9, 4)), rng.poisson(2, (9, 4))
    x[:, 2] = 0
    found = poisson_log_likelihood(sp.coo_matrix(x), mean)
    np.testing.assert_allclose(found, (poisson.logpmf(x, mean) - poisson.logpmf(x, 1.0) - 1).sum(axis=0))
