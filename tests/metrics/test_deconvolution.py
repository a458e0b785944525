"""Scores of compositions against slow loops, scipy and scikit-learn."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import pearsonr
from sklearn.metrics import average_precision_score, r2_score

from spotweave import InputError
from spotweave.metrics import deconvolution_scores
from spotweave.metrics._deconvolution import type_scores


@pytest.fixture
def truth(rng) -> np.ndarray:
    cells = rng.multinomial(5, [0.4, 0.3, 0.2, 0.1, 0.0], 37)  # the last type is in no spot
    return cells / 5


@pytest.fixture
def found(rng, truth) -> np.ndarray:
    return truth + 0.3 * rng.random(truth.shape)


def divided(values):
    return values / values.sum(axis=1, keepdims=True)


def test_errors_are_those_of_a_slow_loop(truth, found):
    q = divided(found)
    roots, squares = [], []
    for i in range(len(truth)):
        squares += [(truth[i, j] - q[i, j]) ** 2 for j in range(5)]
        roots.append(np.sqrt(sum((truth[i, j] - q[i, j]) ** 2 for j in range(5)) / 5))
    scores = deconvolution_scores(truth, found)
    assert scores["rmse"] == pytest.approx(np.mean(roots))
    assert scores["rmse_pooled"] == pytest.approx(np.sqrt(np.mean(squares)))


def test_divergence_is_the_squared_distance_of_scipy(truth, found):
    expected = np.mean([jensenshannon(p, q, base=2) ** 2 for p, q in zip(truth, found, strict=True)])
    assert deconvolution_scores(truth, found)["jsd"] == pytest.approx(expected)


def test_correlations_are_those_of_scipy(truth, found):
    q, scores = divided(found), deconvolution_scores(truth, found)
    assert scores["pcc_type"] == pytest.approx(np.mean([pearsonr(truth[:, j], q[:, j])[0] for j in range(4)]))
    assert scores["pcc_spot"] == pytest.approx(np.mean([pearsonr(a, b)[0] for a, b in zip(truth, q, strict=True)]))


def test_precision_and_determination_are_those_of_sklearn(truth, found):
    q, scores = divided(found), deconvolution_scores(truth, found)
    assert scores["aupr"] == pytest.approx(average_precision_score((truth > 0).ravel(), q.ravel()))
    assert scores["r2"] == pytest.approx(np.mean([r2_score(truth[:, j], q[:, j]) for j in range(5)]))


def test_false_mass_is_what_absent_types_get():
    scores = deconvolution_scores([[1, 0, 0], [1, 1, 0]], [[0.5, 0.25, 0.25], [2, 1, 1]])
    assert scores["false_mass"] == pytest.approx((0.5 + 0.25) / 2)


def test_truth_itself_is_best(truth):
    scores = deconvolution_scores(truth, truth)
    best = {"pcc_spot": 1, "pcc_type": 1, "aupr": 1, "r2": 1}
    assert scores == pytest.approx({name: best.get(name, 0) for name in scores})


def test_equal_shares_know_nothing(truth):
    scores = deconvolution_scores(truth, np.full(truth.shape, 0.2))
    assert scores["pcc_type"] == scores["pcc_spot"] == 0
    assert scores["aupr"] == pytest.approx((truth > 0).mean())


def test_disjoint_rows_diverge_by_1():
    assert deconvolution_scores([[1, 0], [0, 1]], [[0, 1], [1, 0]])["jsd"] == pytest.approx(1)


def test_factors_of_rows_change_nothing(rng, truth, found):
    factors = rng.uniform(0.1, 9, (2, len(truth), 1))
    scaled = deconvolution_scores(truth * factors[0], found * factors[1])
    assert scaled == pytest.approx(deconvolution_scores(truth, found))


def test_spots_of_unknown_composition_are_left_out(rng, truth, found):
    more = np.vstack([truth, np.zeros((3, 5))]), np.vstack([found, rng.random((3, 5))])
    assert deconvolution_scores(*more) == pytest.approx(deconvolution_scores(truth, found))


def test_nothing_found_counts_as_equal_shares(truth, found):
    nothing, equal = found.copy(), found.copy()
    nothing[[2, 9]], equal[[2, 9]] = 0, 0.2
    assert deconvolution_scores(truth, nothing) == pytest.approx(deconvolution_scores(truth, equal))


def test_one_spot_has_scores():
    scores = deconvolution_scores([[0.5, 0.5, 0]], [[0.4, 0.6, 0]])
    assert np.isnan(scores.pop("r2"))
    assert np.isfinite(list(scores.values())).all()


def test_types_alone(truth, found):
    q, table = divided(found), type_scores(truth, found)
    for j in range(4):
        assert table["pcc"][j] == pytest.approx(pearsonr(truth[:, j], q[:, j])[0])
        assert table["rmse"][j] == pytest.approx(np.sqrt(np.mean((truth[:, j] - q[:, j]) ** 2)))
        assert table["aupr"][j] == pytest.approx(average_precision_score(truth[:, j] > 0, q[:, j]))
        assert table["n_present"][j] == sum(truth[:, j] > 0)
    assert table[["pcc", "aupr"]].isna().all(axis=1).tolist() == [False] * 4 + [True]
    assert table[["truth_mean", "found_mean"]].sum().tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("truth", "found", "said"),
    [
        ([[1, 0]], [[1, 0, 0]], r"shape \[1, 2\]"),
        ([1, 0], [1, 0], r"`truth` of shape \[n, t\]"),
        ([[1, 0]], [[-1, 1]], "`found` finite and not negative"),
        ([[np.nan, 0]], [[1, 1]], "`truth` finite"),
        ([[0, 0]], [[1, 1]], "composition is known"),
    ],
)
def test_bad_input_is_told(truth, found, said):
    with pytest.raises(InputError, match=said):
        deconvolution_scores(truth, found)
