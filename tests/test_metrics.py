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


def test_asw_matches_loop(rng, truth):
    H = rng.normal(size=(83, 4)) + (truth == "WM")[:, None]
    D = np.linalg.norm(H[:, None] - H[None], axis=2)
    widths = []
    for i in range(83):
        own = [j for j in range(83) if j != i and truth[j] == truth[i]]
        a, b = D[i, own].mean(), min(D[i, truth == t].mean() for t in set(truth) - {truth[i]})
        widths.append((b - a) / max(a, b))
    np.testing.assert_allclose(metrics.asw(H, truth), np.mean(widths))
    with_missing = np.array([*truth, None], dtype=object)
    np.testing.assert_allclose(metrics.asw(np.vstack([H, H[:1]]), with_missing), np.mean(widths))


def test_asw_of_a_sample_and_without_contrast(rng):
    H, labels = rng.normal(size=(900, 3)), np.repeat([0, 1, 2], 300)
    H += 2 * labels[:, None]
    sample = metrics.asw(H, labels, n_max=300)
    assert sample == metrics.asw(H, labels, n_max=300) != metrics.asw(H, labels, n_max=300, rng=1)
    np.testing.assert_allclose(sample, metrics.asw(H, labels), atol=0.05)
    assert np.isnan(metrics.asw(H, np.zeros(900)))
    assert np.isnan(metrics.asw(H, np.arange(900)))
    with pytest.raises(InputError, match="900 rows"):
        metrics.asw(H, labels[:-1])


def loop_chaos(labels: np.ndarray, xy: np.ndarray) -> float:
    z = (xy - xy.mean(0)) / xy.std(0)
    total = 0.0
    for k in set(labels.tolist()):
        members = z[labels == k]
        if len(members) > 2:
            for i, p in enumerate(members):
                total += min(float(np.linalg.norm(p - q)) for j, q in enumerate(members) if j != i)
    return total / len(labels)


def loop_pas(labels: np.ndarray, xy: np.ndarray, k: int) -> float:
    abnormal = 0
    for i in range(len(xy)):
        distance = np.linalg.norm(xy - xy[i], axis=1)
        distance[i] = np.inf
        nearest = np.argsort(distance)[: min(k, len(xy) - 1)]
        abnormal += (labels[nearest] != labels[i]).sum() > len(nearest) / 2
    return abnormal / len(xy)


def test_chaos_matches_loop(rng, truth):
    xy = rng.random((83, 2)) * [1000, 30]
    labels = np.append(truth[:-3], ["x", "y", "y"])  # too small to count in the sum
    np.testing.assert_allclose(metrics.chaos(labels, xy), loop_chaos(labels, xy))
    library = rng.integers(0, 2, 83)
    expected = sum(loop_chaos(labels[library == s], xy[library == s]) * (library == s).sum() for s in (0, 1)) / 83
    np.testing.assert_allclose(metrics.chaos(labels, xy, library=library), expected)


@pytest.mark.parametrize("k", [1, 10, 200])
def test_pas_matches_loop(rng, truth, k):
    xy, library = rng.random((83, 2)), rng.integers(0, 2, 83)
    np.testing.assert_allclose(metrics.pas(truth, xy, n_neighs=k), loop_pas(truth, xy, k))
    expected = sum(loop_pas(truth[library == s], xy[library == s], k) * (library == s).sum() for s in (0, 1)) / 83
    np.testing.assert_allclose(metrics.pas(truth, xy, n_neighs=k, library=library), expected)


def test_pas_needs_more_than_half():
    xy = np.arange(11)[:, None] * [1.0, 0]
    labels = np.array([0] * 6 + [1] * 5)  # each sees all others: 5 of 10 differ from a 0, 6 of 10 from a 1
    np.testing.assert_allclose(metrics.pas(labels, xy), 5 / 11)


def test_spatial_scores_fall_when_noise_is_removed(rng):
    xy = rng.random((500, 2))
    smooth = np.floor(4 * xy[:, 0])
    noisy = np.where(rng.random(500) < 0.3, rng.integers(0, 4, 500), smooth)
    for score in (metrics.chaos, metrics.pas):
        assert score(smooth, xy) < score(noisy, xy)


def test_spatial_scores_drop_missing_labels_and_stand_duplicates(rng, truth):
    xy = rng.random((83, 2))
    longer, places = np.array([*truth, None, np.nan], dtype=object), np.vstack([xy, xy[:2]])
    for score in (metrics.chaos, metrics.pas):
        assert score(longer, places) == score(truth, xy)
        with pytest.raises(InputError, match="each of 83 labels"):
            score(truth, xy[:-1])
    assert metrics.chaos([1] * 5, np.ones((5, 2))) == 0
    twice = np.repeat(xy, 2, axis=0)
    assert metrics.chaos(np.repeat(truth, 2), twice) == 0
    assert metrics.pas(["a"], np.ones((1, 2))) == 0


def test_align_labels_finds_the_best_renaming(rng, truth):
    names = np.array(["L1", "L2", "WM"])
    labels = np.array([2, 0, 1])[np.searchsorted(names, np.where(rng.random(83) < 0.5, truth, rng.choice(names, 83)))]
    aligned = metrics.align_labels(labels, truth)
    best = max((np.array(p)[labels] == truth).sum() for p in permutations(names))
    assert (aligned == truth).sum() == best
    assert metrics.ari(labels, aligned) == 1


def test_align_labels_keeps_what_has_no_partner():
    labels = ["L2", "L2", "L2", "b", "b", "L1", None, "c"]
    reference = ["L1", "L1", "L1", "L2", "L2", "L2", "L2", None]
    aligned = metrics.align_labels(labels, reference)
    assert aligned.tolist() == ["L1", "L1", "L1", "L2", "L2", "L1'", None, "c"]
    assert metrics.align_labels(["a", "b", None], ["x", "x", "y"]).tolist() == ["x", "b", None]
    assert metrics.align_labels([1, 1, 2], [5.0, 5.0, np.nan]).tolist() == ["5.0", "5.0", "2"]
    with pytest.raises(InputError, match="each of 2 labels"):
        metrics.align_labels([1, 2], [1])
