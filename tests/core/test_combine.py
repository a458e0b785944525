import numpy as np
import pytest
from scipy import stats

from spotweave.core.combine import combine, false_discovery_rate


def correlation(value: float, k: int) -> np.ndarray:
    return np.full((k, k), value) + (1 - value) * np.eye(k)


@pytest.mark.parametrize("value", [0.0, 0.6, 0.95])
def test_level_is_kept_in_the_bulk_and_near_the_tail(value):
    C = correlation(value, 5)
    z = np.random.default_rng(5).multivariate_normal(np.zeros(5), C, size=60_000)
    p = np.exp(combine(stats.norm.logsf(z), C))
    assert p.min() > 0
    for level in (0.5, 0.05, 0.002):
        assert (p < level).mean() == pytest.approx(level, abs=5 * np.sqrt(level / 60_000))


def test_far_tail_is_the_mean_of_the_inverses():
    log_p = np.array([[-800.0, -1.0, -2.0], [-60.0, -60.0, -60.0]])
    found = combine(log_p, correlation(0.3, 3))
    assert found[0] == pytest.approx(-800 + np.log(3), abs=0.4)
    assert found[1] == pytest.approx(-60, abs=0.4)


def test_smaller_p_values_never_give_a_larger_one(rng):
    log_p = -rng.exponential(3, size=(300, 4))
    C = correlation(0.4, 4)
    assert (combine(log_p - 0.1, C) <= combine(log_p, C) + 1e-12).all()


def test_one_test_needs_no_combining():
    np.testing.assert_array_equal(combine(np.array([[-3.0], [-0.1]]), np.ones((1, 1))), [-3, -0.1])


def test_false_discovery_rate_matches_scipy(rng):
    p = rng.random(31) ** 3
    np.testing.assert_allclose(false_discovery_rate(p), stats.false_discovery_control(p))
    assert false_discovery_rate(np.empty(0)).shape == (0,)
