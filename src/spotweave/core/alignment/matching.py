"""Sites of two placed slices that choose each other by their features."""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from .features import Sites

MOST = 64
"""Candidates of a site."""


class Matches(NamedTuple):
    """Pairs of sites."""

    moving: np.ndarray
    """Rows of the moving slice ``[p]``."""
    fixed: np.ndarray
    """Rows of the reference ``[p]``."""
    distance: np.ndarray
    """Between their places ``[p]``."""


def mutual_matches(moving: Sites, fixed: Sites, reach: float, weight: np.ndarray | None = None) -> Matches:
    """Pair sites that are each other's most alike within `reach`.

    Parameters
    ----------
    moving, fixed
        Places in one frame, and features ``[m, f]``; their means are taken off.
    reach
        Largest distance; of a site's candidates the nearest 64 are compared.
    weight
        Of the squared differences of each feature ``[f]``.

    Returns
    -------
    Mutual pairs; a site without candidate has none.
    """
    w = np.ones(moving.F.shape[1]) if weight is None else weight
    A, B = ((s.F - s.F.mean(axis=0)) * np.sqrt(w) for s in (moving, fixed))
    there, back = _best(moving.xy, A, fixed.xy, B, reach), _best(fixed.xy, B, moving.xy, A, reach)
    i = np.flatnonzero(there >= 0)
    i = i[back[there[i]] == i]
    j = there[i]
    return Matches(i, j, np.linalg.norm(moving.xy[i] - fixed.xy[j], axis=1))


def _best(xy: np.ndarray, A: np.ndarray, other: np.ndarray, B: np.ndarray, reach: float) -> np.ndarray:
    """Row of the most alike site of the other slice within reach ``[m]``, -1 for none."""
    k = min(MOST, len(other))
    distance, index = cKDTree(other).query(xy, k=k, distance_upper_bound=reach)
    distance, index = distance.reshape(len(xy), k), index.reshape(len(xy), k)
    near = np.isfinite(distance)
    index = np.where(near, index, 0)
    apart = np.where(near, ((A[:, None] - B[index]) ** 2).sum(axis=2), np.inf)
    best = apart.argmin(axis=1)
    return np.where(near.any(axis=1), index[np.arange(len(xy)), best], -1)
