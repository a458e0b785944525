"""What slices are compared by: directions of the embedding that vary smoothly over the tissue."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
from scipy.spatial import cKDTree

MOST_DIRECTIONS = 30
"""Leading columns of the embedding that are looked at; later ones are noise, and few points cannot tell them apart."""
RIDGE = 0.05
"""Added to the variance of each column, relative to the mean one: a column of rounding noise stays small."""


class Sites(NamedTuple):
    """Places of a slice: its points, or squares of many cells."""

    xy: np.ndarray
    """Where ``[m, 2]``."""
    F: np.ndarray
    """Features ``[m, f]``."""


def spacing(xy: np.ndarray) -> float:
    """Median distance to the nearest point elsewhere; 0 when all lie in one place."""
    places = np.unique(xy, axis=0)
    return float(np.median(cKDTree(places).query(places, k=2)[0][:, 1])) if len(places) > 1 else 0.0


def pool(xy: np.ndarray, H: np.ndarray, side: float) -> Sites:
    """Average points and embedding ``[n, d]`` over squares of that side."""
    squares = np.floor((xy - xy.min(axis=0)) / side).astype(np.int64)
    _, code, count = np.unique(squares, axis=0, return_inverse=True, return_counts=True)
    both = np.column_stack([xy, H])
    sums = np.stack([np.bincount(code.ravel(), column, len(count)) for column in both.T], axis=1)
    means = sums / count[:, None]
    return Sites(means[:, :2], means[:, 2:])


def smooth(xy: np.ndarray, F: np.ndarray, width: float, *, n_neighs: int = 37) -> np.ndarray:
    """Average ``[m, f]`` with Gaussian weights of standard deviation `width`, over the nearest `n_neighs` places."""
    k = min(n_neighs, len(xy))
    distance, index = cKDTree(xy).query(xy, k=k)
    distance, index = distance.reshape(len(xy), k), index.reshape(len(xy), k)
    weight = np.exp(-0.5 * (distance / width) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    return np.einsum("mk,mkf->mf", weight, F[index])


def presence(xy: np.ndarray, width: float, *, n_neighs: int = 60) -> np.ndarray:
    """Amount of tissue around each place ``[m]`` (Gaussian weights), over its median: about half at the border."""
    distance = cKDTree(xy).query(xy, k=min(n_neighs, len(xy)))[0].reshape(len(xy), -1)
    amount = np.exp(-0.5 * (distance / width) ** 2).sum(axis=1)
    return amount / np.median(amount)


def patterns(slices: list[Sites], width: float, n_features: int) -> list[Sites]:
    r"""Turn embeddings into the features that vary most smoothly over the tissue.

    With the columns of each slice centred, P all slices' rows and S their averages over surroundings, the directions
    :math:`v` of largest

    .. math:: \lambda = \frac{v^T S^T S v}{v^T P^T P v}

    keep the most of their variance when averaged (as in MULTISPATI, Dray et al. 2008). Features are :math:`S v`,
    scaled to the standard deviation :math:`\sqrt\lambda` over all slices.

    Parameters
    ----------
    slices
        Places and embedding ``[m, d]`` of each slice.
    width
        Standard deviation of the average, unit of the coordinates.
    n_features
        How many directions f.

    Returns
    -------
    Places and features ``[m, f]``.
    """
    n = sum(len(s.xy) for s in slices)
    d = min(slices[0].F.shape[1], MOST_DIRECTIONS, max(2, n // 10))
    P = [s.F[:, :d] - s.F[:, :d].mean(axis=0) for s in slices]
    S = [smooth(s.xy, p, width) for s, p in zip(slices, P, strict=True)]
    total, kept = (sum(A.T @ A for A in part) / n for part in (P, S))
    total = total + RIDGE * max(np.trace(total) / d, 1e-12) * np.eye(d)
    values, vectors = scipy.linalg.eigh(kept, total)
    order = np.argsort(-values, kind="stable")[: min(n_features, d)]
    V = vectors[:, order]
    V = V * np.where(V[np.abs(V).argmax(axis=0), range(V.shape[1])] < 0, -1.0, 1.0)
    return [Sites(s.xy, A @ V) for s, A in zip(slices, S, strict=True)]
