"""Split counts: sums, laws, independence. Held-out entries and rows: partitions, drawn evenly."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from spotweave import InputError
from spotweave.core.splitting import hold_out_entries, hold_out_rows, split_negative_binomial, thin


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, lambda X: sp.csr_matrix(X.astype(np.float32))])
def test_halves_are_whole_non_negative_and_sum_to_the_counts(rng, kind):
    X = rng.poisson(1.3, (31, 17))
    A, B = thin(kind(X), rng)
    np.testing.assert_array_equal((A + B).toarray(), X)
    for half in (A, B):
        assert half.data.min() >= 0
        np.testing.assert_array_equal(half.data, np.rint(half.data))


def test_input_is_left_alone(rng):
    X = sp.csr_matrix(rng.poisson(2.0, (9, 5)))
    before = X.copy()
    thin(X, rng)
    assert (before != X).nnz == 0


@pytest.mark.parametrize("share", [0.5, 0.2])
def test_moments_are_binomial(rng, share):
    n, count = 40_000, 11
    A, _ = thin(np.full((n, 1), count), rng, share=share)
    values = A.toarray().ravel()
    assert values.mean() == pytest.approx(count * share, abs=4 * np.sqrt(count / 4 / n))
    assert values.var() == pytest.approx(count * share * (1 - share), rel=0.04)


def test_halves_of_poisson_counts_are_independent_and_poisson(rng):
    A, B = (half.toarray().ravel() for half in thin(rng.poisson(6.0, (40_000, 1)), rng))
    assert abs(np.corrcoef(A, B)[0, 1]) < 4 / np.sqrt(40_000)
    assert A.var() == pytest.approx(A.mean(), rel=0.04)


def test_seed_fixes_the_split():
    X = np.full((20, 10), 5)
    first, again, other = (thin(X, np.random.default_rng(s))[0].toarray() for s in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def negative_binomial(rng, mean, alpha, size):
    return rng.poisson(mean * rng.gamma(1 / alpha, alpha, size))


def covariance(A, B) -> float:
    return float(np.cov(A.toarray().ravel(), B.toarray().ravel())[0, 1])


@pytest.mark.parametrize("dispersion", [0.0, 0.7, np.linspace(0, 3, 17)])
@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, lambda X: sp.csr_matrix(X.astype(np.float32))])
def test_parts_of_overdispersed_counts_sum_to_the_counts(rng, kind, dispersion):
    X = rng.poisson(1.3, (31, 17))
    A, B = split_negative_binomial(kind(X), dispersion, rng, share=0.3)
    np.testing.assert_array_equal((A + B).toarray(), X)
    for part in (A, B):
        assert part.dtype == np.float64
        assert part.data.min() >= 0
        np.testing.assert_array_equal(part.data, np.rint(part.data))


@pytest.mark.parametrize("split", [thin, lambda X, rng: split_negative_binomial(X, 0.4, rng)])
def test_parts_share_nothing_with_each_other_or_the_input(rng, split):
    X = sp.csr_matrix(rng.poisson(2.0, (9, 5)))
    dense = X.toarray()
    A, B = split(X, rng)
    A.eliminate_zeros()
    B.eliminate_zeros()
    np.testing.assert_array_equal((A + B).toarray(), dense)
    np.testing.assert_array_equal(X.toarray(), dense)


@pytest.mark.parametrize(("alpha", "share"), [(0.0, 0.5), (1e-14, 0.2), (0.3, 0.5), (2.5, 0.2), (300.0, 0.7)])
def test_part_of_a_count_is_beta_binomial(rng, alpha, share):
    n, count = 20_000, 5
    A, _ = split_negative_binomial(np.full((n, 1), count), alpha, rng, share=share)
    observed = np.bincount(A.toarray().ravel().astype(int), minlength=count + 1)
    law = stats.betabinom(count, share / alpha, (1 - share) / alpha) if alpha > 1e-12 else stats.binom(count, share)
    expected = n * law.pmf(np.arange(count + 1))
    assert (((observed - expected) ** 2) / expected).sum() < stats.chi2.ppf(0.999, count)


@pytest.mark.parametrize(("alpha", "share"), [(0.5, 0.5), (2.0, 0.2)])
def test_parts_of_negative_binomial_counts_are_independent(rng, alpha, share):
    n, mean = 60_000, 3.0
    X = negative_binomial(rng, mean, alpha, (n, 1))
    A, B = split_negative_binomial(X, alpha, rng, share=share)
    for part, own in ((A, share), (B, 1 - share)):
        law = stats.nbinom(own / alpha, 1 / (1 + alpha * mean))  # mean own * mean, dispersion alpha / own
        values = part.toarray().ravel()
        assert stats.chisquare(*lumped(values, law)).pvalue > 0.001
    assert stats.chi2_contingency(table(A, B)).pvalue > 0.001
    assert stats.chi2_contingency(table(*thin(X, rng))).pvalue < 1e-20, "thinned halves share the cell's excess"


def table(A, B) -> np.ndarray:
    """How often each pair of 0, 1, 2, 3 and more occurs."""
    a, b = (np.minimum(part.toarray().ravel(), 3).astype(int) for part in (A, B))
    return np.bincount(4 * a + b, minlength=16).reshape(4, 4)


def lumped(values, law):
    """Observed and expected numbers of 0, 1, 2, 3 and more."""
    observed = np.bincount(np.minimum(values, 4).astype(int), minlength=5)
    return observed, len(values) * np.append(law.pmf(np.arange(4)), law.sf(3))


@pytest.mark.parametrize("assumed", [0.0, 0.4, 5.0])
def test_wrong_dispersion_leaves_the_documented_covariance(rng, assumed):
    n, mean, alpha, share = 60_000, 3.0, 1.5, 0.3
    A, B = split_negative_binomial(negative_binomial(rng, mean, alpha, (n, 1)), assumed, rng, share=share)
    expected = share * (1 - share) * mean**2 * (alpha - assumed) / (1 + assumed)
    assert covariance(A, B) == pytest.approx(expected, rel=0.1)


def test_each_gene_has_its_own_dispersion(rng):
    X = np.full((4000, 3), 20)
    A, _ = split_negative_binomial(X, np.array([0.0, 0.5, 50.0]), rng)
    expected = [20 * 0.25 * (1 + 19 / (1 + r)) for r in (np.inf, 2.0, 0.02)]
    np.testing.assert_allclose(A.toarray().var(axis=0), expected, rtol=0.12)


@pytest.mark.parametrize("share", [0, 1, -0.1, np.nan])
def test_shares_outside_the_unit_interval_are_refused(rng, share):
    X = np.ones((5, 3))
    for draw in (
        lambda: split_negative_binomial(X, 0.1, rng, share=share),
        lambda: hold_out_entries(X, rng, share=share),
        lambda: hold_out_rows(5, rng, share=share),
    ):
        with pytest.raises(InputError, match="`share` between 0 and 1"):
            draw()


@pytest.mark.parametrize("dispersion", [-0.1, np.nan, np.inf, np.ones(2), np.ones((1, 3)), [0, 1, -2]])
def test_impossible_dispersions_are_refused(rng, dispersion):
    with pytest.raises(InputError, match="dispersion"):
        split_negative_binomial(np.ones((5, 3)), dispersion, rng)


@pytest.mark.parametrize("rate", [0.05, 1.0, 4.0])
def test_held_out_entries_can_be_put_back(rng, rate):
    X = rng.poisson(rate, (41, 23))
    X[7] = 0
    before = sp.csr_matrix(X)
    train, rows, columns, values = hold_out_entries(before, rng, share=0.1)
    np.testing.assert_array_equal(before.toarray(), X)
    np.testing.assert_array_equal(values, X[rows, columns])
    restored = train.toarray()
    assert (restored[rows, columns] == 0).all()
    assert (train.data > 0).all()
    restored[rows, columns] = values
    np.testing.assert_array_equal(restored, X)
    places = rows * 23 + columns
    assert (np.diff(places) > 0).all(), "distinct, in order"
    n_held = round(0.1 * (X > 0).sum())
    assert (values > 0).sum() == n_held
    assert (values == 0).sum() == min(n_held, (X == 0).sum())


def test_every_entry_of_a_stratum_is_held_out_equally_often(rng):
    X = np.array([[0, 2, 0, 0], [1, 0, 0, 3], [0, 0, 0, 0], [5, 1, 1, 0], [0, 0, 2, 0]])
    taken, n_draws = np.zeros(X.shape), 1500
    for _ in range(n_draws):
        held = hold_out_entries(X, rng, share=0.3)
        taken[held.rows, held.columns] += 1
    for stratum in (X > 0, X == 0):
        share = 2 / stratum.sum()  # round(0.3 * 7) of either
        error = np.sqrt(n_draws * share * (1 - share))
        np.testing.assert_allclose(taken[stratum], n_draws * share, atol=4 * error)


def test_zeros_are_found_without_listing_them(rng):
    n, g = 3_000_000, 20_000  # 6e10 zeros
    X = sp.csr_matrix((np.ones(500), (rng.integers(0, n, 500), rng.integers(0, g, 500))), shape=(n, g))
    held = hold_out_entries(X, rng, share=0.4)
    zero = held.values == 0
    assert zero.sum() == (~zero).sum() == 200
    assert all(X[i, j] == v for i, j, v in zip(*held[1:], strict=True))
    assert stats.kstest(held.rows[zero] / n, "uniform").pvalue > 0.001
    assert stats.kstest(held.columns[zero] / g, "uniform").pvalue > 0.001


def test_hold_out_entries_of_unusual_matrices(rng):
    full = hold_out_entries(np.full((3, 4), 2), rng, share=0.5)
    assert full.values.tolist() == [2.0] * 6
    one = hold_out_entries(np.eye(3)[:1], rng)
    assert one.train.nnz == 0
    assert sorted(one.values) == [0, 1]
    untidy = sp.csr_matrix((np.array([1, 0, 2, 3]), np.array([4, 1, 0, 0]), np.array([0, 2, 4])), shape=(2, 5))
    held = hold_out_entries(untidy, rng, share=0.99)
    assert sorted(held.values) == [0, 0, 1, 5]
    assert untidy.nnz == 4
    with pytest.raises(InputError, match="at least one positive count"):
        hold_out_entries(np.zeros((3, 2)), rng)


@pytest.mark.parametrize(("n", "share", "n_test"), [(2, 0.05, 1), (2, 0.99, 1), (41, 0.05, 2), (1000, 0.1, 100)])
def test_held_out_rows_are_a_sorted_partition(rng, n, share, n_test):
    train, test = hold_out_rows(n, rng, share=share)
    np.testing.assert_array_equal(np.sort(np.concatenate([train, test])), np.arange(n))
    assert len(test) == n_test
    for rows in (train, test):
        assert (np.diff(rows) > 0).all()


def test_held_out_rows_come_from_every_library(rng):
    library = np.repeat(["a", "b", "c", "d"], [100, 40, 3, 1])[rng.permutation(144)]
    train, test = hold_out_rows(144, rng, share=0.1, library=library)
    assert {name: int((library[test] == name).sum()) for name in "abcd"} == {"a": 10, "b": 4, "c": 1, "d": 0}
    assert len(train) + len(test) == 144
    assert (hold_out_rows(144, rng, share=0.1, library=library)[1] != test).any()
    for n, of in ((1, None), (0, None), (3, np.arange(3))):
        with pytest.raises(InputError, match="at least 2 rows"):
            hold_out_rows(n, rng, library=of)
