"""Nearest rows of a bank against a full sort."""

import numpy as np
import pytest

from spotweave.core.histology import retrieval
from spotweave.core.histology.retrieval import retrieve, shares

N, M, W = 23, 41, 6


@pytest.fixture
def vectors(rng):
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    return unit(rng.normal(size=(N, W))), unit(rng.normal(size=(M, W)))


@pytest.mark.parametrize("weighting", ["softmax", "distance", "mean"])
def test_nearest_are_those_of_a_full_sort(vectors, weighting, monkeypatch):
    queries, bank = vectors
    monkeypatch.setattr(retrieval, "BLOCK", 5 * M)  # 5 queries at a time
    found = retrieve(queries, bank, k=7, weighting=weighting, temperature=0.3)
    cosine = queries @ bank.T
    order = np.argsort(-cosine, axis=1)[:, :7]
    np.testing.assert_array_equal(found.rows, order)
    value = np.take_along_axis(cosine, order, axis=1)
    np.testing.assert_allclose(found.similarity, value)
    raw = {"softmax": np.exp(value / 0.3), "distance": 1 / (2 - 2 * value), "mean": np.ones_like(value)}[weighting]
    np.testing.assert_allclose(found.weights, raw / raw.sum(axis=1, keepdims=True))


def test_blocks_do_not_matter(vectors, monkeypatch):
    whole = retrieve(*vectors, k=5)
    monkeypatch.setattr(retrieval, "BLOCK", 1)
    for a, b in zip(whole, retrieve(*vectors, k=5), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_equal_rows_come_in_their_order(vectors):
    queries, bank = vectors
    found = retrieve(queries, np.tile(bank[:3], (4, 1)), k=4, weighting="distance")
    best = (queries @ bank[:3].T).argmax(axis=1)
    np.testing.assert_array_equal(found.rows, best[:, None] + 3 * np.arange(4))
    np.testing.assert_allclose(found.weights, 0.25)


def test_more_asked_for_than_there_are(vectors):
    queries, bank = vectors
    found = retrieve(queries, bank[:3], k=9)
    assert found.rows.shape == (N, 3)
    assert (np.sort(found.rows, axis=1) == np.arange(3)).all()
    np.testing.assert_array_equal(retrieve(queries, bank[:1], k=9).weights, 1)


def test_a_query_that_is_in_the_bank_finds_itself(vectors):
    bank = vectors[1].astype(np.float32)
    for weighting in ("softmax", "distance"):
        found = retrieve(bank, bank, k=4, weighting=weighting, temperature=0.01)
        np.testing.assert_array_equal(found.rows[:, 0], np.arange(M))
        assert (found.weights[:, 0] > 0.9).all()
        assert np.isfinite(found.weights).all()


def test_shares_average_the_bank(vectors, rng):
    found = retrieve(*vectors, k=6)
    values = rng.normal(size=(M, 4))
    matrix = shares(found, M)
    assert matrix.shape == (N, M)
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    for i in range(N):
        expected = sum(w * values[j] for j, w in zip(found.rows[i], found.weights[i], strict=True))
        np.testing.assert_allclose((matrix @ values)[i], expected)
