"""A gene panel in tissue beside a reference of all genes, and what every route from one to the other shares."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..._check import fail

Predict = Callable[[Any], np.ndarray]
"""For some of the wanted genes (slice or indices): log ratios ``[n, b]`` of expected counts to what depth alone
expects, up to one constant a gene."""

CEILING = 4.0
"""Largest log ratio that is predicted: nobody knows of a gene 55 times above what depth expects."""


@dataclass(frozen=True)
class Pair:
    """Counts of the target's panel, and of a reference that has the panel and more."""

    X: sp.csr_matrix
    """Target, panel genes ``[n, p]``."""
    R: sp.csr_matrix
    """Reference, the same genes in the same order ``[m, p]``."""
    Y: sp.csc_matrix
    """Reference, wanted genes ``[m, t]``, counts of the same cells."""
    known: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """What several routes need, computed once."""


def make_pair(X: Any, R: Any, Y: Any) -> Pair:
    """Check the shapes, drop reference cells without panel counts.

    Parameters
    ----------
    X
        Counts of the target ``[n, p]``.
    R
        Counts of the reference ``[m, p]``.
    Y
        Counts of the reference, wanted genes ``[m, t]``.

    Raises
    ------
    InputError
        When panels differ, when fewer than two cells of the reference have counts of panel genes, or when no gene has
        counts in both.
    """
    X, R, Y = (sp.csr_matrix(A, dtype=np.float32) for A in (X, R, Y))
    if X.shape[1] != R.shape[1] or R.shape[0] != Y.shape[0]:
        raise fail("X [n, p], R [m, p] and Y [m, t]", f"shapes {X.shape}, {R.shape} and {Y.shape}")
    some = sizes(R) > 0
    if some.sum() < 2:
        raise fail("at least 2 cells of the reference with counts of panel genes", f"{some.sum()}")
    if not (totals(X) * totals(R)).any():
        raise fail("panel genes with counts in both target and reference", "none")
    return Pair(X, R[some], sp.csc_matrix(Y[some]))


def sizes(X: sp.csr_matrix) -> np.ndarray:
    """Counts of each cell ``[n]``."""
    return np.asarray(X.sum(axis=1, dtype=np.float64)).ravel()


def totals(X: sp.spmatrix) -> np.ndarray:
    """Counts of each gene ``[g]``."""
    return np.asarray(X.sum(axis=0, dtype=np.float64)).ravel()


def sample_cells(pair: Pair, most: int, rng: np.random.Generator) -> Pair:
    """Leave at most so many cells in the reference, drawn at random."""
    m = pair.R.shape[0]
    if m <= most:
        return pair
    rows = np.sort(rng.choice(m, most, replace=False))
    return Pair(pair.X, pair.R[rows], pair.Y[rows])
