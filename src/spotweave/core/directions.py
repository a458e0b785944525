"""Directions of feature space along which neighbours resemble each other."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .propagate import row_normalise


class Directions(NamedTuple):
    """Directions in falling order of spatial correlation."""

    weights: np.ndarray
    """[d, r]; apply to centred features."""
    correlation: np.ndarray
    """Correlation between a point's coordinate and the mean of its neighbours' [r]; Moran's I of the direction."""


def spatial_directions(H: np.ndarray, W: sp.csr_matrix, n_directions: int) -> Directions:
    r"""Find directions that are predictable from the neighbours (MULTISPATI on whitened features).

    With whitened features U and row-normalised weights N the directions are the leading eigenvectors of
    :math:`\frac{1}{2n} U^\top (N + N^\top) U`; eigenvalues are Moran's I (Dray, Said and Debias 2008, J. Veg. Sci.
    19:45). Measurement noise of a point is independent of its neighbours', so unlike variance this finds signal.

    Parameters
    ----------
    H
        Features ``[n, d]``; columns that are linear combinations of others get no weight.
    W
        Graph ``[n, n]`` without self loops.
    n_directions
        Wanted number r, cut to the rank of H.

    Returns
    -------
    Weights with unit variance of each coordinate, and correlations.
    """
    centred = np.asarray(H - H.mean(axis=0), np.float64)
    variance, axes = np.linalg.eigh(centred.T @ centred / len(H))
    used = variance > 1e-8 * max(variance[-1], 1e-300)
    whiten = axes[:, used] / np.sqrt(variance[used])
    U = centred @ whiten
    M = U.T @ (row_normalise(W, self_loops=False) @ U) / len(H)
    correlation, vectors = np.linalg.eigh((M + M.T) / 2)
    order = np.argsort(correlation)[::-1][:n_directions]
    return Directions(whiten @ vectors[:, order], correlation[order])


def leading_coordinates(H: np.ndarray, n_directions: int) -> np.ndarray:
    """Principal coordinates ``[n, r]`` of features ``[n, d]``, in falling order of variance."""
    return (H - H.mean(axis=0)) @ leading_axes(H, n_directions)


def leading_axes(H: np.ndarray, n_directions: int) -> np.ndarray:
    """Principal axes ``[d, r]`` of features ``[n, d]``, in falling order of variance."""
    centred = H - H.mean(axis=0)
    _, axes = np.linalg.eigh(np.asarray(centred.T @ centred, np.float64))
    return axes[:, ::-1][:, :n_directions].astype(H.dtype)
