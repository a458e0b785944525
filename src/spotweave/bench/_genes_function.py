"""Whether genes of the same biological process have like embeddings. Arrays in, numbers out."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import rankdata

from ._genes_agreement import unit_rows

SIZES = (5, 50)
"""Least and most embedded genes of a term: small ones say little, and large ones ("signal transduction") anything."""
N_PAIRS = 400_000
"""Random pairs: the error of an AUROC from them is below .001."""
N_STRATA = 10
FEWEST = 50
"""Random pairs that a stratum needs to be compared in."""


class CoFunction(NamedTuple):
    """AUROC of the cosine for pairs within a term against random pairs without a common term; .5 by chance."""

    go: float
    """Over all pairs."""
    go_corrected: float
    """Pairs compared with random ones of the same deciles of expression: what level alone explains is taken out."""
    n_terms: int
    """Terms of the right size."""


def co_function(
    vectors: np.ndarray, symbols: np.ndarray, mean: np.ndarray, terms: Sequence[np.ndarray], rng: np.random.Generator
) -> CoFunction | None:
    """Judge an embedding ``[g, d]`` of genes of these symbols and this mean expression ``[g]``; None without terms.

    Every term counts alike: a pair weighs the sum over its terms of 1 / (pairs of the term). Random pairs are of genes
    that are in some term.
    """
    members = embedded_terms(symbols, mean, terms)
    if not members:
        return None
    n = len(symbols)
    within, weight = term_pairs(members, n)
    random = other_pairs(np.unique(np.concatenate(members)), within, n, rng)
    if not len(random):
        return None
    U, level = unit_rows(vectors), np.floor((rankdata(mean, method="ordinal") - 1) * N_STRATA / n).astype(int)
    inside, outside = _cosine(U, within, n), _cosine(U, random, n)
    corrected = stratified_auroc(inside, weight, _stratum(level, within, n), outside, _stratum(level, random, n))
    return CoFunction(weighted_auroc(inside, weight, outside), corrected, len(members))


def embedded_terms(symbols: np.ndarray, mean: np.ndarray, terms: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Rows of the genes of each term that has a fitting number of them; of equal symbols the most abundant counts."""
    row_of = {symbols[i]: int(i) for i in np.argsort(mean, kind="stable")}
    found = [np.unique([row_of[name] for name in term if name in row_of]) for term in terms]
    return [rows.astype(np.int64) for rows in found if SIZES[0] <= len(rows) <= SIZES[1]]


def term_pairs(members: Sequence[np.ndarray], n: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs i < j within terms, each once, as ``i n + j``; and their weights."""
    codes, weights = [], []
    for rows in members:
        i, j = np.triu_indices(len(rows), 1)
        codes.append(rows[i] * n + rows[j])
        weights.append(np.full(len(i), 1 / len(i)))
    pairs, place = np.unique(np.concatenate(codes), return_inverse=True)
    return pairs, np.bincount(place, weights=np.concatenate(weights))


def other_pairs(rows: np.ndarray, within: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Random pairs of these rows that are not `within`."""
    drawn = np.sort(rng.choice(rows, (N_PAIRS, 2)), axis=1)
    pairs = drawn[drawn[:, 0] < drawn[:, 1]] @ np.array([n, 1])
    return pairs[~np.isin(pairs, within)]


def weighted_auroc(inside: np.ndarray, weight: np.ndarray, outside: np.ndarray) -> float:
    """Weighted mean over `inside` of the share of `outside` below, ties half."""
    ordered = np.sort(outside)
    below = np.searchsorted(ordered, inside, "left") + np.searchsorted(ordered, inside, "right")
    return float(np.average(below / (2 * len(ordered)), weights=weight))


def stratified_auroc(
    inside: np.ndarray, weight: np.ndarray, stratum_in: np.ndarray, outside: np.ndarray, stratum_out: np.ndarray
) -> float:
    """Mean of `weighted_auroc` over strata with `FEWEST` random pairs or more, by the weight of the pairs inside."""
    scores, sizes = [], []
    for stratum in np.unique(stratum_in):
        own, others = stratum_in == stratum, outside[stratum_out == stratum]
        if len(others) >= FEWEST:
            scores.append(weighted_auroc(inside[own], weight[own], others))
            sizes.append(weight[own].sum())
    return float(np.average(scores, weights=sizes)) if scores else float("nan")


def _cosine(U: np.ndarray, pairs: np.ndarray, n: int) -> np.ndarray:
    """Of each pair, dimension by dimension: no array of pairs x dimensions is held."""
    i, j = np.divmod(pairs, n)
    return sum((U[i, k] * U[j, k] for k in range(U.shape[1])), start=np.zeros(len(pairs)))


def _stratum(level: np.ndarray, pairs: np.ndarray, n: int) -> np.ndarray:
    a, b = (level[part] for part in np.divmod(pairs, n))
    return np.minimum(a, b) * N_STRATA + np.maximum(a, b)
