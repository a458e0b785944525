"""Scores against definitions written as loops, and their behaviour with missing labels."""

from itertools import combinations, permutations

import numpy as np
import pandas as pd
import pytest

from spotweave import InputError, metrics

PAIRED = ["ari", "nmi", "ami", "homogeneity", "completeness", "v_measure"]


@pytest.fixture
def truth(rng) -> np.ndarray:
    return np.array(["L1", "L2", "WM"])[rng.integers(0, 3, 83)]


@pytest.fixture
def found(rng, truth) -> np.ndarray:
    return np.where(rng.random(83) < 0.7, np.searchsorted(["L1", "L2", "WM"], truth), rng.integers(0, 5, 83))


def entropy(*columns: np.ndarray) -> float:
    rows = list(zip(*(c.tolist() for c in columns), strict=True))
    share = np.array([rows.count(r) / len(rows) for r in set(rows)])
    return float(-(share * np.log(share)).sum())


def loop_ari(truth: np.ndarray, found: np.ndarray) -> float:
    pairs = list(combinations(range(len(truth)), 2))
    same_truth = np.array([truth[i] == truth[j] for i, j in pairs])
    same_found = np.array([found[i] == found[j] for i, j in pairs])
    expected = same_truth.mean() * same_found.mean()
    return (np.mean(same_truth & same_found) - expected) / ((same_truth.mean() + same_found.mean()) / 2 - expected)


def test_paired_scores_match_their_formulas(truth, found):
    mutual = entropy(truth) + entropy(found) - entropy(truth, found)
    h, c = mutual / entropy(truth), mutual / entropy(found)
    expected = {"nmi": 2 * mutual / (entropy(truth) + entropy(found)), "homogeneity": h, "completeness": c}
    expected |= {"v_measure": 2 * h * c / (h + c), "ari": loop_ari(truth, found)}
    for name, value in expected.items():
        np.testing.assert_allclose(getattr(metrics, name)(truth, found), value)


def test_ami_corrects_for_chance(rng):
    truth = np.repeat([0, 1, 2], 2)
    found = np.array([0, 0, 0, 1, 1, 1])

    def mutual(a: np.ndarray, b: np.ndarray) -> float:
        return entropy(a) + entropy(b) - entropy(a, b)

    chance = np.mean([mutual(truth, np.array(p)) for p in set(permutations(found.tolist()))])
    expected = (mutual(truth, found) - chance) / ((entropy(truth) + entropy(found)) / 2 - chance)
    np.testing.assert_allclose(metrics.ami(truth, found), expected)


@pytest.mark.parametrize("name", PAIRED)
def test_paired_scores_ignore_names_types_and_rows_without_truth(name, truth, found):
    score = getattr(metrics, name)
    value = score(truth, found)
    assert type(value) is float
    assert 0 < value < 1
    np.testing.assert_allclose(score(truth, (found * 7 - 3).astype(float)), value)
    np.testing.assert_allclose(score(pd.Series(truth).astype("category"), pd.Categorical(found.astype(str))), value)
    np.testing.assert_allclose(score(truth == "L1", found), score(np.where(truth == "L1", 1.5, 2), found))
    np.testing.assert_allclose(score(truth, truth), 1)
    for missing in (None, np.nan, pd.NA):
        longer = np.array([missing, *truth, missing], dtype=object)
        np.testing.assert_allclose(score(longer, np.array([0, *found, 4])), value)
        np.testing.assert_allclose(score(pd.Categorical(longer), [0, *found, None]), value)
    np.testing.assert_allclose(
        score(np.array([np.nan, 1, 2, 2, 1]), [9, 3, 4, 4, 4]), score([1, 2, 2, 1], [3, 4, 4, 4])
    )


@pytest.mark.parametrize("name", PAIRED)
def test_paired_scores_refuse(name):
    score = getattr(metrics, name)
    with pytest.raises(InputError, match="for each of 3 rows"):
        score(["a", "b", "b"], [1, 2])
    with pytest.raises(InputError, match="1 rows without"):
        score(["a", "b", None], [1, None, None])
    with pytest.raises(InputError, match="none with a label"):
        score([None, np.nan], [1, 2])


def test_homogeneity_and_completeness_are_not_swapped():
    truth, split = ["a", "a", "b", "b"], [1, 2, 3, 3]
    np.testing.assert_allclose(metrics.homogeneity(truth, split), 1)
    assert metrics.completeness(truth, split) < 0.9
