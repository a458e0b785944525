"""Spatial graphs from coordinates: nearest neighbours, radius, Delaunay, lattice. Arrays in, CSR out.

Every builder works library by library, so no edge joins two slides, and answers in the original order of rows.
The results equal squidpy 1.8's for the same input, even in which of several equally distant points is kept, with two
exceptions: points at the same place stay joined in a Delaunay graph, and a library of fewer points than neighbours
asked for is joined completely instead of being refused.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree
from sklearn.neighbors import KDTree, NearestNeighbors

from .._check import check_coords, check_range, fail
from .libraries import library_blocks
from .triangulation import triangulate

GRID_TOLERANCE = 1.3  # squidpy's: on a lattice the second ring starts at sqrt(2) (square) or sqrt(3) (hexagonal)
MOST_EDGES = 500_000_000  # beyond some 10 GB of edges the radius was meant in other units

Edges = tuple[np.ndarray, np.ndarray, np.ndarray]  # from, to, length


class Graph(NamedTuple):
    """A directed graph: row i holds the neighbours of point i, never i itself."""

    connectivities: sp.csr_matrix
    """``[n, n]`` float32, ones."""
    distances: sp.csr_matrix
    """``[n, n]`` edge lengths on the same pattern: an edge between points at the same place is a stored zero."""


def knn(xy: np.ndarray, *, n_neighs: int = 6, library: np.ndarray | None = None) -> Graph:
    """Join each point to its `n_neighs` nearest others.

    Directed, as squidpy's: see `symmetrise`. A point is left out of its own neighbours by its index, so points at
    the same place are joined by edges of length 0. Of equally distant points scikit-learn's tree keeps an arbitrary
    one, always the same for the same input.

    Parameters
    ----------
    xy
        Coordinates ``[n, 2]`` or ``[n, 3]``, any unit.
    n_neighs
        Neighbours per point; a library of at most `n_neighs` points is joined completely.
    library
        Which slide each point lies on, ``[n]``; None for one slide.

    Returns
    -------
    Connectivities and Euclidean distances in the unit of `xy`.
    """
    check_range(n_neighs, "n_neighs", low=1, integer=True)
    return _by_library(xy, library, lambda block: _nearest(block, n_neighs))


def radius(xy: np.ndarray, *, radius: float | tuple[float, float], library: np.ndarray | None = None) -> Graph:
    """Join all pairs of points at most `radius` apart.

    Parameters
    ----------
    xy
        Coordinates ``[n, 2]`` or ``[n, 3]``, any unit.
    radius
        Largest distance in the unit of `xy`, or ``(smallest, largest)``; both ends are included.
    library
        Which slide each point lies on, ``[n]``; None for one slide.

    Returns
    -------
    Connectivities (symmetric) and Euclidean distances. A point without another in reach has an empty row.
    """
    low, high = interval(radius)
    return _by_library(xy, library, lambda block: _within(block, low, high))


def delaunay(
    xy: np.ndarray, *, library: np.ndarray | None = None, radius: float | tuple[float, float] | None = None
) -> Graph:
    """Join the corners of the triangles of the Delaunay triangulation.

    Of several points at one place (nearer than Qhull can tell apart) one is a corner; each other one is joined to it,
    where squidpy leaves it without any edge. Points on a line are joined in a row; points in space that lie in a
    plane (a single section with a constant third coordinate) are triangulated in that plane.

    Parameters
    ----------
    xy
        Coordinates ``[n, 2]`` or ``[n, 3]``, any unit.
    library
        Which slide each point lies on, ``[n]``; None for one slide.
    radius
        Keep edges of at most this length, or of a length within ``(smallest, largest)``; None keeps all.

    Returns
    -------
    Connectivities (symmetric) and Euclidean distances.
    """
    low, high = (0.0, np.inf) if radius is None else interval(radius)

    def build(block: np.ndarray) -> Edges:
        i, j = triangulate(block)
        length = _lengths(block, i, j)
        keep = (length >= low) & (length <= high)
        return i[keep], j[keep], length[keep]

    return _by_library(xy, library, build)


def grid(xy: np.ndarray, *, n_neighs: int = 6, n_rings: int = 1, library: np.ndarray | None = None) -> Graph:
    """Join the neighbouring places of a lattice: 6 on a hexagonal one (Visium), 4 on a square one.

    The spacing is inferred library by library as the median distance to the `n_neighs` nearest points; those nearer
    than 1.3 spacings are neighbours. Ring r holds the points that are first reached after r steps.

    Parameters
    ----------
    xy
        Coordinates ``[n, 2]`` or ``[n, 3]``, near a lattice.
    n_neighs
        Neighbours of an inner place.
    n_rings
        How many rings to join.
    library
        Which slide each point lies on, ``[n]``; None for one slide.

    Returns
    -------
    Connectivities, and distances in steps (the number of the ring, float32) rather than in the unit of `xy`.
    """
    check_range(n_neighs, "n_neighs", low=1, integer=True)
    check_range(n_rings, "n_rings", low=1, integer=True)
    first = _by_library(xy, library, lambda block: _lattice(block, n_neighs)).connectivities
    steps = _rings(first, n_rings)
    return Graph(_ones_like(steps), steps)


def interval(radius: float | tuple[float, float]) -> tuple[float, float]:
    """Read a radius as ``(smallest, largest)``, raise unless it is positive and finite.

    Parameters
    ----------
    radius
        Largest distance, or both ends in either order.

    Returns
    -------
    Smallest and largest distance.
    """
    ends = radius if isinstance(radius, tuple | list) else (0.0, radius)
    numbers = all(isinstance(end, int | float | np.number) and not isinstance(end, bool) for end in ends)
    if not numbers or len(ends) != 2 or not 0 <= min(ends) <= max(ends) < np.inf or max(ends) == 0:
        raise fail("`radius` to be a number above 0, or two: (smallest, largest)", repr(radius))
    return float(min(ends)), float(max(ends))


def _by_library(xy: np.ndarray, library: np.ndarray | None, build: Callable[[np.ndarray], Edges]) -> Graph:
    """Build the edges of each library by itself and put them in one matrix in the original order of rows."""
    xy = check_coords(xy, "xy")
    n = len(xy)
    parts = [(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))]
    for rows in library_blocks(n, library):
        i, j, length = build(xy[rows])
        parts.append((rows[i], rows[j], length))
    i, j, length = (np.concatenate(part) for part in zip(*parts, strict=True))
    distances = sp.csr_matrix((length, (i, j)), shape=(n, n))
    return Graph(_ones_like(distances), distances)


def _ones_like(W: sp.csr_matrix) -> sp.csr_matrix:
    # Own copies of the index arrays: eliminate_zeros() on one matrix would else rewrite the other's.
    return sp.csr_matrix((np.ones(W.nnz, np.float32), W.indices.copy(), W.indptr.copy()), shape=W.shape)


def _lengths(xy: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    return np.sqrt(np.square(xy[i] - xy[j]).sum(axis=1))


def _nearest(xy: np.ndarray, k: int) -> Edges:
    """Scikit-learn's trees rather than scipy's: half as fast, but squidpy's choice between equally distant points."""
    k = min(k, len(xy) - 1)
    if k < 1:
        return np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0)
    if k >= len(xy) // 2:  # where scikit-learn, and so squidpy, compares all pairs
        order, found = np.arange(len(xy)), NearestNeighbors(n_neighbors=k).fit(xy).kneighbors(return_distance=False)
    else:
        order, found = _from_tree(xy, k)
    i, j = np.repeat(order, k), found.ravel()
    return i, j, _lengths(xy, i, j)


