"""Sums by type and dispersions against a loop over cells."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.deconvolution.reference import LEAST_DISPERSION, PSEUDO, summarise


@pytest.fixture
def cells(rng):
    """37 cells of three types, the last of one cell only; a gene and a cell without counts."""
    labels = np.append(rng.integers(2, size=36), 2)
    X = rng.negative_binomial(2, 2 / (2 + rng.gamma(1, 3, (3, 11))[labels] * rng.uniform(0.5, 2, (37, 1))))
    X[:, 4], X[7] = 0, 0
    return X, labels


def test_sums_match_a_loop(cells):
    X, labels = cells
    found = summarise(sp.csr_matrix(X, dtype=np.float32), labels, 3)
    for t in range(3):
        own = X[labels == t]
        depth = own.sum(axis=1)
        np.testing.assert_array_equal(found.counts[t], own.sum(axis=0))
        assert found.n_cells[t] == len(own)
        assert found.size[t] == pytest.approx(depth.mean())
        assert 1 / found.evenness[t] == pytest.approx(depth.sum() ** 2 / (depth**2).sum())
        assert 1 / found.evenness[t] <= len(own) * (1 + 1e-12)
        pooled = X.sum(axis=0) / X.sum()
        np.testing.assert_allclose(found.shares[t], (own.sum(axis=0) + PSEUDO * pooled) / (depth.sum() + PSEUDO))
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    assert (found.shares[:, np.arange(11) != 4] > 0).all()
    assert not found.shares[:, 4].any()


def test_dispersion_matches_a_loop_over_cells(cells):
    X, labels = cells
    found = summarise(sp.csr_matrix(X, dtype=np.float32), labels, 3)
    excess, weight, depth = np.zeros(11), np.zeros(11), X.sum(axis=1)
    for i, t in enumerate(labels):
        n = (labels == t).sum()
        if n == 1:
            continue  # its own mean
        for g in range(11):
            mean = depth[i] * found.shares[t, g]
            excess[g] += n / (n - 1) * (X[i, g] - mean) ** 2 - mean
            weight[g] += mean**2
    common, prior = excess.sum() / weight.sum(), np.median(weight)
    expected = np.maximum((excess + common * prior) / (weight + prior), LEAST_DISPERSION)
    assert common > LEAST_DISPERSION
    np.testing.assert_allclose(found.dispersion, expected, rtol=1e-6)


@pytest.mark.parametrize("planted", [0.0, 0.3])
def test_dispersion_is_recovered(rng, planted):
    labels = rng.integers(3, size=900)
    mean = rng.gamma(2, 4, (3, 80))[labels] * rng.uniform(0.5, 2, (900, 1))
    counts = rng.poisson(mean * (rng.gamma(1 / planted, planted, mean.shape) if planted else 1))
    found = summarise(sp.csr_matrix(counts, dtype=np.float32), labels, 3).dispersion
    assert found.mean() == pytest.approx(max(planted, LEAST_DISPERSION), abs=0.025)
    assert found.std() < 0.1


def test_types_of_one_cell_say_nothing_of_dispersion(rng):
    X = sp.csr_matrix(rng.poisson(9, (4, 6)), dtype=np.float32)
    np.testing.assert_allclose(summarise(X, np.arange(4), 4).dispersion, LEAST_DISPERSION)
    noisy = sp.csr_matrix(rng.negative_binomial(1, 0.02, (40, 6)), dtype=np.float32)
    alone = summarise(noisy, np.zeros(40, int), 1)
    both = summarise(sp.vstack([noisy, X]).tocsr(), np.append(np.zeros(40, int), np.arange(1, 5)), 5)
    np.testing.assert_allclose(both.dispersion, alone.dispersion, rtol=0.02)
