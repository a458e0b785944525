"""Chosen genes against a double loop, and against what should not choose them."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.histology.panel import choose_panel


def made(rng, n, g=40, *, varying=(), level=None):
    """Counts of one section: Poisson, but for the genes that vary."""
    share = np.linspace(0.5, 3.0, g) if level is None else level
    mean = rng.gamma(8.0, 1 / 8, n)[:, None] * share
    mean[:, list(varying)] *= rng.gamma(1.0, 1.0, (n, len(varying)))
    return sp.csr_matrix(rng.poisson(mean).astype(float))


def total_of(X):
    return np.asarray(X.sum(axis=1)).ravel()


def slow_score(X, total):
    """Score test of a negative binomial against a Poisson, gene by gene."""
    X, z = X.toarray(), []
    for x in X.T:
        mean = total * x.sum() / total.sum()
        z.append(((x - mean) ** 2 - x).sum() / np.sqrt(2 * (mean**2).sum()) if x.any() else 0.0)
    return np.array(z)


def test_score_is_the_mean_over_sections_of_a_slow_one(rng):
    parts = [made(rng, 61, varying=[3]), made(rng, 47, varying=[3, 8])]
    parts[1] = sp.csr_matrix(parts[1].multiply(np.arange(40) != 5))
    totals = [total_of(X) + rng.integers(5, 90, X.shape[0]) for X in parts]
    found = choose_panel(parts, totals, n_top=7)
    expected = np.mean([slow_score(X, t) for X, t in zip(parts, totals, strict=True)], axis=0)
    np.testing.assert_allclose(found.score, expected, rtol=1e-9)
    np.testing.assert_array_equal(found.indices, np.argsort(-expected)[:7])


def test_a_difference_between_sections_chooses_no_gene(rng):
    level = np.linspace(0.5, 3.0, 40)
    shifted = np.where(np.isin(np.arange(40), [30, 31, 32]), 8 * level, level)
    parts = [made(rng, 300, varying=[2, 20], level=level), made(rng, 300, varying=[2, 20], level=shifted)]
    found = choose_panel(parts, [total_of(X) for X in parts], n_top=2)
    assert set(found.indices) == {2, 20}
    pooled = sp.vstack(parts).tocsr()
    wrong = choose_panel([pooled], [total_of(pooled)], n_top=5)
    assert {30, 31, 32} <= set(wrong.indices), "and would, if sections were pooled"


def test_rare_genes_are_never_chosen(rng):
    X = made(rng, 200, varying=[1]).tolil()
    X[:, 9] = 0
    X[:5, 9] = 60.0  # in 2.5 % of the spots, and wildly variable
    X[:, 10] = 0
    X[:6, 10] = 60.0  # in exactly 3 %
    X[:, 11] = 0
    X = X.tocsr()
    found = choose_panel([X], [total_of(X)], n_top=40)
    assert found.indices[0] == 10
    assert len(found.indices) == 38
    assert set(np.flatnonzero(np.isnan(found.score))) == {9, 11}
    assert not set(found.indices) & {9, 11}


def test_errors(rng):
    X = made(rng, 20)
    with pytest.raises(InputError, match="`n_top` to be a whole number"):
        choose_panel([X], [total_of(X)], n_top=0)
    with pytest.raises(InputError, match="at least one section; found 0 and 0"):
        choose_panel([], [], n_top=3)
    with pytest.raises(InputError, match=r"in section 1; found counts of shape \[20, 39\]"):
        choose_panel([X, X[:, 1:]], [total_of(X)] * 2, n_top=3)
    with pytest.raises(InputError, match="3% of 20 training spots"):
        choose_panel([X * 0], [np.ones(20)], n_top=3)
