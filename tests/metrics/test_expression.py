"""Scores of predicted expression against scipy, loops and closed forms; intervals against a slow bootstrap."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import norm, pearsonr, spearmanr

from spotweave import InputError
from spotweave.metrics import _expression as module
from spotweave.metrics import bootstrap_mean, expression_scores, paired_margin


@pytest.fixture
def truth(rng) -> np.ndarray:
    y = np.log1p(rng.poisson(rng.gamma(1.0, 1.0, 7) + 0.3, (43, 7)))
    y[11] = 0  # a spot without counts
    return y


def test_scores_are_those_of_scipy_and_of_loops(rng, truth, monkeypatch):
    predicted = 0.5 * truth + rng.standard_normal(truth.shape)
    predicted[:, 2] = np.round(predicted[:, 2])  # ties
    mean = rng.random(7)
    monkeypatch.setattr(module, "MOST_VALUES", 43 * 3)  # three blocks of genes
    found = expression_scores(truth, predicted, train_mean=mean)
    for j in range(7):
        y, q = truth[:, j], predicted[:, j]
        assert found.pearson[j] == pytest.approx(pearsonr(y, q).statistic)
        assert found.spearman[j] == pytest.approx(spearmanr(y, q).statistic)
        error, base = sum((y - q) ** 2), sum((y - mean[j]) ** 2)
        assert found.r2[j] == pytest.approx(1 - error / base)
        assert found.rmse[j] == pytest.approx(np.sqrt(error / 43))
    for kind in (sp.csr_matrix, sp.csc_matrix):
        again = expression_scores(kind(truth), kind(predicted), train_mean=mean)
        np.testing.assert_allclose(again, found, rtol=1e-12)


def test_closed_forms(truth):
    mean = truth.mean(axis=0)
    np.testing.assert_allclose(expression_scores(truth, truth, train_mean=mean), [np.ones(7)] * 3 + [np.zeros(7)])
    flat = expression_scores(truth, np.tile(mean + 0.5, (43, 1)), train_mean=mean + 0.5)
    np.testing.assert_array_equal([flat.pearson, flat.spearman, flat.r2], 0)
    shifted = expression_scores(truth, 2 * truth + 3, train_mean=mean)
    np.testing.assert_allclose([shifted.pearson, shifted.spearman], 1)
    assert (shifted.r2 < -1).all(), "correlation alone does not see a wrong level"
    np.testing.assert_allclose(expression_scores(truth, -truth, train_mean=mean).spearman, -1)


def test_constant_truth_and_prediction(rng, truth):
    predicted = rng.standard_normal(truth.shape).astype(np.float32)
    truth[:, 0], truth[:, 1], truth[:, 2] = 0, 2.0, 0
    predicted[:, 2], predicted[:, 3] = 0, np.float32(0.1)
    predicted[::2, 3] = np.nextafter(np.float32(0.1), np.float32(1))  # rounding is no prediction
    found = expression_scores(truth, predicted, train_mean=np.zeros(7))
    assert np.isnan([found.pearson[:3], found.spearman[:3]]).all()
    assert found.pearson[3] == found.spearman[3] == 0
    assert np.isnan(found.r2[[0, 2]]).all(), "nothing to explain"
    assert np.isfinite(found.r2[[1, 3, 4, 5, 6]]).all()
    assert np.isfinite(found.rmse).all()


def test_a_section_of_one_spot_has_no_correlation(truth):
    found = expression_scores(truth[:1], truth[:1] + 1, train_mean=np.full(7, -1.0))
    assert np.isnan([found.pearson, found.spearman]).all()
    np.testing.assert_allclose(found.rmse, 1)


def test_errors_of_scores(truth):
    with pytest.raises(InputError, match=r"shape \[43, 7\], as the truth; found shape \[43, 6\]"):
        expression_scores(truth, truth[:, 1:], train_mean=np.zeros(7))
    with pytest.raises(InputError, match="`train_mean` of 7 genes"):
        expression_scores(truth, truth, train_mean=np.zeros(6))
    with pytest.raises(InputError, match="finite values"):
        expression_scores(truth, truth * np.nan, train_mean=np.zeros(7))
    with pytest.raises(InputError, match=r"`truth` of shape \[n, g\]"):
        expression_scores(truth[:0], truth[:0], train_mean=np.zeros(7))


PATIENT = np.array(["a", "b", "a", "c", "c", "a", "b", "d"])


def slow_draws(rng, values, cluster, stratum, n):
    means = []
    for _ in range(n):
        drawn = []
        for s in sorted(set(stratum)):
            names = sorted(set(cluster[stratum == s]))
            for name in rng.choice(names, len(names)):
                own = values[cluster == name]
                drawn += list(rng.choice(own, len(own)))
        means.append(np.mean(drawn))
    return np.array(means)


@pytest.mark.parametrize("stratum", [np.zeros(8, int), np.array([0, 1, 0, 1, 1, 0, 1, 0])], ids=["one", "two"])
def test_interval_is_that_of_a_slow_bootstrap(rng, stratum):
    values = rng.standard_normal(8) + 2.0 * (PATIENT == "a") + 1.0 * (PATIENT == "d")
    slow = slow_draws(rng, values, PATIENT, stratum, 3_000)
    for level in (0.9, 0.5, 0.2):
        found = bootstrap_mean(values, PATIENT, stratum=stratum, n_boot=20_000, level=level, rng=1)
        assert found.mean == pytest.approx(values.mean())
        assert np.mean(slow < found.lower) == pytest.approx((1 - level) / 2, abs=0.025), "3 standard errors"
        assert np.mean(slow < found.upper) == pytest.approx((1 + level) / 2, abs=0.025)


def test_strata_are_kept_in_every_draw(rng):
    values = np.array([0.0, 0.0, 10.0, 10.0])
    stratum, cluster = [0, 0, 1, 1], [1, 2, 3, 4]
    assert bootstrap_mean(values, cluster, stratum=stratum) == (5.0, 5.0, 5.0)
    assert bootstrap_mean(values, cluster).lower < 3


def test_many_patients_give_the_normal_interval(rng):
    values = rng.standard_normal(400)
    found = bootstrap_mean(values, np.arange(400), n_boot=4_000)
    half = norm.ppf(0.975) * values.std() / 20
    np.testing.assert_allclose([found.lower, found.upper], values.mean() + np.array([-half, half]), atol=0.01)


def test_sections_of_a_patient_are_not_independent(rng):
    level = np.repeat(rng.standard_normal(6), 5)
    values = level + 0.05 * rng.standard_normal(30)
    by_patient, alone = bootstrap_mean(values, np.arange(30) // 5), bootstrap_mean(values, np.arange(30))
    assert by_patient.upper - by_patient.lower > 1.6 * (alone.upper - alone.lower)
    one = bootstrap_mean(values[:5], ["P1"] * 5)
    assert one.lower < one.mean < one.upper, "one patient: its sections are drawn"


def test_one_section_has_no_interval_and_missing_ones_do_not_count():
    mean, lower, upper = bootstrap_mean([0.3], ["P1"])
    assert (mean, np.isnan([lower, upper]).all()) == (0.3, True)
    assert np.isnan(bootstrap_mean([np.nan, np.nan], ["P1", "P2"])).all()
    np.testing.assert_array_equal(
        bootstrap_mean([1.0, np.nan, 2.0, 4.0], ["a", "b", "c", "c"]), bootstrap_mean([1.0, 2.0, 4.0], ["a", "c", "c"])
    )


def test_margin_is_the_bootstrap_of_the_differences(rng):
    a, b = rng.standard_normal(8) + 5 * np.arange(8), 5.0 * np.arange(8)
    np.testing.assert_array_equal(
        paired_margin(a, b, PATIENT, rng=3, n_boot=200), bootstrap_mean(a - b, PATIENT, rng=3, n_boot=200)
    )
    assert paired_margin(a, b, PATIENT).upper < 3, "what differs between sections cancels"


def test_draws_come_from_the_generator_alone(rng):
    values = rng.standard_normal(8)
    assert bootstrap_mean(values, PATIENT, rng=5) == bootstrap_mean(values, PATIENT, rng=np.random.default_rng(5))
    assert bootstrap_mean(values, PATIENT, rng=5) != bootstrap_mean(values, PATIENT, rng=6)


def test_errors_of_intervals():
    with pytest.raises(InputError, match=r"a cluster for each of 3 sections; found an array of shape \[2\]"):
        bootstrap_mean([1.0, 2.0, 3.0], ["a", "b"])
    with pytest.raises(InputError, match="a cluster in several"):
        bootstrap_mean([1.0, 2.0, 3.0], ["a", "a", "b"], stratum=[0, 1, 1])
    with pytest.raises(InputError, match="`level`"):
        bootstrap_mean([1.0, 2.0], ["a", "b"], level=95)
    with pytest.raises(InputError, match=r"two scores of each section; found shapes \[2\] and \[3\]"):
        paired_margin([1.0, 2.0], [1.0, 2.0, 3.0], ["a", "b"])
