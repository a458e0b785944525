"""Groups, genes and profiles of reference cells against loops and planted groups."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from spotweave.core.deconvolution import cell_profiles as module
from spotweave.core.deconvolution.cell_profiles import OWN, cell_profiles, telling
from spotweave.core.deconvolution.reference import summarise
from spotweave.core.deconvolution.signatures import signatures


@pytest.fixture
def planted(rng):
    """Counts of 130 cells in 3 types (90, 30, 10 cells); 12 of 60 genes differ."""
    labels = np.repeat([2, 0, 1], [90, 30, 10])
    shares = np.ones((3, 60))
    for t in range(3):
        shares[t, 4 * t : 4 * t + 4] = 8
    R = rng.poisson(8 * shares[labels])
    R[:, 59] = 0
    return sp.csr_matrix(R, dtype=np.float32), labels


def test_telling_genes_match_a_loop(rng):
    means = rng.gamma(0.5, 1, (4, 11))
    means[1, 3], means[:, 6] = 0, 0
    score = np.zeros(11)
    for g in range(11):
        for t in range(4):
            if means[t, g] > 0:
                score[g] += means[t, g] * np.log(means[t, g] / means[:, g].mean())
    score[6] = -np.inf
    np.testing.assert_array_equal(telling(means, 5), np.sort(np.argsort(-score)[:5]))
    assert 6 not in telling(means, 11)
    np.testing.assert_array_equal(telling(means[:1], 2), np.sort(np.argsort(-means[0])[:2]))


def test_planted_genes_are_chosen_and_profiles_match_a_loop(planted, rng, monkeypatch):
    monkeypatch.setattr(module, "POOLED", 5)
    R, labels = planted
    found = cell_profiles(R, labels, n_genes=12, rng=rng)
    np.testing.assert_array_equal(found.genes, np.arange(12))
    shares = R.toarray() / R.toarray().sum(axis=1, keepdims=True)
    means = np.stack([np.mean([shares[i] for i in np.flatnonzero(labels == t)], axis=0) for t in range(3)])[:, :12]
    signature = np.zeros((3, 60))
    signature[:, :59] = signatures(summarise(R[:, :59], labels, 3))  # without the gene that nobody counted
    np.testing.assert_allclose(found.means, signature[:, :12], rtol=1e-6)
    Z = module._scores(sp.csr_matrix(shares[:, :12]), R.toarray().sum(axis=1))
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    for i in [*range(0, 120, 7), 121, 129]:
        own = np.flatnonzero(labels == labels[i])
        near = own[np.argsort(-Z[own] @ Z[i])[: min(5, -(-len(own) // 3))]]
        beyond = shares[near, :12].mean(axis=0) - means[labels[i]]
        expected = np.maximum(signature[labels[i], :12] + OWN * beyond, 0)
        np.testing.assert_allclose(found.profiles[i], expected, atol=1e-6)


def test_groups_are_found_when_none_are_given(planted):
    R, labels = planted
    found = cell_profiles(R, None, n_genes=20, rng=np.random.default_rng(1))
    assert np.bincount(found.group).all()
    assert len(found.means) == 4  # a group for 30 cells
    assert adjusted_rand_score(labels[labels != 2], found.group[labels != 2]) > 0.9
    again = cell_profiles(R, None, n_genes=20, rng=np.random.default_rng(1))
    np.testing.assert_array_equal(found.group, again.group)


def test_few_cells_and_few_genes(rng):
    R = sp.csr_matrix(rng.poisson(5, (3, 4)) + 1, dtype=np.float32)
    found = cell_profiles(R, None, n_genes=400, rng=rng)
    assert found.profiles.shape == (3, 4)
    assert found.means.shape == (1, 4)
