"""The closed form against full matrices and sums of chi-squared variables drawn at random."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from spotweave.bench._sparkx import _shapes, combined, sparkx


@pytest.fixture
def xy(rng) -> np.ndarray:
    return rng.random((83, 2)) * [7.0, 3.0]


@pytest.fixture
def counts(rng) -> np.ndarray:
    X = rng.poisson(np.linspace(0.05, 4, 9), (83, 9)).astype(np.float32)
    X[:, 3], X[:, 6] = 0, 2
    return X


def dense(x, Z):
    """Trace of the product of the two kernels, whole, and the eigenvalues that its distribution is made of."""
    n, Z = len(x), Z - Z.mean(axis=0)
    kernel = Z @ np.linalg.inv(Z.T @ Z) @ Z.T
    y = x / np.sqrt((x**2).sum())
    H = np.eye(n) - 1 / n
    spread = np.linalg.eigvalsh(H @ np.outer(y, y) @ H)[-1]
    return n * np.trace(kernel @ np.outer(y, y)), spread * np.linalg.eigvalsh(kernel)[-2:]


def test_statistic_and_p_values_match_whole_matrices(counts, xy):
    found = sparkx(sp.csr_matrix(counts), xy)
    for j in (0, 1, 5, 8):
        pvalues, greatest = [], 0.0
        for Z in _shapes(xy):
            T, weights = dense(counts[:, j].astype(float), Z)
            np.testing.assert_allclose(weights, weights[0], rtol=1e-8)
            pvalues.append(np.exp(-T / 2 / weights[0]))
            greatest = max(greatest, T / weights[0])
        assert found.statistic[j] == pytest.approx(greatest, rel=1e-6)
        assert found.pvalue[j] == pytest.approx(
            stats.cauchy.sf(np.mean(1 / np.tan(np.pi * np.array(pvalues)))), rel=1e-6
        )


def test_eleven_shapes_of_two_coordinates(xy):
    shapes = _shapes(xy)
    assert [Z.shape for Z in shapes] == [(83, 2)] * 11
    s = xy - xy.mean(axis=0)
    middle = np.quantile(np.abs(s), 0.6, axis=0)
    np.testing.assert_allclose(shapes[3], np.exp(-(s**2) / 2 / middle**2))
    np.testing.assert_allclose(shapes[8], np.cos(2 * np.pi * s / middle))


def test_constant_genes_and_points_on_a_line(counts, xy):
    found = sparkx(sp.csr_matrix(counts), xy * [1, 0])
    assert found.pvalue[[3, 6]].tolist() == [1, 1]
    assert found.statistic[[3, 6]].tolist() == [0, 0]
    assert ((found.pvalue > 0) & (found.pvalue <= 1)).all()


def test_p_values_are_right_without_and_small_with_a_pattern(rng):
    xy = rng.random((900, 2))
    noise = sp.csr_matrix(rng.poisson(rng.gamma(1.0, 1.0, 2_000), (900, 2_000)).astype(np.float32))
    assert (sparkx(noise, xy).pvalue < 0.05).mean() == pytest.approx(0.05, abs=0.02)
    bump = rng.poisson(np.exp(2 * np.exp(-((xy - 0.5) ** 2).sum(axis=1) / 0.05))[:, None], (900, 3))
    assert (sparkx(sp.csr_matrix(bump.astype(np.float32)), xy).pvalue < 1e-6).all()


def test_combining_p_values():
    np.testing.assert_allclose(combined(np.full((11, 1), 0.3)), 0.3)
    one, small = combined(np.array([[1e-200, 1e-8, 0.0, 1.0], [0.5, 0.5, 0.5, 1.0]])).reshape(2, 2).tolist()
    np.testing.assert_allclose(one, [2e-200, 2e-8], rtol=1e-6)
    assert small[0] < 1e-290
    assert small[1] > 0.999
