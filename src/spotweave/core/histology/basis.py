"""Turn features into coordinates along their own principal axes, on which ridge regression is cheap."""

from typing import NamedTuple

import numpy as np
import scipy.linalg

SMALLEST = 1e-9  # share of the largest variance below which an axis is rounding


class Basis(NamedTuple):
    """Axes of the training rows; ridge regression on all of them is ridge regression on the features."""

    axes: np.ndarray
    """Orthonormal [d, q], by falling variance, float64."""
    scores: np.ndarray
    """Training rows along them [n, q]."""


def principal_basis(features: np.ndarray) -> Basis:
    r"""Rotate features to their principal axes, without loss for the rows at hand.

    Ridge regression does not change under rotation, and axes on which no training row lies take no part in it, so at
    most ``min(n, d)`` of them are kept. Rows are not centred: standardised sections have mean 0 already.

    Parameters
    ----------
    features
        Training rows ``[n, d]``.

    Returns
    -------
    Axes and scores.
    """
    X = np.asarray(features, dtype=np.float64)
    n, d = X.shape
    if n < d:
        values, left = scipy.linalg.eigh(X @ X.T)
        kept = np.flatnonzero(values > SMALLEST * max(values[-1], 1e-300))[::-1]
        axes = X.T @ (left[:, kept] / np.sqrt(values[kept]))
    else:
        values, axes = scipy.linalg.eigh(X.T @ X)
        kept = np.flatnonzero(values > SMALLEST * max(values[-1], 1e-300))[::-1]
        axes = axes[:, kept]
    return Basis(axes, X @ axes)
