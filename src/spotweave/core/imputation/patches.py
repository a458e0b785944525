"""Part of a large tissue to judge predictions on: pieces of it, so that cells keep their neighbours."""

import numpy as np
from scipy.spatial import cKDTree

from ..libraries import library_blocks

MOST_CELLS = 10_000
"""Cells that held-out genes are predicted for; many more would cost time and teach nothing, genes are what is few."""
PATCH = 500
"""Cells of one piece."""


def judged_cells(xy: np.ndarray, library: np.ndarray | None, rng: np.random.Generator) -> np.ndarray:
    """Choose pieces of tissue around random cells, about `MOST_CELLS` in all.

    Parameters
    ----------
    xy
        Coordinates ``[n, d]``.
    library
        Slide of each cell ``[n]``; each gives pieces in proportion to its cells.
    rng
        Draws the middles of the pieces.

    Returns
    -------
    Rows, ascending, all when there are no more than `MOST_CELLS`. Pieces that overlap make them fewer.
    """
    n = len(xy)
    if n <= MOST_CELLS:
        return np.arange(n)
    found = []
    for rows in library_blocks(n, library):
        size = min(PATCH, len(rows))
        middles = rng.choice(rows, max(1, round(MOST_CELLS / PATCH * len(rows) / n)), replace=False)
        nearest = cKDTree(xy[rows]).query(xy[middles], size)[1]
        found.append(rows[np.unique(nearest)])
    return np.sort(np.concatenate(found))
