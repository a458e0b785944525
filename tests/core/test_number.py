"""The curve over numbers of domains, and the held-out gain it is made of."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from spotweave.core import number
from spotweave.core.number import choose_number, gain


def test_gain_is_the_held_out_log_likelihood_of_the_gaussians(rng):
    labels = rng.choice([0, 2, 5], size=201)  # codes with gaps
    centres = rng.normal(size=(6, 3))
    train, test = (centres[labels] + rng.normal(size=(201, 3)) @ np.diag([1, 2, 0.5]) for _ in range(2))
    fitted = np.stack([train[labels == c].mean(axis=0) for c in labels])
    within = multivariate_normal(np.zeros(3), (train - fitted).T @ (train - fitted) / 201)
    one = multivariate_normal(train.mean(axis=0), np.cov(train.T, bias=True))
    expected = within.logpdf(test - fitted).mean() - one.logpdf(test).mean()
    assert gain(train, test, labels) == pytest.approx(expected, abs=1e-6)


def test_gain_of_one_cluster_is_nothing_and_of_chance_is_a_loss(rng):
    train, test = rng.normal(size=(2, 300, 4))
    assert gain(train, test, np.zeros(300, int)) == 0
    assert gain(train, test, rng.integers(30, size=300)) < 0


@pytest.fixture
def split(rng):
    truth = rng.integers(4, size=400)
    centres = 6 * np.eye(4)[truth]

    def draw(child):
        halves = [centres + child.normal(size=(400, 4)) for _ in range(2)]
        return tuple((half, half) for half in halves)

    return draw


def test_curve_is_highest_where_the_truth_is(split):
    numbers = [2, 3, 4, 5, 6]
    curve = choose_number(split, numbers, n_splits=2, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(curve.n_domains, numbers)
    assert curve.stability.shape == curve.stability_se.shape == curve.held_out.shape == (5,)
    assert curve.stability[2] > 0.98
    assert curve.stability[3:].max() < 0.98
    assert (np.diff(curve.held_out)[:2] > 0.1).all()  # each true domain pays
    assert (np.diff(curve.held_out)[2:] < 0.02).all()  # a further one does not
    assert (curve.stability_se >= 0).all()
    assert curve.chosen in numbers


def test_same_seed_same_curve_and_one_split_has_no_spread(split):
    a, b = (choose_number(split, [2, 3, 4], n_splits=1, rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(a.stability, b.stability)
    np.testing.assert_array_equal(a.held_out, b.held_out)
    assert not a.stability_se.any()


def test_large_data_is_judged_by_a_part(split, monkeypatch):
    whole = choose_number(split, [2, 4, 6], n_splits=1, rng=np.random.default_rng(0))
    monkeypatch.setattr(number, "MAX_ROWS", 150)
    part = choose_number(split, [2, 4, 6], n_splits=1, rng=np.random.default_rng(0))
    assert part.stability[1] == pytest.approx(whole.stability[1], abs=0.05)
    assert part.stability[0] != whole.stability[0]
