"""Sums over edges against loops, by every way through the code: dense, sparse, blocks of genes and of rows, threads."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core import edge_sums as module
from spotweave.core.edge_sums import edge_sums, weights


@pytest.fixture
def W(rng) -> sp.csr_matrix:
    """Directed and weighted, one isolated point, loops that do not count."""
    dense = rng.random((37, 37)) * (rng.random((37, 37)) < 0.3)
    dense[3] = dense[:, 3] = 0
    return sp.csr_matrix(dense)


@pytest.fixture
def X(rng) -> np.ndarray:
    """From hardly ever seen to always, one never, in more columns than a block has."""
    X = rng.poisson(np.geomspace(0.02, 300, 19), (37, 19)).astype(float)
    X[:, 6] = 0
    return X


def loop_sums(X, W):
    n, w = len(X), W.toarray()
    Z = X - X.mean(axis=0)
    edges = [(i, k) for i in range(n) for k in range(n) if i != k]
    margin_square = sum(w[i, k] * (Z[i] ** 2 + Z[k] ** 2) for i, k in edges)
    product = sum(w[i, k] * Z[i] * Z[k] for i, k in edges)
    return X.mean(axis=0), (Z**2).sum(axis=0), (Z**4).sum(axis=0), margin_square, product


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix, sp.csr_array])
@pytest.mark.parametrize("full", [0.0, 0.12, 1.0])
def test_sums_match_loops(X, W, kind, full, monkeypatch):
    monkeypatch.setattr(module, "FULL", full)
    for found, expected in zip(edge_sums(kind(X), weights(W, 37)), loop_sums(X, W), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_blocks_and_threads_do_not_change_the_sums(X, W, kind, monkeypatch):
    graph = weights(W, 37)
    expected = edge_sums(kind(X), graph)
    for most in (1, 40):
        monkeypatch.setattr(module, "MOST_PRODUCTS", most)  # rows of the sparse product
        np.testing.assert_allclose(edge_sums(kind(X), graph), expected, rtol=1e-12)
    monkeypatch.setattr(module, "BLOCK_ENTRIES", 1)  # genes of the dense one
    results = []
    for threads in (1, 2, 3):
        monkeypatch.setattr(module, "MOST_THREADS", threads)
        monkeypatch.setattr(module.os, "cpu_count", lambda: 8)
        results.append(np.stack(edge_sums(kind(X), graph)))
    np.testing.assert_allclose(results[0], expected, rtol=1e-12)
    assert (results[0] == results[1]).all()
    assert (results[0] == results[2]).all()


def test_a_large_level_does_not_drown_a_small_pattern(rng, W):
    pattern = rng.normal(size=(37, 2))
    low, high = (edge_sums(sp.csr_matrix(pattern + level), weights(W, 37)).product for level in (10, 1e6))
    np.testing.assert_allclose(high, low, rtol=1e-6)


def test_counts_in_two_parts_are_added_in_a_copy(X, W):
    tidy = sp.csr_matrix(X)
    untidy = sp.csr_matrix((np.repeat(tidy.data / 2, 2), np.repeat(tidy.indices, 2), tidy.indptr * 2), shape=X.shape)
    for kind in (sp.csr_matrix, sp.csc_matrix):
        given = kind(untidy)
        before = given.nnz
        np.testing.assert_allclose(edge_sums(given, weights(W, 37)), edge_sums(X, weights(W, 37)), atol=1e-9)
        assert given.nnz == before, "the caller's matrix stays as it is"


def test_weights_match_loops(W):
    w, pairs = W.toarray(), [(i, k) for i in range(37) for k in range(37) if i != k]
    found = weights(W, 37)
    margins = [sum(w[i, k] + w[k, i] for k in range(37) if k != i) for i in range(37)]
    np.testing.assert_allclose(found.margins, margins)
    assert found.s0 == pytest.approx(sum(w[i, k] for i, k in pairs))
    assert found.s1 == pytest.approx(sum((w[i, k] + w[k, i]) ** 2 for i, k in pairs) / 2)
    assert found.s2 == pytest.approx(np.square(margins).sum())


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_no_genes_no_sums(W, kind):
    assert [len(part) for part in edge_sums(kind(np.zeros((37, 0))), weights(W, 37))] == [0] * 5


def test_refusals(W):
    with pytest.raises(InputError, match="at least 4 points"):
        weights(sp.csr_matrix(np.ones((3, 3))), 3)
    with pytest.raises(InputError, match="between all of the 5 points"):
        weights(W, 5)
    with pytest.raises(InputError, match="at least one edge"):
        weights(sp.identity(5, format="csr"), 5)
