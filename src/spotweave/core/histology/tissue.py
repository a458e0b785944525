"""What is known of a section before any gene is: its tiles' features, each with its surroundings."""

from typing import NamedTuple

import numpy as np

from ..graph import knn
from ..libraries import library_blocks
from ..propagate import row_normalise
from ..tile_geometry import spot_pitch

LIMIT = 5.0  # standard deviations: one folded or dirty tile must not move its section


class Tissue(NamedTuple):
    """The image side of one or several sections; all that a new slide has to offer."""

    features: np.ndarray
    """Features of the tiles [n, d], standardised within each section, float32."""
    around: np.ndarray
    """Their means over the spatial neighbours [n, d], float32."""
    section: np.ndarray
    """Which section each row lies on, codes [n] from 0."""
    xy: np.ndarray
    """Places [n, 2], in spot distances of their section."""

    @property
    def joined(self) -> np.ndarray:
        """Features and their surroundings side by side [n, 2 d]."""
        return np.hstack([self.features, self.around])

    def take(self, rows: np.ndarray) -> "Tissue":
        """Some of the spots, with the surroundings they had."""
        section = np.unique(self.section[rows], return_inverse=True)[1]
        return Tissue(self.features[rows], self.around[rows], section, self.xy[rows])


def make_tissue(features: np.ndarray, section: np.ndarray, xy: np.ndarray, *, n_neighs: int = 8) -> Tissue:
    """Standardise features within sections and average them over neighbours.

    Subtracting each section's mean and dividing by its standard deviation takes away what differs between slides as a
    whole, stain and scanner first of all, and needs no label: a new slide is treated in the same way.

    Parameters
    ----------
    features
        One row a spot ``[n, d]``.
    section
        Section of each row, codes ``[n]`` from 0.
    xy
        Coordinates ``[n, 2]``; only their ratios within a section count.
    n_neighs
        Spatial neighbours that a spot's surroundings are made of; fewer in a section that has fewer.

    Returns
    -------
    The image side of these sections. No neighbour lies on another section; a spot alone on its section has none, and
    surroundings of 0.
    """
    standard = np.empty(features.shape, dtype=np.float32)
    places = np.empty((len(xy), 2))
    for rows in library_blocks(len(xy), section):
        standard[rows] = standardise(features[rows])
        places[rows] = xy[rows, :2] / _pitch(xy[rows, :2])
    graph = row_normalise(knn(places, n_neighs=n_neighs, library=section).connectivities, self_loops=False)
    return Tissue(standard, np.asarray(graph @ standard, dtype=np.float32), section, places)


def _pitch(xy: np.ndarray) -> float:
    """Distance between neighbouring spots; 1 where all lie at one place."""
    return spot_pitch(xy) if (xy != xy[0]).any() else 1.0


def standardise(features: np.ndarray) -> np.ndarray:
    """Bring each column to mean 0 and variance 1, cut at 5 standard deviations; a constant column becomes 0."""
    wide = np.asarray(features, dtype=np.float64)
    centred = wide - wide.mean(axis=0)
    scale = centred.std(axis=0)
    floor = 1e-6 * np.maximum(np.abs(wide).max(axis=0, initial=0), 1e-30)  # below this it is rounding that varies
    flat = scale <= floor
    return np.where(flat, 0.0, np.clip(centred / np.where(flat, 1.0, scale), -LIMIT, LIMIT))
