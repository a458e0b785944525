"""Pieces of tissue: whole neighbourhoods, in proportion to the slides."""

import numpy as np
import pytest

from spotweave.core.imputation import patches
from spotweave.core.imputation.patches import judged_cells


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(patches, "MOST_CELLS", 300)
    monkeypatch.setattr(patches, "PATCH", 50)


def test_few_cells_are_all_judged(rng):
    np.testing.assert_array_equal(judged_cells(rng.random((300, 2)), None, rng), np.arange(300))


def test_pieces_are_the_nearest_cells_of_their_middles(rng):
    xy = rng.random((2_000, 2))
    rows = judged_cells(xy, None, np.random.default_rng(4))
    middles = np.random.default_rng(4).choice(2_000, 6, replace=False)
    expected = {int(i) for m in middles for i in np.argsort(((xy - xy[m]) ** 2).sum(axis=1))[:50]}
    assert set(rows.tolist()) == expected
    assert (np.diff(rows) > 0).all()


def test_slides_give_pieces_in_proportion_and_of_their_own(rng):
    library = np.repeat([0, 1, 2], [1_000, 970, 30])
    xy = np.tile(rng.random((1_000, 2)), (2, 1))  # slides lie on top of each other
    rows = judged_cells(xy, library, rng)
    counts = np.bincount(library[rows])
    assert counts[2] == 30, "one piece, no larger than the slide"
    assert 50 < counts[0] <= 150
    assert 50 < counts[1] <= 150


def test_the_same_seed_gives_the_same_cells(rng):
    xy = rng.random((900, 2))
    first, second = (judged_cells(xy, None, np.random.default_rng(1)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, judged_cells(xy, None, np.random.default_rng(2)))
