"""Features of a slice as a smooth function of position."""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from .features import Sites

NEAR = 1.6
"""Distance in steps within which a site speaks for the tissue around it: holes of one missing spot are no border."""


class Field(NamedTuple):
    """Sites, and a plane through the features around each."""

    tree: cKDTree
    F: np.ndarray
    """At each site ``[m, f]``."""
    gradient: np.ndarray
    """``[m, f, 2]``."""
    step: float
    """Distance between sites."""


class Seen(NamedTuple):
    """What lies under some points."""

    F: np.ndarray
    """Features ``[q, f]`` under the q points that lie on the tissue."""
    gradient: np.ndarray
    """``[q, f, 2]``."""
    on: np.ndarray
    """Which of the points lie on the tissue ``[n]``."""


def make_field(sites: Sites, step: float, *, n_neighs: int = 19) -> Field:
    """Fit a plane to the features around each site (weighted least squares) for their gradient."""
    tree = cKDTree(sites.xy)
    k = min(n_neighs, len(sites.xy))
    distance, index = tree.query(sites.xy, k=k)
    weight = np.exp(-0.5 * (distance / (1.2 * step)) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    d = sites.xy[index] - sites.xy[:, None]
    d = d - np.einsum("mk,mkc->mc", weight, d)[:, None]
    moments = np.einsum("mk,mkc,mke->mce", weight, d, d) + 1e-3 * step**2 * np.eye(2)
    cross = np.einsum("mk,mkc,mkf->mcf", weight, d, sites.F[index])
    return Field(tree, sites.F, np.linalg.solve(moments, cross).transpose(0, 2, 1), step)


def look_up(field: Field, xy: np.ndarray, *, n_neighs: int = 4) -> Seen:
    """Features and gradients under points ``[n, 2]``: planes of the nearest sites, weighted by distance."""
    k = min(n_neighs, len(field.F))
    distance, index = field.tree.query(xy, k=k)
    distance, index = distance.reshape(len(xy), k), index.reshape(len(xy), k)
    on = distance[:, 0] <= NEAR * field.step
    distance, index = distance[on], index[on]
    weight = np.exp(-0.5 * (distance / (0.7 * field.step)) ** 2)
    weight /= weight.sum(axis=1, keepdims=True)
    off = xy[on][:, None] - np.asarray(field.tree.data)[index]
    planes = field.F[index] + (field.gradient[index] @ off[..., None])[..., 0]
    return Seen((weight[:, None] @ planes)[:, 0], np.einsum("qk,qkfc->qfc", weight, field.gradient[index]), on)
