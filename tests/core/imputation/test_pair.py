"""A panel beside a reference: checks, empty cells, sums against loops, and a sample of cells."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.imputation.pair import Pair, make_pair, sample_cells, sizes, totals


@pytest.fixture
def counts(rng):
    """Target, and a reference where cells 3 and 10 have no panel counts."""
    X, R, Y = (rng.poisson(1.2, shape) for shape in ((7, 5), (13, 5), (13, 9)))
    R[[3, 10]] = 0
    return X, R, Y


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, sp.csc_matrix, sp.csr_array])
def test_make_pair_drops_reference_cells_without_panel_counts(counts, form):
    X, R, Y = counts
    pair = make_pair(form(X), form(R), form(Y))
    kept = [i for i in range(13) if any(R[i])]
    assert 3 not in kept
    np.testing.assert_array_equal(pair.X.toarray(), X)
    np.testing.assert_array_equal(pair.R.toarray(), R[kept])
    np.testing.assert_array_equal(pair.Y.toarray(), Y[kept])
    assert (pair.X.format, pair.R.format, pair.Y.format) == ("csr", "csr", "csc")
    assert {A.dtype for A in (pair.X, pair.R, pair.Y)} == {np.dtype(np.float32)}


def test_make_pair_leaves_the_input_alone(counts):
    given = [sp.csr_matrix(A, dtype=np.float64) for A in counts]
    make_pair(*given)
    for before, after in zip(counts, given, strict=True):
        np.testing.assert_array_equal(after.toarray(), before)


def test_make_pair_refuses_unlike_shapes(counts):
    X, R, Y = counts
    with pytest.raises(InputError, match=r"\(7, 4\), \(13, 5\) and \(13, 9\)"):
        make_pair(X[:, :4], R, Y)
    with pytest.raises(InputError, match=r"\(12, 9\)"):
        make_pair(X, R, Y[:12])


def test_make_pair_refuses_what_says_nothing(counts):
    X, R, Y = counts
    one = np.zeros_like(R)
    one[2, 2] = 3
    with pytest.raises(InputError, match="at least 2 cells of the reference"):
        make_pair(X, one, Y)
    one[5, 2] = 1
    assert make_pair(X, one, Y).R.shape == (2, 5)
    with pytest.raises(InputError, match="both target and reference"):
        make_pair(np.zeros_like(X), R, Y)
    apart = X.copy()
    apart[:, 2] = 0  # the only gene that the reference has
    with pytest.raises(InputError, match="both target and reference"):
        make_pair(apart, one, Y)


def test_sums_match_loops(counts):
    R = counts[1]
    np.testing.assert_array_equal(sizes(sp.csr_matrix(R)), [sum(row) for row in R])
    np.testing.assert_array_equal(totals(sp.csr_matrix(R)), [sum(R[i, g] for i in range(13)) for g in range(5)])
    assert sizes(sp.csr_matrix(R)).shape == (13,)


def numbered(m):
    """A reference whose cell i counts i + 1 in the panel and 10 (i + 1) in the wanted gene."""
    value = np.arange(1.0, m + 1)[:, None]
    return Pair(sp.csr_matrix(np.ones((2, 1))), sp.csr_matrix(value), sp.csc_matrix(10 * value))


def test_sample_cells_draws_cells_whole_and_once(rng):
    pair = numbered(29)
    drawn = [sample_cells(pair, 11, rng) for _ in range(40)]
    for some in drawn:
        cells = some.R.toarray()[:, 0]
        assert len(cells) == 11
        assert (np.diff(cells) > 0).all()
        np.testing.assert_array_equal(some.Y.toarray()[:, 0], 10 * cells)
        assert some.X is pair.X
    assert {float(v) for some in drawn for v in some.R.data} == set(range(1, 30))  # any cell may be drawn


def test_sample_cells_keeps_a_small_reference(rng):
    pair = numbered(29)
    assert sample_cells(pair, 29, rng) is pair
    assert sample_cells(pair, 28, rng).R.shape == (28, 1)


def test_sample_cells_depends_on_the_seed_only():
    pair = numbered(29)
    first, second, other = (sample_cells(pair, 9, np.random.default_rng(seed)).R.toarray() for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, second)
    assert (first != other).any()
