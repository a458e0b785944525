"""Level of unmeasured genes: against numpy's regression, the bounds of the slope, a panel that says nothing."""

import numpy as np
import pytest

from spotweave.core.imputation.level import fit_level


@pytest.fixture
def reference(rng):
    return np.round(np.exp(rng.normal(6, 1.5, 31)))


def log_share(total):
    return np.log((total + 0.5) / (total + 0.5).sum())


def test_matches_numpys_regression(reference, rng):
    target = np.round(3 * reference**0.6 * np.exp(rng.normal(0, 0.4, 31)))
    level = fit_level(target, reference)
    (slope, intercept), squares, *_ = np.polyfit(log_share(reference), log_share(target), 1, full=True)
    assert 0 < slope < 1.2
    assert level.slope == pytest.approx(slope)
    assert level.intercept == pytest.approx(intercept)
    assert level.error == pytest.approx(np.sqrt(squares[0] / 29))
    share = np.array([1e-5, 0.01, 0.3])
    np.testing.assert_allclose(level.predict(share), np.exp(np.polyval([slope, intercept], np.log(share))))


def test_slope_stays_between_its_bounds(reference):
    mean = lambda level: level.intercept + level.slope * log_share(reference).mean()
    steep, falling = reference**2, 1e7 / (reference + 1)
    for target, slope in ((steep, 1.2), (falling, 0.0)):
        level = fit_level(target, reference)
        assert level.slope == slope
        assert mean(level) == pytest.approx(log_share(target).mean())  # the line still goes through the middle
    assert fit_level(steep, reference, most_slope=5).slope == pytest.approx(2, abs=0.1)


def test_equal_counts_of_the_reference_say_nothing_about_genes():
    target = np.array([3.0, 40, 7, 0])
    level = fit_level(target, np.full(4, 9.0))
    assert level.slope == 1
    np.testing.assert_allclose(level.predict(np.array([0.25])), np.exp(log_share(target).mean()))


def test_one_gene_and_no_counts_are_finite():
    for target, reference in (([5.0], [3.0]), ([0.0, 0.0], [0.0, 0.0]), ([4.0, 0], [0.0, 9])):
        level = fit_level(np.array(target), np.array(reference))
        assert np.isfinite([*level, *level.predict(np.array([0.0, 1.0]))]).all()


def test_lists_will_do():
    assert fit_level([3, 40, 7], [2, 30, 9]) == fit_level(np.array([3.0, 40, 7]), np.array([2.0, 30, 9]))  # type: ignore[arg-type]
