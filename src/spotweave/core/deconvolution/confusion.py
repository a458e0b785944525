"""Types that the counts of a spot can hardly tell apart."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

RIDGE = 1e-6
CONFUSED = -0.7
"""Correlation of errors below which two types are said to be hard to tell apart."""


class Confusion(NamedTuple):
    """How well each type is told from the others, by the information in a mean spot."""

    inflation: np.ndarray
    """Variance of a type's weight with all others unknown, over that with the others known ``[t]``; at least 1."""
    nearest: np.ndarray
    """The type that it is most easily taken for ``[t]``."""
    correlation: np.ndarray
    """Correlation of the errors of the two ``[t]``: near -1, their sum is known and not their parts."""


def confusion(information: np.ndarray) -> Confusion:
    r"""Read from an information matrix which types trade places.

    .. math:: V = H^{-1}, \quad \mathrm{inflation}_t = H_{tt} V_{tt}, \quad
       r_{tu} = V_{tu} / \sqrt{V_{tt} V_{uu}}

    Parameters
    ----------
    information
        H ``[t, t]``, positive semidefinite.

    Returns
    -------
    Variance inflation, and for each type the one of most negative correlation; with one type 1, itself and 0.
    """
    t = len(information)
    scale = np.sqrt(np.maximum(np.diag(information), 1e-30))
    unit = information / np.outer(scale, scale)
    V = np.linalg.inv(unit + RIDGE * np.eye(t))
    r = V / np.sqrt(np.outer(np.diag(V), np.diag(V)))
    np.fill_diagonal(r, 0.0 if t == 1 else np.inf)
    nearest = r.argmin(axis=1)
    return Confusion(np.maximum(np.diag(V), 1.0), nearest, r[np.arange(t), nearest])


def confused_pairs(names: Iterable[str], others: Iterable[str], correlation: Iterable[float]) -> list[tuple[str, str]]:
    """Pairs of types whose errors correlate below `CONFUSED`, the worst first, names in order; NaN is no pair."""
    pairs: dict[tuple[str, str], float] = {}
    for name, other, r in zip(names, others, correlation, strict=True):
        if r < CONFUSED:
            first, second = sorted((str(name), str(other)))
            pairs[first, second] = min(float(r), pairs.get((first, second), 0.0))
    return sorted(pairs, key=lambda pair: (pairs[pair], pair))
