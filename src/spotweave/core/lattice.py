"""Find the square or hexagonal lattice that points lie on, turned as it may be."""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

LOOKED_AT = 5_000
"""Points whose neighbours decide; the tree holds all of them."""
ALIGNED = 0.9
"""Agreement of directions: measured, 0.98 or more on Visium and ST arrays, at most 0.2 on imaging data."""
OFF_SITE = 0.3
"""Distance from the site, in steps, that 99 % of the points keep; ST spots are printed within 0.15."""
FIRST_REACH = 8
"""Steps around the middle in which the first guess of a step cannot be one off."""


class Lattice(NamedTuple):
    """A lattice ``origin + i e1 + j e2``, and where on it each point lies."""

    n_neighs: int
    """4, square, or 6, hexagonal."""
    origin: np.ndarray
    """Place of site (0, 0) ``[2]``, unit of the coordinates."""
    basis: np.ndarray
    """Rows are e1 and e2 ``[2, 2]``: e1 within 45 (square) or 30 (hexagonal) degrees of the first axis, e2 turned from
    it by 90 or 60 degrees towards the second."""
    sites: np.ndarray
    """Whole numbers i and j of each point ``[n, 2]``."""


def find_lattice(xy: np.ndarray) -> Lattice | None:
    """Fit a lattice to points, if they lie on one.

    Nearest neighbours on a square (hexagonal) lattice lie in directions that agree modulo 90 (60) degrees:
    ``|mean exp(i m theta)|`` with m = 4 (6) is then 1. Steps between neighbours give the basis; it is made exact by
    least squares over a patch of tissue that doubles until it holds all points, so that no row is counted twice or
    skipped however large the slide, slightly sheared or turned. Holes do no harm.

    Parameters
    ----------
    xy
        Coordinates ``[n, 2]``, finite; one slide.

    Returns
    -------
    The lattice; None where the points lie otherwise or are too few to tell (less than 8 places on a square one, 12 on
    a hexagonal one).
    """
    points = np.unique(xy, axis=0)
    if len(points) < 8:
        return None
    offsets = _neighbor_offsets(points)
    theta = np.arctan2(offsets[:, 1], offsets[:, 0])
    for m in (4, 6):
        turn = np.exp(1j * m * theta).mean()
        if len(points) >= 2 * m and abs(turn) > ALIGNED:
            angles = np.angle(turn) / m + np.array([0, 2 * np.pi / m])
            step = np.median(np.linalg.norm(offsets, axis=1))
            basis = step * np.column_stack([np.cos(angles), np.sin(angles)])
            return _checked(m, xy, *_grow(points, _refit(offsets, basis, np.zeros(2))[0]))
    return None


def _neighbor_offsets(points: np.ndarray) -> np.ndarray:
    """Steps ``[q, 2]`` from an even sample of points to those about as near as the nearest."""
    asked = points[np.linspace(0, len(points) - 1, min(len(points), LOOKED_AT)).astype(int)]
    distances, index = cKDTree(points).query(asked, k=7)
    near = distances[:, 1:] < 1.25 * np.median(distances[:, 1])  # a square's diagonal is 1.41
    return (points[index[:, 1:]] - asked[:, None])[near]


def _grow(points: np.ndarray, basis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Basis and origin fitted to more and more points around the middle one."""
    middle = points[np.linalg.norm(points - np.median(points, axis=0), axis=1).argmin()]
    distance = np.linalg.norm(points - middle, axis=1)
    origin, reach = middle, FIRST_REACH * np.linalg.norm(basis[0])
    while True:
        basis, origin = _refit(points[distance <= reach], basis, origin)
        if reach >= distance.max():
            return basis, origin
        reach *= 2


def _refit(points: np.ndarray, basis: np.ndarray, origin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Least squares with the sites as they are now; points on one line leave the other direction as it is."""
    sites = np.rint((points - origin) @ np.linalg.inv(basis))
    design = np.column_stack([sites, np.ones(len(sites))])
    change = np.linalg.lstsq(design, points - origin - sites @ basis, rcond=None)[0]  # the smallest one
    return basis + change[:2], origin + change[2]


def _checked(m: int, xy: np.ndarray, basis: np.ndarray, origin: np.ndarray) -> Lattice | None:
    sites = np.rint((xy - origin) @ np.linalg.inv(basis))
    off = np.linalg.norm(xy - origin - sites @ basis, axis=1) / np.linalg.norm(basis, axis=1).min()
    if np.quantile(off, 0.99) > OFF_SITE:
        return None
    return Lattice(m, origin, basis, sites.astype(np.int64))
