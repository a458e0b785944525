"""The number of components of planted mixtures."""

import numpy as np
import pytest

from spotweave import InputError
from spotweave.core.student_mixture import StudentMixture
from spotweave.core.student_number import choose_components


@pytest.fixture
def planted(rng):
    truth = rng.integers(5, size=405)
    tails = np.sqrt(rng.gamma(2, 1 / 2, size=(405, 1)))  # four degrees of freedom, one tail for all features of a row
    return (4 * rng.normal(size=(5, 6)))[truth] + rng.normal(size=(405, 6)) / tails


@pytest.mark.parametrize("criterion", ["bic", "icl"])
def test_planted_number_is_found(planted, criterion):
    curve = choose_components(planted, [2, 7, 11], criterion=criterion, rng=np.random.default_rng(0))
    assert curve.chosen == 5 == curve.model.n_components_
    best = getattr(curve, criterion).argmin()
    assert curve.n_components[best] == 5
    assert curve.bic[best] == curve.model.bic(planted)
    assert (curve.icl >= curve.bic).all()
    assert curve.n_components.shape == (6,)
    assert curve.n_components.max() < 11  # the superfluous are removed


def test_tied_and_weighted_rows(planted):
    weight = np.ones(405)
    weight[200:] = 0.5
    tied = choose_components(
        planted, [4, 8], covariance="tied", dof="shared", sample_weight=weight, rng=np.random.default_rng(0)
    )
    held = choose_components(planted, [8], dof=5.0, sample_weight=weight, rng=np.random.default_rng(0))
    for curve in (tied, held):
        assert curve.chosen == 5
        assert curve.bic.min() == curve.model.bic(planted, sample_weight=weight)


def test_spherical_removes_by_the_parameters_of_a_mean(planted, monkeypatch):
    strengths = []

    def recorded(k, **settings):
        strengths.append(settings["concentration"])
        return StudentMixture(k, **settings)

    monkeypatch.setattr("spotweave.core.student_number.StudentMixture", recorded)
    curve = choose_components(planted, [4, 5, 9], covariance="spherical", dof="shared", rng=np.random.default_rng(0))
    assert curve.chosen == 5
    assert strengths == 3 * [1 - 6 / 4, 1 - 6 / 2]
    assert curve.n_components[-1] < 9
    assert curve.model.n_parameters == 5 * 6 + 4 + 1 + 1


def test_seed_fixes_the_curve(planted):
    a, b = (choose_components(planted, [4, 5], rng=np.random.default_rng(3)).bic for _ in range(2))
    np.testing.assert_array_equal(a, b)


def test_bad_input_is_an_error(planted, rng):
    with pytest.raises(InputError, match="none"):
        choose_components(planted, [], rng=rng)
    with pytest.raises(InputError, match="n_components"):
        choose_components(planted[:7], [2, 9], rng=rng)
    with pytest.raises(InputError, match="criterion"):
        choose_components(planted, [2], criterion="aic", rng=rng)  # type: ignore[arg-type]
