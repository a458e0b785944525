"""Separation and smoothness of domains against definitions written as loops."""

import numpy as np
import pytest

from spotweave import InputError, metrics


@pytest.fixture
def truth(rng) -> np.ndarray:
    return np.array(["L1", "L2", "WM"])[rng.integers(0, 3, 83)]


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
