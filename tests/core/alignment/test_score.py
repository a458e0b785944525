import numpy as np
import pytest

from spotweave.core.alignment.score import CEILING, correlations, information, slope


def test_correlations_are_those_of_numpy_and_weights_count_rows(rng):
    F, G = rng.normal(size=(11, 3)), rng.normal(size=(11, 3))
    G[:, 2] = 4.0
    expected = [np.corrcoef(F[:, k], G[:, k])[0, 1] for k in range(2)]
    np.testing.assert_allclose(correlations(F, G), [*expected, 0], atol=1e-12)
    times = rng.integers(1, 4, 11)
    twice = [np.repeat(A, times, axis=0) for A in (F, G)]
    np.testing.assert_allclose(correlations(F, G, times.astype(float)), correlations(*twice), atol=1e-12)


def test_information_is_that_of_gaussian_variables_and_negative_for_opposites():
    r = np.array([0.5, 0.8])
    expected = 0.5 * np.log(1 / (1 - 0.25)) + 0.5 * np.log(1 / (1 - 0.64))
    assert information(r) == pytest.approx(expected)
    assert information(-r) == pytest.approx(-expected)
    assert information(np.ones(1)) == information(np.array([CEILING]))


def test_slope_is_the_derivative():
    r = np.array([0.0, 0.3, 0.9])
    for k in range(3):
        step = np.eye(3)[k] * 1e-6
        numeric = (information(r + step) - information(r - step)) / 2e-6
        assert slope(r)[k] == pytest.approx(numeric, rel=1e-4, abs=1e-5)
    assert slope(np.array([-0.5]))[0] == 0