def _from_tree(xy: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows in the order of the tree, and the k nearest others of each."""
    tree = KDTree(xy, leaf_size=30)
    order = np.asarray(tree.get_arrays()[1])  # asking for points that lie together together takes half the time
    found = tree.query(xy[order], k + 1, return_distance=False)
    others = found != order[:, None]
    others[others.all(axis=1), 0] = False  # so many others lie at the same place that the point itself was not found
    return order, found[others].reshape(-1, k)


def _within(xy: np.ndarray, low: float, high: float) -> Edges:
    tree = cKDTree(xy, balanced_tree=False)
    sample = xy[:: max(1, len(xy) // 200)]
    reached = tree.query_ball_point(sample, high, return_length=True).mean() if len(xy) else 0
    if reached * len(xy) > MOST_EDGES:
        raise fail(
            "a radius that reaches a few neighbours",
            f"radius={high:g} with about {reached:.0f} neighbours a point",
            "Is it in the unit of the coordinates?",
        )
    i, j = tree.query_pairs(high, output_type="ndarray").T
    length = _lengths(xy, i, j)
    keep = length >= low
    i, j, length = i[keep], j[keep], length[keep]
    return np.concatenate([i, j]), np.concatenate([j, i]), np.concatenate([length, length])


def _lattice(xy: np.ndarray, k: int) -> Edges:
    i, j, length = _nearest(xy, k)
    if not length.size:
        return i, j, length
    spacing = np.median(length)
    if spacing == 0:  # most points share their place with others
        spacing = np.median(length[length > 0]) if length.any() else np.inf
    keep = length < GRID_TOLERANCE * spacing
    return i[keep], j[keep], length[keep]


def _rings(first: sp.csr_matrix, n_rings: int) -> sp.csr_matrix:
    """Number of steps to each point within `n_rings` steps."""
    n = first.shape[0]
    step = (first + sp.identity(n, np.float32, format="csr")).tocsr()
    reached, shell, steps = step, step, first.copy()
    for ring in range(2, n_rings + 1):
        walk = shell @ step
        walk.data[:] = 1
        shell = (walk - walk.multiply(reached)).tocsr()
        shell.eliminate_zeros()
        reached, steps = reached + shell, steps + ring * shell
    steps.sort_indices()
    return steps.astype(np.float32)
