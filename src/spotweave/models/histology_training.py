"""What every predictor of expression learns from, what it must answer, and how genes come of it."""

from typing import Any, NamedTuple, Protocol

import numpy as np
import scipy.sparse as sp

from ..core.histology.retrieval import Retrieved
from ..core.histology.tissue import Tissue
from ..core.libraries import library_blocks

BLOCK = 8_192  # rows decoded at once


class Training(NamedTuple):
    """Sections with image and expression."""

    tissue: Tissue
    target: sp.csr_matrix
    """Expression of the panel [n, g]."""
    fold: np.ndarray
    """Inner folds, codes [n]: every choice is made on rows whose fold was left out."""
    types: np.ndarray | None = None
    """Composition of each spot [n, t], when known."""


class Answer(NamedTuple):
    """What a predictor says of spots it has only seen a picture of."""

    parts: np.ndarray
    """Predicted programs (or genes, see `Fitted.decode`) [n, t], as departures from the mean."""
    retrieved: Retrieved | None
    """The training spots it answered with, if it does so."""


class Predictor(Protocol):
    """Image in, programs out."""

    def __call__(self, tissue: Tissue, types: np.ndarray | None = None) -> Answer:
        """Predict each row of `tissue`."""

    def state(self) -> dict[str, np.ndarray]:
        """Arrays that restore the predictor."""


class Fitted(NamedTuple):
    """A predictor with what turns its answers into genes."""

    predictor: Predictor
    mean: np.ndarray
    """Mean expression of the training rows [g]."""
    decode: np.ndarray | None
    """Programs to genes [t, g]; None: the predictor answers in genes."""
    held_out: np.ndarray
    """Answers for the training rows by models that lacked their fold [n, t]."""
    chosen: dict[str, Any]
    """What was chosen on inner folds: penalties, neighbours, weights."""

    def genes(self, parts: np.ndarray) -> np.ndarray:
        """Expression of the panel ``[n, g]``, float32, from a predictor's answers."""
        found = np.empty((len(parts), len(self.mean)), dtype=np.float32)
        for start in range(0, len(parts), BLOCK):
            rows = slice(start, start + BLOCK)
            found[rows] = self.mean + (parts[rows] if self.decode is None else parts[rows] @ self.decode)
        return found


def inner_splits(fold: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Row numbers that stay and that are left out, for each inner fold."""
    return [(np.flatnonzero(fold != code), np.flatnonzero(fold == code)) for code in np.unique(fold)]


def mean_expression(training: Training) -> np.ndarray:
    """Mean over the training rows ``[g]``."""
    n = len(training.fold)
    return np.ones(n) @ training.target / n  # the matrix's own mean would add up in float32


def centred(training: Training, rows: np.ndarray | None = None) -> np.ndarray:
    """Expression less the mean of its section ``[n, g]``, dense: a panel, not all genes; of some rows when given."""
    rows = np.arange(len(training.fold)) if rows is None else rows
    Y = training.target[rows].toarray().astype(np.float64)
    for own in library_blocks(len(Y), training.tissue.section[rows]):
        Y[own] -= Y[own].mean(axis=0)
    return Y


def held_out_genes(fitted: Fitted, training: Training, rows: np.ndarray) -> np.ndarray:
    """Expression of training rows ``[len(rows), g]`` by models, and programs' loadings, that lacked their fold.

    Loadings of programs are of all rows, those held out too: a gene that is noise has its sign in a program from rows
    that it would then be judged on. Each fold is therefore given loadings of its own, by regression of expression on
    the programs' scores in the other folds.
    """
    parts = fitted.held_out[rows]
    if fitted.decode is None:
        return fitted.genes(parts)
    Y = centred(training, rows)
    scores = Y @ fitted.decode.T  # loadings are orthonormal
    found = np.empty(Y.shape, dtype=np.float32)
    for stay, out in inner_splits(training.fold[rows]):
        loadings = np.linalg.lstsq(scores[stay], Y[stay], rcond=1e-9)[0]
        found[out] = fitted.mean + parts[out] @ loadings
    return found
