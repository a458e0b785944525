"""Counterparts of cells on other slices: mutual nearest neighbours in the embedding of surroundings."""

from itertools import combinations
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..propagate import row_normalise

MOST_SCORES = 4_000_000  # distances held at once: 16 MB


class Matches(NamedTuple):
    """Pairs of cells of two batches, each among the nearest of the other."""

    first: int
    """Code of one batch,"""
    second: int
    """and of the other."""
    i: np.ndarray
    """Rows of the first batch [m],"""
    j: np.ndarray
    """and of the second."""
    weight: np.ndarray
    """One over the geometric mean of the numbers of pairs that the two rows are in [m]."""


def sampled_rows(batch: np.ndarray, most: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Draw at most `most` rows of each batch, in order."""
    rows = [np.flatnonzero(batch == c) for c in range(int(batch.max()) + 1)]
    return [r if len(r) <= most else np.sort(rng.choice(r, most, replace=False)) for r in rows]


def mutual_matches(E: np.ndarray, rows: list[np.ndarray], *, n_neighs: int) -> list[Matches]:
    """Find mutual nearest neighbours between all pairs of batches (Haghverdi et al. 2018, Nat. Biotechnol. 36:421).

    Parameters
    ----------
    E
        Embedding ``[n, r]``.
    rows
        Rows of each batch that take part.
    n_neighs
        Neighbours k that the larger batch looks for in the smaller one; the smaller one looks for the same share of
        the larger, so that a part of the tissue finds its counterpart whatever the sizes.

    Returns
    -------
    One entry for each pair of batches, by code; it may be empty.
    """
    found = []
    for p, q in combinations(range(len(rows)), 2):
        A, B = E[rows[p]], E[rows[q]]
        least = min(len(A), len(B))
        forth = _hits(A, B, round(n_neighs * len(B) / least))
        back = _hits(B, A, round(n_neighs * len(A) / least))
        both = forth.multiply(back.T).tocoo()
        weight = (
            1 / np.sqrt(np.bincount(both.row)[both.row] * np.bincount(both.col)[both.col]) if both.nnz else both.data
        )
        found.append(Matches(p, q, rows[p][both.row], rows[q][both.col], weight))
    return found


def support(
    E: np.ndarray, W: sp.csr_matrix, batch: np.ndarray, rows: list[np.ndarray], matches: list[Matches], *, n_neighs: int
) -> np.ndarray:
    """Say what share of the cells like a cell, on its own slices, have a counterpart in each other batch.

    Where a domain is missing from another slice its cells still find a few mutual neighbours at the domain's rim; most
    of those like them find none. The share is averaged over the spatial neighbourhood.

    Parameters
    ----------
    E
        Embedding ``[n, r]``.
    W
        Spatial graph ``[n, n]``.
    batch
        Codes ``[n]``.
    rows
        Rows of each batch that took part in the matching.
    matches
        From `mutual_matches`.
    n_neighs
        Cells like a cell that are asked.

    Returns
    -------
    ``[n, b]``, 0 in the column of the own batch.
    """
    has = np.zeros((len(E), len(rows)), np.float32)
    for m in matches:
        has[m.i, m.second] = 1
        has[m.j, m.first] = 1
    share = np.zeros_like(has)
    for c, sample in enumerate(rows):
        own = np.flatnonzero(batch == c)
        alike = nearest(E[own], E[sample], n_neighs)
        for q in range(len(rows)):
            share[own, q] = has[sample, q][alike].mean(axis=1)
    S = row_normalise(W).astype(np.float32)
    return S @ (S @ share)


def apart(E: np.ndarray, rows: list[np.ndarray], matches: list[Matches], *, n_neighs: int) -> np.ndarray:
    """Say how far counterparts are apart, in distances between like cells of one batch.

    Batches that share tissue come to 1.2 to 1.5, batches of the same cell types in other domains to 1.7 or 1.8, and
    more where even the types differ.

    Parameters
    ----------
    E
        Embedding ``[n, r]``.
    rows
        Rows of each batch that took part in the matching.
    matches
        From `mutual_matches`.
    n_neighs
        Like cells of the own batch.

    Returns
    -------
    ``[b, b]`` medians over pairs; infinity where there is no pair, 0 on the diagonal.
    """
    own = np.zeros(len(E))
    for sample in rows:
        A = E[sample]
        near = A[nearest(A, A, n_neighs + 1)]  # the row itself among them, at no distance
        own[sample] = np.linalg.norm(A[:, None] - near, axis=2).sum(axis=1) / n_neighs
    result = np.where(np.eye(len(rows), dtype=bool), 0, np.inf)
    for m in matches:
        ratio = np.linalg.norm(E[m.i] - E[m.j], axis=1) / np.maximum(np.sqrt(own[m.i] * own[m.j]), 1e-12)
        if len(ratio):
            result[m.first, m.second] = result[m.second, m.first] = np.median(ratio)
    return result


def _hits(A: np.ndarray, B: np.ndarray, k: int) -> sp.csr_matrix:
    """1 where a row of B is among the k nearest of a row of A."""
    near = nearest(A, B, k)
    ends = np.arange(len(A) + 1) * near.shape[1]
    return sp.csr_matrix((np.ones(near.size, np.float32), near.ravel(), ends), shape=(len(A), len(B)))


def nearest(A: np.ndarray, B: np.ndarray, k: int) -> np.ndarray:
    """The k rows of B nearest to each row of A ``[len(A), k]``, in no order."""
    k, half = min(max(k, 1), len(B)), np.square(B).sum(axis=1) / 2
    found = np.empty((len(A), k), np.intp)
    size = max(1, MOST_SCORES // len(B))
    for start in range(0, len(A), size):
        score = A[start : start + size] @ B.T - half
        found[start : start + size] = np.argpartition(score, -k, axis=1)[:, -k:]
    return found
