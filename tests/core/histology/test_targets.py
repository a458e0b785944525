"""Targets against slow loops over dense counts."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.histology.targets import TARGETS, expression_target


@pytest.fixture
def counts(rng) -> np.ndarray:
    X = rng.poisson(rng.gamma(0.5, 4.0, 13), (31, 13)).astype(float)
    X[4], X[:, 6] = 0, 0  # a spot and a gene without counts of the panel
    return X


@pytest.fixture
def totals(rng, counts) -> np.ndarray:
    t = counts.sum(axis=1) + rng.integers(1, 500, 31)
    t[4] = 0
    return t


SECTION = np.array([2, 0, 1] * 10 + [2])


def slow(X, totals, kind, section):
    out = np.zeros(X.shape)
    for i in range(X.shape[0]):
        for j in range(X.shape[1]):
            if X[i, j] == 0:
                continue
            if kind == "log_normalized":
                out[i, j] = np.log(1 + 1e4 * X[i, j] / totals[i])
            elif kind == "log_counts":
                out[i, j] = np.log(1 + X[i, j])
            elif kind == "legacy_spot_panel":
                out[i, j] = np.log10(1 + 1e4 * X[i, j] / X[i].sum())
            else:
                out[i, j] = np.log10(1 + 1e4 * X[i, j] / X[section == section[i], j].sum())
    return out


@pytest.mark.parametrize("kind", TARGETS)
def test_every_kind_is_its_formula_and_stays_sparse(counts, totals, kind):
    X = sp.csr_matrix(counts)
    before = X.copy()
    found = expression_target(X, totals, kind=kind, section=SECTION)
    np.testing.assert_allclose(found.toarray(), slow(counts, totals, kind, SECTION), rtol=1e-6)
    assert found.dtype == np.float32
    assert found.nnz == X.nnz
    found.data[:], found.indices[:] = 0, 0
    assert (before != X).nnz == 0, "the caller's counts share nothing with the result"


def test_only_the_default_is_free_of_depth_and_of_the_panel(counts, totals):
    X = sp.csr_matrix(counts)
    deeper = sp.csr_matrix(counts * np.where(np.arange(31) % 2, 3, 1)[:, None])
    depth = totals * np.where(np.arange(31) % 2, 3, 1)
    same = {
        kind: np.allclose(
            expression_target(X, totals, kind=kind).toarray(), expression_target(deeper, depth, kind=kind).toarray()
        )
        for kind in TARGETS
    }
    assert [kind for kind in TARGETS if same[kind]] == ["log_normalized", "legacy_spot_panel"]
    half = {
        kind: np.allclose(
            expression_target(X, totals, kind=kind).toarray()[:, :5],
            expression_target(X[:, :5], totals, kind=kind).toarray(),
        )
        for kind in TARGETS
    }
    assert not half["legacy_spot_panel"]
    assert half["log_normalized"]


def test_one_section_is_the_default_and_whole_numbers_will_do(counts, totals):
    X = sp.csr_matrix(counts.astype(np.int64))
    found = expression_target(X, totals.astype(int), kind="legacy_gene_scaled")
    expected = slow(counts, totals, "legacy_gene_scaled", np.zeros(31, int))
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)


def test_errors(counts, totals):
    X = sp.csr_matrix(counts)
    with pytest.raises(InputError, match=r"`kind` out of .*found 'log'"):
        expression_target(X, totals, kind="log")
    with pytest.raises(InputError, match=r"a total for each of 31 spots; found an array of shape \[30\]"):
        expression_target(X, totals[:30])
    totals[7] = counts[7].sum() - 1
    with pytest.raises(InputError, match=r"less in 1 spots \(first: row 7\)"):
        expression_target(X, totals)
    with pytest.raises(InputError, match="a section for each of 31 spots"):
        expression_target(X, totals + 1, kind="legacy_gene_scaled", section=np.zeros(3, int))
