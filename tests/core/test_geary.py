"""Geary's C against a double loop; its moments against all permutations; its p values with and without a pattern."""

from itertools import permutations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from spotweave.core.autocorrelation import morans_i
from spotweave.core.geary import gearys_c
from spotweave.core.graph import knn


def random_weights(rng, n):
    """Directed and weighted, one isolated point."""
    W = rng.random((n, n)) * (rng.random((n, n)) < 0.4)
    np.fill_diagonal(W, 0)
    W[3] = W[:, 3] = 0
    return sp.csr_matrix(W)


def loop_geary(x, W):
    n, w = len(x), W.toarray()
    differences = sum(w[i, k] * (x[i] - x[k]) ** 2 for i in range(n) for k in range(n))
    return (n - 1) * differences / (2 * w.sum() * ((x - x.mean()) ** 2).sum())


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csc_matrix, lambda X: X.astype(np.float32)])
def test_statistic_matches_double_loop(rng, kind):
    X = rng.poisson([0.05, 0.5, 3.0, 100.0], (37, 4)).astype(float)
    X[0, 0] = 1
    W = random_weights(rng, 37)
    np.testing.assert_allclose(gearys_c(kind(X), W).statistic, [loop_geary(x, W) for x in X.T], rtol=1e-6)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("directed", [True, False])
def test_moments_match_all_permutations(rng, kind, directed):
    X = np.array([[0, 0, 0, 0, 2, 9], [1.0, 2, 3, 4, 5, 7], [0, 0, 0, 0, 0, 1]]).T
    W = random_weights(rng, 6)
    W = W if directed else W + W.T
    found = gearys_c(kind(X), W)
    for j, x in enumerate(X.T):
        all_values = [loop_geary(np.array(p), W) for p in permutations(x)]
        assert found.expected == pytest.approx(np.mean(all_values))
        assert found.variance[j] == pytest.approx(np.var(all_values))
    np.testing.assert_allclose(found.z, (found.statistic - 1) / np.sqrt(found.variance))
    np.testing.assert_allclose(found.pvalue, stats.norm.cdf(found.z))


def test_variance_is_not_that_of_morans_i(rng):
    star = np.zeros((60, 60))  # one point near to all others: C swings with it, I hardly
    star[0, 1:] = star[1:, 0] = 1
    X, W = rng.gamma(0.3, size=(60, 1)), sp.csr_matrix(star)
    shuffled = np.column_stack([rng.permutation(X[:, 0]) for _ in range(4000)])
    assert gearys_c(shuffled, W).statistic.var() == pytest.approx(gearys_c(X, W).variance[0], rel=0.2)
    assert gearys_c(X, W).variance[0] > 3 * morans_i(X, W).variance[0]


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_constant_genes_are_no_signal(rng, kind):
    X = np.column_stack([np.zeros(29), np.full(29, 0.1), np.full(29, 1e6 / 3), rng.random(29)])
    found = gearys_c(kind(X), random_weights(rng, 29))
    assert found.statistic[:3].tolist() == [1, 1, 1]
    assert found.z[:3].tolist() == [0, 0, 0]
    assert found.pvalue[:3].tolist() == [1, 1, 1]
    assert found.variance[:3].tolist() == [0, 0, 0]
    assert 0 < found.pvalue[3] < 1


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("n", [12, 5000])
def test_one_positive_cell_on_a_regular_graph_cannot_be_a_pattern(kind, n):
    ring = sp.csr_matrix(sp.diags([1.0, 1.0, 1.0, 1.0], [1, -1, n - 1, 1 - n], shape=(n, n)))
    X = np.zeros((n, 1))
    X[n // 2] = 7
    found = gearys_c(kind(X), ring)
    assert found.statistic[0] == pytest.approx(1)
    assert (found.variance[0], found.z[0], found.pvalue[0]) == (0, 0, 1)


def test_p_values_are_uniform_without_and_small_with_a_pattern(rng):
    xy = rng.random((600, 2))
    W = knn(xy, n_neighs=6).connectivities
    noise = rng.poisson(np.linspace(0.5, 4, 300), (600, 300))
    assert stats.kstest(gearys_c(sp.csr_matrix(noise), W).pvalue, "uniform").pvalue > 0.001
    pattern = rng.poisson(1 + 2 * (xy[:, :1] > 0.5), (600, 4))
    smooth, scattered = gearys_c(pattern, W), gearys_c(np.random.default_rng(0).permutation(pattern), W)
    assert (smooth.pvalue < 1e-10).all()
    assert (smooth.statistic < 0.9).all()
    assert (scattered.pvalue > 1e-3).all()


def test_opposite_neighbours_give_p_near_1():
    ring = sp.csr_matrix(sp.diags([1.0, 1.0, 1.0, 1.0], [1, -1, 39, -39], shape=(40, 40)))
    found = gearys_c(np.tile([[0.0], [1.0]], (20, 1)), ring)
    assert found.statistic[0] == pytest.approx(39 / 20)
    assert found.pvalue[0] > 1 - 1e-9
