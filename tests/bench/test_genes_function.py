"""Co-function, against scikit-learn and loops over pairs."""

from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from spotweave.bench import _genes_function as of
from spotweave.bench._genes_agreement import unit_rows
from spotweave.bench._genes_function import (
    co_function,
    embedded_terms,
    other_pairs,
    stratified_auroc,
    term_pairs,
    weighted_auroc,
)

SYMBOLS = np.array([f"G{i}" for i in range(40)])
TERMS = [SYMBOLS[:6], SYMBOLS[4:11], np.array([*SYMBOLS[20:25], "OTHER"]), SYMBOLS[:3], SYMBOLS]


@pytest.fixture
def vectors(rng):
    return rng.normal(size=(40, 3)) + np.eye(3)[np.arange(40) // 10 % 3] * 1.5


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(of, "SIZES", (5, 20))
    monkeypatch.setattr(of, "N_PAIRS", 3_000)
    monkeypatch.setattr(of, "FEWEST", 5)


def test_terms_of_a_fitting_size(few):
    found = embedded_terms(SYMBOLS, np.ones(40), TERMS)
    assert [rows.tolist() for rows in found] == [list(range(6)), list(range(4, 11)), list(range(20, 25))]


def test_of_equal_symbols_the_most_abundant_counts(few):
    symbols = np.array([*SYMBOLS[:6], "G2", "G2"])
    (rows,) = embedded_terms(symbols, np.array([1, 1, 5, 1, 1, 1, 9, 2.0]), [SYMBOLS[:6]])
    assert rows.tolist() == [0, 1, 3, 4, 5, 6]


def test_every_term_counts_alike(few):
    members = embedded_terms(SYMBOLS, np.ones(40), TERMS)
    pairs, weight = term_pairs(members, 40)
    expected: dict[tuple[int, int], float] = {}
    for rows in members:
        for pair in combinations(rows.tolist(), 2):
            expected[pair] = expected.get(pair, 0) + 2 / (len(rows) * (len(rows) - 1))
    assert {divmod(int(p), 40): w for p, w in zip(pairs, weight, strict=True)} == pytest.approx(expected)
    assert weight.sum() == pytest.approx(3)


def test_random_pairs_are_of_annotated_genes_without_a_common_term(few, rng):
    members = embedded_terms(SYMBOLS, np.ones(40), TERMS)
    within, _ = term_pairs(members, 40)
    rows = np.unique(np.concatenate(members))
    i, j = np.divmod(other_pairs(rows, within, 40, rng), 40)
    assert (i < j).all()
    assert set(i) | set(j) == set(rows)
    assert not {*zip(i, j, strict=True)} & {pair for m in members for pair in combinations(m, 2)}


def test_against_scikit_learn(few, vectors):
    mean = np.random.default_rng(5).random(40)
    found = co_function(vectors, SYMBOLS, mean, TERMS, np.random.default_rng(2))
    assert found is not None
    members = embedded_terms(SYMBOLS, mean, TERMS)
    within, weight = term_pairs(members, 40)
    others = other_pairs(np.unique(np.concatenate(members)), within, 40, np.random.default_rng(2))
    U = unit_rows(vectors)
    cosine = [U[p // 40] @ U[p % 40] for p in (*within, *others)]
    positive = np.arange(len(cosine)) < len(within)
    weights = np.concatenate([weight, np.ones(len(others))])
    assert found.n_terms == 3
    assert found.go == pytest.approx(roc_auc_score(positive, cosine, sample_weight=weights))
    decile = np.argsort(np.argsort(mean)) * 10 // 40
    stratum = np.array([str(sorted(decile[[p // 40, p % 40]])) for p in (*within, *others)])
    scores, sizes = [], []
    for name in np.unique(stratum[positive]):
        own = stratum == name
        if (own & ~positive).sum() >= 5:
            scores.append(roc_auc_score(positive[own], np.array(cosine)[own], sample_weight=weights[own]))
            sizes.append(weights[own & positive].sum())
    assert found.go_corrected == pytest.approx(np.average(scores, weights=sizes))


def test_ties_count_half():
    assert weighted_auroc(np.array([1.0, 2.0]), np.array([1.0, 3.0]), np.array([1.0, 3.0])) == pytest.approx(
        (0.25 + 3 * 0.5) / 4
    )


def test_strata_with_too_few_random_pairs_are_left_out():
    inside, weight, ones = np.array([0.9, 0.1]), np.ones(2), np.zeros(60)
    stratum = np.concatenate([np.zeros(59, int), [1]])
    assert stratified_auroc(inside, weight, np.array([0, 1]), ones, stratum) == 1
    assert np.isnan(stratified_auroc(inside, weight, np.array([2, 2]), ones, stratum))


def test_what_expression_explains_is_taken_out():
    """Genes of a term are abundant, and the embedding knows abundance alone."""
    mean = np.arange(400.0)
    level = mean[:, None] / 400
    vectors = np.hstack([np.cos(level), np.sin(level)])
    symbols = np.array([f"G{i}" for i in range(400)])
    rng = np.random.default_rng(0)
    terms = [rng.choice(symbols[200:], 12, replace=False) for _ in range(15)]
    terms += [rng.choice(symbols, 12, replace=False) for _ in range(15)]
    found = co_function(vectors, symbols, mean, terms, rng)
    assert found is not None
    assert found.go > 0.55
    assert found.go_corrected == pytest.approx(0.5, abs=0.02)


def test_nothing_without_terms(vectors, rng):
    assert co_function(vectors, SYMBOLS, np.ones(40), [], rng) is None
