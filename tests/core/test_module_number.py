"""How many modules there are: the curve against fits of its own, and the numbers that are tried."""

import numpy as np
import pytest

from spotweave.core.module_number import candidates, fit_modules, leading
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
    rows = groups / np.linalg.norm(groups, axis=1, keepdims=True)
    model = StudentMixture(4, covariance="spherical", dof="shared", n_init=20, rng=np.random.default_rng(1)).fit(rows)
    assert list(found.curve["n_modules"]) == [4]
    assert found.curve["score"][0] == pytest.approx(model.bic(rows), rel=1e-3)
    assert found.dof == pytest.approx(model.dofs_[0], rel=0.05)
    assert found.converged


def test_leading_directions_are_those_of_least_squares(rng):
    H = rng.normal(size=(30, 3)) @ rng.normal(size=(3, 8)) + 0.01 * rng.normal(size=(30, 8))
    kept = leading(H, 3)
    assert kept.shape == (30, 3)
    np.testing.assert_allclose(np.linalg.norm(kept, axis=1), 1)
    rows = H / np.linalg.norm(H, axis=1, keepdims=True)
    np.testing.assert_allclose(kept @ kept.T, rows @ rows.T, atol=0.05)  # three directions are all there is
    np.testing.assert_allclose(leading(H, 50) @ leading(H, 50).T, rows @ rows.T, atol=1e-9)


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
