"""Signatures: few cells lean on their relatives, many do not; names and orders do not matter."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.deconvolution.adaptive import shrink
from spotweave.core.deconvolution.reference import summarise
from spotweave.core.deconvolution.signatures import informative, signatures


def family(rng, n_cells, g=300, depth=2_000):
    """Types 0 and 1 are siblings that differ in 20 genes, types 2 and 3 likewise; returns true shares and a summary."""
    trunk = rng.gamma(0.7, 1, (2, g)) + 0.02
    P = trunk[[0, 0, 1, 1]]
    for t in (1, 3):
        P[t, rng.choice(g, 20, replace=False)] *= 6
    P /= P.sum(axis=1, keepdims=True)
    labels = np.repeat(np.arange(4), n_cells)
    mean = P[labels] * depth
    X = rng.poisson(mean * rng.gamma(10, 0.1, mean.shape))
    return P, summarise(sp.csr_matrix(X, dtype=np.float32), labels, 4)


def distance(a, b):
    return np.sqrt(((np.log(a) - np.log(b)) ** 2 * b).sum())


def test_few_cells_lean_on_their_sibling(rng):
    P, reference = family(rng, [200, 2, 200, 200])
    S, raw = signatures(reference), reference.shares
    assert distance(S[1], P[1]) < 0.85 * distance(raw[1], P[1])
    assert distance(S[1], P[0]) < distance(raw[1], P[0])
    assert distance(S[1], S[0]) < distance(S[1], S[2])


def test_most_genes_of_a_leaf_end_with_the_share_of_its_branch(rng):
    """What siblings have in common is measured on the cells of both."""
    P, reference = family(rng, [30, 30, 30, 30])
    S, raw = signatures(reference), reference.shares
    same = P[0] / P[1] > 0.5
    apart = np.abs(np.log(S[0] / S[1]))[same]
    assert np.median(apart) < 0.6 * np.median(np.abs(np.log(raw[0] / raw[1]))[same])
    assert np.median(np.abs(np.log(S[1] / S[0]))[P[1] > 3 * P[0]]) > 1


def test_many_cells_keep_their_shares(rng):
    _, reference = family(rng, [4_000] * 4, g=60, depth=5_000)
    S, raw = signatures(reference), reference.shares
    np.testing.assert_allclose(S[:, raw.min(axis=0) > 1e-3], raw[:, raw.min(axis=0) > 1e-3], rtol=0.01)
    np.testing.assert_allclose(S.sum(axis=1), 1, atol=2e-3)


def test_one_type_and_two(rng):
    X, labels = sp.csr_matrix(rng.poisson(3, (21, 9)), dtype=np.float32), np.arange(21) % 2
    one = summarise(X, np.zeros(21, int), 1)
    np.testing.assert_array_equal(signatures(one), one.shares)
    two = signatures(summarise(X, labels, 2))
    assert two.shape == (2, 9)
    np.testing.assert_allclose(two.sum(axis=1), 1, atol=0.02)
    np.testing.assert_allclose(two[0], two[1], rtol=0.05)  # of the same cells, up to noise


def test_two_types_match_the_formula(rng):
    """Each departs from the mean of both, weighted by how many cells speak for it."""
    X, labels = sp.csr_matrix(rng.negative_binomial(2, 0.3, (31, 23)), dtype=np.float32), np.repeat([0, 1], [9, 22])
    reference = summarise(X, labels, 2)
    raw, n, total = reference.shares, 1 / reference.evenness, reference.counts.sum(axis=1)
    parent = (n[0] * raw[0] + n[1] * raw[1]) / n.sum()
    for t, S in enumerate(signatures(reference)):
        c, e = raw[t] * total[t], parent * total[t]
        z, variance = np.log((c + 0.5) / (e + 0.5)), 2 / (c + e + 1) + reference.dispersion / n[t]
        np.testing.assert_allclose(S, parent * np.exp(shrink(z, variance)))


def test_order_of_types_and_genes_is_of_no_account(rng):
    _, reference = family(rng, [50, 3, 20, 9], g=83)
    types, genes = rng.permutation(4), rng.permutation(83)
    turned = reference._replace(
        counts=reference.counts[types][:, genes],
        n_cells=reference.n_cells[types],
        size=reference.size[types],
        evenness=reference.evenness[types],
        dispersion=reference.dispersion[genes],
    )
    np.testing.assert_allclose(signatures(turned), signatures(reference)[types][:, genes], rtol=1e-9)


@pytest.mark.parametrize("most", [1, 7, 99])
def test_informative_matches_a_loop(rng, most):
    S, dispersion = rng.gamma(0.5, 1, (3, 23)) / 20, rng.uniform(0.01, 1, 23)
    S[:, 5] = 0
    score = np.zeros(23)
    for g in range(23):
        mean = S[:, g].mean()
        for t in range(3):
            score[g] += (S[t, g] - mean) ** 2 / (mean / 400 + dispersion[g] * mean**2) if mean else 0
    found = informative(S, dispersion, 400.0, most)
    np.testing.assert_array_equal(found, sorted(sorted(range(23), key=lambda g: -score[g])[:most]))
