"""Delaunay triangulation of any finite points, however few or degenerate."""

import numpy as np
from scipy.spatial import Delaunay, QhullError


def triangulate(xy: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Edges of the Delaunay triangulation, in as many dimensions as the points fill.

    Points on a line are joined in a row. Points that Qhull cannot tell from a corner are joined to that corner.

    Parameters
    ----------
    xy
        Coordinates ``[n, d]``, finite.

    Returns
    -------
    Both ends of each edge, in both directions.
    """
    n, d = xy.shape
    if d == 1:
        order = np.argsort(xy[:, 0], kind="stable")
        return np.concatenate([order[:-1], order[1:]]), np.concatenate([order[1:], order[:-1]])
    if n > d:
        try:
            return _triangle_edges(Delaunay(xy))
        except QhullError:  # all points in one plane or on one line
            pass
    centred = xy - xy.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)  # ascending: the first axis is the thinnest
    return triangulate(centred @ axes[:, 1:])


def _triangle_edges(triangles: Delaunay) -> tuple[np.ndarray, np.ndarray]:
    start, to = triangles.vertex_neighbor_vertices
    i, j = np.repeat(np.arange(len(start) - 1), np.diff(start)), to.astype(np.intp)
    left_out, corner = triangles.coplanar[:, 0], triangles.coplanar[:, 2]  # points that Qhull merged with a corner
    return np.concatenate([i, left_out, corner]), np.concatenate([j, corner, left_out])
