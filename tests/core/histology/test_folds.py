"""Held-out groups: nobody on both sides, everybody once."""

import numpy as np
import pandas as pd
import pytest

from spotweave import InputError
from spotweave.core.histology.folds import check_disjoint, inner_folds, leave_one_out


@pytest.mark.parametrize(
    "groups",
    [
        np.array(["b", "a", "c", "a", "b"]),
        np.array([10, 2, 30, 2, 10]),
        pd.Categorical(["b", "a", "c", "a", "b"]),
        np.array(["b", "a", "c", "a", "b"], dtype=object),
    ],
    ids=["text", "numbers", "categories", "objects"],
)
def test_each_group_is_held_out_once(groups):
    folds = leave_one_out(groups)
    assert [fold.name for fold in folds] == [str(name) for name in sorted(set(np.asarray(groups).tolist()))]
    tested = np.zeros(5, int)
    for fold in folds:
        np.testing.assert_array_equal(fold.train, ~fold.test)
        np.testing.assert_array_equal(fold.test, [str(name) == fold.name for name in np.asarray(groups)])
        check_disjoint(np.asarray(groups)[fold.train], np.asarray(groups)[fold.test])
        tested += fold.test
    assert (tested == 1).all()


def test_missing_or_single_groups_are_errors():
    with pytest.raises(InputError, match=r"at least 2 groups to hold out one; found \['P1'\]"):
        leave_one_out(["P1", "P1"])
    for missing in (None, np.nan, pd.NA):
        with pytest.raises(InputError, match="none in 1 of 3 rows"):
            leave_one_out(np.array(["P1", missing, "P2"], dtype=object))
    with pytest.raises(InputError, match="none in 1 of 2 rows"):
        leave_one_out([1.0, np.nan])
    with pytest.raises(InputError, match="one label for each row"):
        leave_one_out([])
    assert [fold.name for fold in leave_one_out(["nan", "P1"])] == ["P1", "nan"], "a text is a name"


def test_inner_folds_are_groups_then_sections_then_strips(rng):
    xy = rng.random((23, 2)) * [1, 9]
    section, group = np.repeat([7, 3, 5, 0], [6, 6, 6, 5]), np.repeat([4, 1], [12, 11])
    fold, kind = inner_folds(section, group, xy)
    assert kind == "group"
    np.testing.assert_array_equal(fold, np.repeat([1, 0], [12, 11]))
    fold, kind = inner_folds(section, np.full(23, 4), xy)
    assert kind == "section"
    np.testing.assert_array_equal(fold, np.repeat([3, 1, 2, 0], [6, 6, 6, 5]))
    fold, kind = inner_folds(np.full(23, 2), np.full(23, 4), xy)
    assert kind == "strip"
    assert sorted(np.bincount(fold)) == [4, 4, 5, 5, 5]
    for left, right in zip(range(4), range(1, 5), strict=True):
        assert xy[fold == left, 1].max() < xy[fold == right, 1].min(), "cut across the longer axis"
    turned = inner_folds(np.full(23, 2), np.full(23, 4), xy[:, ::-1]).fold
    np.testing.assert_array_equal(turned, fold)


def test_strips_of_equal_points_depend_on_the_order_alone():
    fold = inner_folds(np.zeros(11), np.zeros(11), np.ones((11, 2))).fold
    np.testing.assert_array_equal(fold, np.arange(11) * 5 // 11)


def test_errors_of_inner_folds(rng):
    xy = rng.random((6, 2))
    with pytest.raises(InputError, match=r"each section in one group; found \['1'\] in several"):
        inner_folds(np.array([0, 0, 1, 1, 2, 2]), np.array([0, 0, 0, 1, 1, 1]), xy)
    with pytest.raises(InputError, match="one section, group and point for each row; found 6, 5 and 6"):
        inner_folds(np.zeros(6), np.zeros(5), xy)
    with pytest.raises(InputError, match="at least 5 spots"):
        inner_folds(np.zeros(4), np.zeros(4), xy[:4])


def test_check_disjoint_names_who_is_on_both_sides():
    check_disjoint(["A", "B"], ["C"])
    with pytest.raises(InputError, match=r"found \['A', 'B'\]"):
        check_disjoint(["B", "A", "A", "D"], ["A", "B", "C"])
    with pytest.raises(InputError, match=r"found \['1'\]"):
        check_disjoint(np.array([1, 2]), ["1"])
