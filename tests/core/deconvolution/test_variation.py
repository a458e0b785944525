"""Directions within types against a dense decomposition, and a planted one."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.deconvolution import variation
from spotweave.core.deconvolution.reference import summarise
from spotweave.core.deconvolution.variation import CLIP, within_types


def cells(rng, m=300, g=40):
    """Two types; a program of the first ten genes moves within both. A gene of giants is to be cut."""
    labels = rng.integers(2, size=m)
    S = rng.gamma(2, 1, (2, g))
    S[:, :10] = 3
    state = rng.normal(0, 0.6, m)
    rate = S[labels] * 3
    rate[:, :10] *= np.exp(state)[:, None]
    X = rng.poisson(rate)
    X[3, 20] = 4_000
    return sp.csr_matrix(X, dtype=np.float32), labels


def test_matches_a_dense_decomposition(rng):
    R, labels = cells(rng)
    reference = summarise(R, labels, 2)._replace(dispersion=rng.uniform(0.05, 0.3, 40))
    S, X = reference.shares, R.toarray()
    Z = np.empty(X.shape)
    for i, t in enumerate(labels):
        mu = X[i].sum() * S[t]
        Z[i] = np.clip((X[i] - mu) / np.sqrt(mu + reference.dispersion * mu**2), -CLIP, CLIP)
    for t in range(2):
        Z[labels == t] -= Z[labels == t].mean(axis=0)
    expected = np.linalg.svd(Z)[2][:3]
    found = within_types(R, labels, S, reference, 3, rng)
    np.testing.assert_allclose(np.abs((found * expected).sum(axis=1)), 1, atol=1e-3)


def test_a_planted_program_leads_and_rows_are_orthonormal(rng):
    R, labels = cells(rng)
    reference = summarise(R, labels, 2)
    V = within_types(R, labels, reference.shares, reference, 5, rng)
    np.testing.assert_allclose(V @ V.T, np.eye(5), atol=1e-5)
    assert abs(np.corrcoef(V[0], np.arange(40) < 10)[0, 1]) > 0.95


def test_types_themselves_are_no_direction(rng):
    labels = np.arange(200) % 2
    P = np.array([[1] * 20 + [9] * 20, [9] * 20 + [1] * 20])
    R = sp.csr_matrix(rng.poisson(P[labels]), dtype=np.float32)
    reference = summarise(R, labels, 2)
    V = within_types(R, labels, np.full((2, 40), 1 / 40), reference, 1, rng)  # even by signatures that miss it all
    contrast = np.repeat([1, -1], 20) / np.sqrt(40)
    assert abs(V[0] @ contrast) < 0.4


@pytest.mark.parametrize(("rows", "wanted", "found"), [(9, 30, 6), (3, 30, 0), (300, 0, 0), (300, 99, 39)])
def test_as_many_as_cells_and_genes_allow(rng, rows, wanted, found):
    R, labels = cells(rng)
    labels[:2] = 0, 1
    reference = summarise(R, labels, 2)
    V = within_types(R[:rows], labels[:rows], reference.shares, reference, wanted, rng)
    assert V.shape == (found, 40)


def test_learned_from_some_cells(rng, monkeypatch):
    R, labels = cells(rng)
    reference = summarise(R, labels, 2)
    monkeypatch.setattr(variation, "MOST_CELLS", 120)
    V = within_types(R, labels, reference.shares, reference, 2, rng)
    assert abs(np.corrcoef(V[0], np.arange(40) < 10)[0, 1]) > 0.9
