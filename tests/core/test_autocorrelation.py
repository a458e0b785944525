"""Moran's I against a double loop; its moments against all permutations; its p values under the null."""

from itertools import permutations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from spotweave import InputError
from spotweave.core.autocorrelation import MoranResult, autocorrelations, morans_i
from spotweave.core.geary import GearyResult, gearys_c
from spotweave.core.graph import knn


def random_weights(rng, n):
    """Directed and weighted, one isolated point."""
    W = rng.random((n, n)) * (rng.random((n, n)) < 0.4)
    np.fill_diagonal(W, 0)
    W[3] = W[:, 3] = 0
    return sp.csr_matrix(W)


def loop_moran(x, W):
    n, z, w = len(x), x - x.mean(), W.toarray()
    products = sum(w[i, k] * z[i] * z[k] for i in range(n) for k in range(n))
    return n / w.sum() * products / (z**2).sum()


@pytest.fixture
def values(rng) -> np.ndarray:
    X = rng.poisson([0.05, 0.5, 3.0, 100.0, 0.5], (37, 5)).astype(float)
    X[0, 0] = 1
    X[:, 4] = np.log1p(X[:, 4])
    return X


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix, sp.csr_array, lambda X: X.astype(np.float32)])
def test_statistic_matches_double_loop(rng, values, kind):
    W = random_weights(rng, 37)
    found = morans_i(kind(values), W)
    np.testing.assert_allclose(found.statistic, [loop_moran(x, W) for x in values.T], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
@pytest.mark.parametrize("directed", [True, False])
def test_moments_match_all_permutations(rng, kind, directed):
    X = np.array([[0, 0, 0, 0, 2, 9], [1.0, 2, 3, 4, 5, 7], [0, 0, 0, 0, 0, 1]]).T
    W = random_weights(rng, 6)
    W = W if directed else W + W.T
    found = morans_i(kind(X), W)
    for j, x in enumerate(X.T):
        all_values = [loop_moran(np.array(p), W) for p in permutations(x)]
        assert found.expected == pytest.approx(np.mean(all_values))
        assert found.variance[j] == pytest.approx(np.var(all_values))
    np.testing.assert_allclose(found.z, (found.statistic - found.expected) / np.sqrt(found.variance))
    np.testing.assert_allclose(found.pvalue, stats.norm.sf(found.z))


def assert_same(found, expected):
    for name in MoranResult._fields:
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-9, err_msg=name)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_both_at_once_are_each_alone(rng, values, kind):
    X, W = kind(values), random_weights(rng, 37)
    moran, geary = autocorrelations(X, W)
    assert isinstance(moran, MoranResult)
    assert isinstance(geary, GearyResult)
    for found, expected in ((moran, morans_i(X, W)), (geary, gearys_c(X, W))):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kind", [np.asarray, sp.csr_matrix])
def test_constant_genes_are_no_signal(rng, kind):
    X = np.column_stack([np.zeros(29), np.full(29, 0.1), np.full(29, 1e6 / 3), rng.random(29)])
    found = morans_i(kind(X), random_weights(rng, 29))
    assert found.statistic[:3].tolist() == [0, 0, 0]
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
    found = morans_i(kind(X), ring)
    assert found.statistic[0] == pytest.approx(-1 / (n - 1))
    assert (found.variance[0], found.z[0], found.pvalue[0]) == (0, 0, 1)


def test_diagonal_and_scale_of_the_weights_do_not_matter(rng, values):
    W = random_weights(rng, 37)
    loops = sp.csr_matrix(W * 7 + sp.diags(rng.random(37)))
    assert_same(morans_i(values, loops), morans_i(values, W))
    assert loops.diagonal().all()


def test_p_values_are_uniform_without_and_small_with_a_pattern(rng):
    xy = rng.random((600, 2))
    W = knn(xy, n_neighs=6).connectivities
    noise = rng.poisson(np.linspace(0.5, 4, 300), (600, 300))
    assert stats.kstest(morans_i(sp.csr_matrix(noise), W).pvalue, "uniform").pvalue > 0.001
    pattern = rng.poisson(1 + 2 * (xy[:, :1] > 0.5), (600, 4))
    smooth, checkered = morans_i(pattern, W), morans_i(np.random.default_rng(0).permutation(pattern), W)
    assert (smooth.pvalue < 1e-10).all()
    assert (smooth.statistic > 0.1).all()
    assert (checkered.pvalue > 1e-3).all()


def test_opposite_neighbours_give_p_near_1():
    ring = sp.csr_matrix(sp.diags([1.0, 1.0, 1.0, 1.0], [1, -1, 39, -39], shape=(40, 40)))
    found = morans_i(np.tile([[0.0], [1.0]], (20, 1)), ring)
    assert found.statistic[0] == pytest.approx(-1)
    assert found.pvalue[0] > 1 - 1e-9


def test_refusals(rng):
    with pytest.raises(InputError, match="at least 4 points"):
        morans_i(np.ones((3, 1)), sp.identity(3, format="csr"))
    with pytest.raises(InputError, match="between all of the 5 points"):
        morans_i(np.ones((5, 1)), random_weights(rng, 6))
    for W in (sp.identity(5, format="csr"), sp.csr_matrix((5, 5))):
        with pytest.raises(InputError, match="at least one edge"):
            morans_i(np.ones((5, 1)), W)
