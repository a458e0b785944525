"""Shape and size of a map's markers, from the points themselves: tiles on a lattice, discs elsewhere."""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

_LOOKED_AT = 5_000  # points whose neighbours decide; the tree holds all of them
_ALIGNED = 0.9  # measured: 0.98 or more on Visium and ST arrays, at most 0.2 on imaging data
_DISC = 1.0  # disc diameter over the root of the area that a cell has: touching, seldom covering


class Marker(NamedTuple):
    """One marker in the units of the coordinates."""

    vertices: np.ndarray | None
    """Corners ``[m, 2]`` around the origin of a tile that fills the lattice without overlap; None is a disc."""
    diameter: float
    """Diameter of the disc, or spacing of the lattice."""

    def scaled(self, factor: float) -> "Marker":
        """Return the marker `factor` times as large."""
        return Marker(None if self.vertices is None else factor * self.vertices, factor * self.diameter)


def fit_marker(xy: np.ndarray) -> Marker:
    """Choose the marker that fills the tissue for points ``[n, 2]``.

    Nearest neighbours on a square (hexagonal) lattice lie in directions that agree modulo 90 (60) degrees:
    ``|mean exp(i m theta)|`` with m = 4 (6) is then 1. Such points get a square (hexagon) of the lattice's spacing and
    turn. All others get a disc of about the area that a point has to itself, from the distance ``r`` to the 6th
    neighbour: ``pi r^2 / 6``.
    """
    points = np.unique(xy[:, :2], axis=0)
    if len(points) < 2:
        return Marker(None, 1.0)
    offsets, distances = _nearest(points)
    spacing = float(np.median(distances[:, 0]))
    near = distances < 1.25 * spacing
    theta = np.arctan2(offsets[..., 1], offsets[..., 0])[near]
    for m in (4, 6):
        turn = np.exp(1j * m * theta).mean()
        if len(points) >= 2 * m and abs(turn) > _ALIGNED:
            step = float(np.median(distances[near]))
            return Marker(_tile(m, step, float(np.angle(turn)) / m), step)
    area = np.pi * np.median(distances[:, -1]) ** 2 / distances.shape[1]
    return Marker(None, float(_DISC * np.sqrt(area)))


def _nearest(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Offsets ``[q, k, 2]`` and distances ``[q, k]`` to the 6 nearest of an even sample of points."""
    asked = points[np.linspace(0, len(points) - 1, min(len(points), _LOOKED_AT)).astype(int)]
    k = min(7, len(points))
    distances, index = cKDTree(points).query(asked, k=k)
    return points[index[:, 1:]] - asked[:, None], distances[:, 1:]


def _tile(m: int, step: float, turn: float) -> np.ndarray:
    """Cell of the lattice whose neighbours lie at ``turn + 2 pi j / m``: its corners lie half-way between."""
    angles = turn + np.pi / m * (2 * np.arange(m) + 1)
    radius = step / 2 / np.cos(np.pi / m)
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
