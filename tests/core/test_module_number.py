"""How many modules there are: the curve against fits of its own, and the numbers that are tried."""

import numpy as np
import pytest

from spotweave.core.module_number import candidates, fit_modules
from spotweave.core.student_mixture import StudentMixture


@pytest.fixture
def groups(rng):
    """Four groups of 25 rows, with heavy tails."""
    tails = np.sqrt(5 / rng.chisquare(5, (100, 1)))
    return np.repeat(rng.normal(size=(4, 5)) * 3, 25, axis=0) + 0.5 * tails * rng.normal(size=(100, 5))


def test_number_of_least_score_is_the_planted_one(groups, rng):
    found = fit_modules(groups, None, most=20, rng=rng)
    k, score = found.curve["n_modules"], found.curve["score"]
    assert found.probability.shape[1] == 4 == k[score.argmin()]
    np.testing.assert_allclose(found.probability.sum(axis=1), 1)
    labels = found.probability.argmax(axis=1).reshape(4, 25)
    assert (labels == labels[:, :1]).mean() > 0.95
    assert len(set(labels[:, 0])) == 4
    assert list(k) == sorted(set(k))
    assert k.max() < 20  # it stops looking


def test_score_is_bic_of_a_spherical_mixture(groups):
    found = fit_modules(groups, 4, most=20, rng=np.random.default_rng(0))
    model = StudentMixture(4, covariance="spherical", dof="shared", n_init=20, rng=np.random.default_rng(1)).fit(groups)
    assert list(found.curve["n_modules"]) == [4]
    assert found.curve["score"][0] == pytest.approx(model.bic(groups), rel=1e-3)
    assert found.dof == pytest.approx(model.dofs_[0], rel=0.05)
    assert found.converged


@pytest.mark.parametrize("n", [4, 5, 9])
def test_few_rows(groups, rng, n):
    found = fit_modules(groups[:n], None, most=60, rng=rng)
    assert found.curve["n_modules"].max() <= max(1, n // 4)
    assert found.probability.shape[0] == n


def test_numbers_tried_are_all_small_ones_then_steps_of_a_fifth():
    numbers = np.array(candidates(60))
    assert (numbers[0], numbers[-1]) == (1, 60)
    assert list(numbers[:7]) == [1, 2, 3, 4, 5, 6, 7]
    assert (np.diff(numbers) >= 1).all()
    assert (numbers[1:] <= np.maximum(numbers[:-1] + 1, 1.25 * numbers[:-1])).all()
    assert candidates(1) == [1]
