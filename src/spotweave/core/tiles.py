"""Contiguous pieces of tissue, and the margin around a piece that a graph network needs."""

import numpy as np
import scipy.sparse as sp

from .._check import check_coords, check_range
from .libraries import library_blocks


def spatial_tiles(xy: np.ndarray, *, max_size: int, library: np.ndarray | None = None) -> list[np.ndarray]:
    """Cut a tissue into compact pieces of nearly equal size.

    Each cut halves the number of pieces to be made, across the longer side of the piece's bounding box, so that
    few edges of a spatial graph are cut. Ties are broken by the other coordinate, then by the order of rows: the
    same input gives the same tiles on every machine.

    Parameters
    ----------
    xy
        Coordinates ``[n, 2]`` or ``[n, 3]``.
    max_size
        Most points in a tile.
    library
        Which slide each point lies on, ``[n]``; no tile crosses slides.

    Returns
    -------
    Ascending row numbers of each tile: every row in one tile, ``ceil(n / max_size)`` tiles a library, whose sizes
    differ by a few points.
    """
    check_range(max_size, "max_size", low=1, integer=True)
    xy = check_coords(xy, "xy")
    tiles: list[np.ndarray] = []
    for rows in library_blocks(len(xy), library):
        tiles += _split(xy, rows, -(-len(rows) // max_size))
    return tiles


def _split(xy: np.ndarray, rows: np.ndarray, n_pieces: int) -> list[np.ndarray]:
    if n_pieces == 1:
        return [np.sort(rows)]
    block = xy[rows]
    longest = np.argsort(np.ptp(block, axis=0), kind="stable")  # lexsort's last key is its first criterion
    order = rows[np.lexsort(block[:, longest].T)]
    left = n_pieces // 2
    cut = len(rows) * left // n_pieces  # in proportion, so that no piece exceeds ceil(n / n_pieces)
    return _split(xy, order[:cut], left) + _split(xy, order[cut:], n_pieces - left)


def halo(W: sp.csr_matrix, rows: np.ndarray, n_hops: int) -> np.ndarray:
    """Rows of a tile and everything that `n_hops` propagations bring into it.

    Parameters
    ----------
    W
        Graph ``[n, n]``; row i holds the neighbours of i.
    rows
        Row numbers of the tile, each once.
    n_hops
        Depth of the margin in edges; 0 adds nothing.

    Returns
    -------
    `rows` as given, then the others in ascending order: with ``index = halo(W, rows, h)``, the first ``len(rows)``
    rows of h propagations on ``W[index][:, index]`` equal those on the whole graph, if the operator was normalised
    before it was cut.
    """
    check_range(n_hops, "n_hops", low=0, integer=True)
    rows = np.asarray(rows)
    frontier, inside = rows, np.sort(rows)
    for _ in range(n_hops):
        frontier = np.setdiff1d(W[frontier].indices, inside)
        inside = np.union1d(inside, frontier)
    return np.concatenate([rows, np.setdiff1d(inside, rows)])
