"""Ridge regression along a path of penalties, judged on folds that were left out."""

from typing import NamedTuple

import numpy as np
import scipy.linalg

PENALTIES = 10.0 ** np.arange(2.0, 5.6, 0.5)
"""Tried penalties. Features have variance 1, so a penalty is a number of spots' worth of doubt."""


class RidgePath(NamedTuple):
    """What held-out folds say of each penalty and target."""

    penalties: np.ndarray
    """[m]."""
    error: np.ndarray
    """Squared error of rows that were held out, summed [m, t]."""
    held_out: np.ndarray
    """Predictions of each row by the folds that lack it, at each target's best penalty [n, t]."""
    best: np.ndarray
    """Index of each target's penalty [t]."""
    coefficients: np.ndarray
    """On all rows [q, t]."""


def ridge_path(
    X: np.ndarray,
    Y: np.ndarray,
    fold: np.ndarray,
    *,
    penalties: np.ndarray = PENALTIES,
    shared: bool = False,
) -> RidgePath:
    r"""Fit :math:`\min_B \|Y - X B\|^2 + \alpha \|B\|^2`, with :math:`\alpha` chosen on held-out folds.

    One eigendecomposition of :math:`X^\top X` a fold gives all penalties and all targets:
    :math:`B_\alpha = Q (\Lambda + \alpha)^{-1} Q^\top X^\top Y` (Hoerl and Kennard 1970, Technometrics 12:55).

    Parameters
    ----------
    X
        Predictors ``[n, q]``; no intercept is fitted.
    Y
        Targets ``[n, t]``, centred.
    fold
        Fold of each row, codes ``[n]``, at least two different ones.
    penalties
        Ascending.
    shared
        One penalty for all targets instead of one for each.

    Returns
    -------
    Errors, held-out predictions, penalties and coefficients.
    """
    gram, cross = X.T @ X, X.T @ Y
    folds = [np.flatnonzero(fold == code) for code in np.unique(fold)]
    error = np.zeros((len(penalties), Y.shape[1]))
    paths = []
    for out in folds:
        x, y = X[out], Y[out]
        path = _Path(gram - x.T @ x, cross - x.T @ y)
        error += np.stack([((y - x @ path.at(a)) ** 2).sum(axis=0) for a in penalties])
        paths.append(path)
    best = np.full(Y.shape[1], error.sum(axis=1).argmin()) if shared else error.argmin(axis=0)
    held_out = np.empty(Y.shape)
    for out, path in zip(folds, paths, strict=True):
        held_out[out] = X[out] @ path.at(penalties[best])
    return RidgePath(penalties, error, held_out, best, _Path(gram, cross).at(penalties[best]))


class _Path:
    """All ridge solutions of one set of rows."""

    def __init__(self, gram: np.ndarray, cross: np.ndarray) -> None:
        values, self._vectors = scipy.linalg.eigh(gram)
        self._values = np.maximum(values, 0)[:, None]
        self._projected = self._vectors.T @ cross

    def at(self, penalty: float | np.ndarray) -> np.ndarray:
        """Coefficients ``[q, t]`` at one penalty, or at one for each target ``[t]``."""
        return self._vectors @ (self._projected / (self._values + penalty))
