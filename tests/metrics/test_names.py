"""The best renaming, found by trying them all."""

from itertools import permutations

import numpy as np
import pytest

from spotweave import InputError, metrics


@pytest.fixture
def truth(rng) -> np.ndarray:
    return np.array(["L1", "L2", "WM"])[rng.integers(0, 3, 83)]


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
