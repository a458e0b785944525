"""Who is held out: patients first, sections when there is one patient, strips when there is one section."""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from ..._check import check_coords, fail, listing

N_STRIPS = 5
MISSING = {"None", "nan", "<NA>", "NaT"}  # as text: the types belong to pandas, which is not known here


class Fold(NamedTuple):
    """One group held out."""

    name: str
    """The group."""
    train: np.ndarray
    """Rows of all other groups, bool ``[n]``."""
    test: np.ndarray
    """Rows of the group, bool ``[n]``."""


class InnerFolds(NamedTuple):
    """Folds within the training rows, for settings to be chosen by."""

    fold: np.ndarray
    """Codes 0..f-1 ``[n]``."""
    kind: str
    """What a fold is: ``"group"``, ``"section"`` or ``"strip"``."""


def leave_one_out(groups: Any) -> list[Fold]:
    """Hold out each group in turn.

    Parameters
    ----------
    groups
        Label of each row ``[n]``, of any type: its patient, to be honest.

    Returns
    -------
    One fold for each group, in sorted order.

    Raises
    ------
    InputError
        When there are fewer than 2 groups, or labels are missing.
    """
    names, codes = _groups(groups)
    if len(names) < 2:
        raise fail("at least 2 groups to hold out one", listing(names), "Add sections of another patient.")
    return [Fold(str(name), codes != code, codes == code) for code, name in enumerate(names)]


def inner_folds(section: np.ndarray, group: np.ndarray, xy: np.ndarray) -> InnerFolds:
    """Folds of training rows that are as unlike each other as the training data allow.

    Groups when there are at least 2, else sections when there are at least 2, else five strips with equal numbers of
    spots across the longer axis of the one section. Only the first kind asks what a new patient would ask; sections of
    one patient, and more so strips, resemble each other, so that settings chosen by them regularise too little.

    Parameters
    ----------
    section
        Codes ``[n]`` of the section of each row.
    group
        Codes ``[n]`` of the group (patient) of each row; no section lies in two groups.
    xy
        Coordinates ``[n, 2]``.

    Returns
    -------
    Folds and their kind.

    Raises
    ------
    InputError
        When shapes do not fit, a section lies in two groups, or the one section has fewer than 5 rows.
    """
    xy = check_coords(xy, "xy")
    sections, section = _groups(section)
    groups, group = _groups(group)
    if not len(xy) == len(section) == len(group):
        raise fail("one section, group and point for each row", f"{len(section)}, {len(group)} and {len(xy)}")
    pairs = np.unique(section * len(groups) + group)
    if len(pairs) > len(sections):
        twice = sections[np.bincount(pairs // len(groups)) > 1]
        raise fail("each section in one group", f"{listing(twice)} in several", "Give each section a code of its own.")
    if len(groups) > 1:
        return InnerFolds(group, "group")
    if len(sections) > 1:
        return InnerFolds(section, "section")
    return InnerFolds(_strips(xy), "strip")


def check_disjoint(train_groups: Iterable[Any], test_groups: Iterable[Any]) -> None:
    """Raise if a group (patient) was trained on and is tested.

    Parameters
    ----------
    train_groups, test_groups
        Labels of any type, each any number of times. They are compared as text, so that 1 and ``"1"`` are the same.

    Raises
    ------
    InputError
        Names the groups on both sides.
    """
    shared = {str(name) for name in train_groups} & {str(name) for name in test_groups}
    if shared:
        raise fail(
            "no group on both sides of the split",
            listing(sorted(shared)),
            "Sections of one patient resemble each other: scores on a known patient say nothing about a new one.",
        )


def _groups(labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Sorted names and codes of the rows."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels):
        raise fail("one label for each row", f"an array of shape {list(labels.shape)}")
    missing = np.array([not isinstance(x, str) and str(x) in MISSING for x in labels.tolist()])
    if missing.any():
        raise fail("a group for each row", f"none in {missing.sum()} of {len(labels)} rows", "Drop or name these rows.")
    names, codes = np.unique(labels.astype(str) if labels.dtype.kind == "O" else labels, return_inverse=True)
    return names, codes.astype(np.intp)


def _strips(xy: np.ndarray) -> np.ndarray:
    """Code of the strip of each point, along the longer axis."""
    n = len(xy)
    if n < N_STRIPS:
        raise fail(f"at least {N_STRIPS} spots to cut one section into strips", str(n))
    longest = np.argsort(np.ptp(xy, axis=0), kind="stable")  # lexsort's last key is its first criterion
    fold = np.empty(n, np.intp)
    fold[np.lexsort(xy[:, longest].T)] = np.arange(n) * N_STRIPS // n
    return fold
