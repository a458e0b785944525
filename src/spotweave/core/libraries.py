"""Rows by library: which slide each point lies on."""

import numpy as np

from .._check import fail


def library_blocks(n: int, library: np.ndarray | None) -> list[np.ndarray]:
    """Row numbers of each library, ascending.

    Parameters
    ----------
    n
        Number of rows.
    library
        Which library each row belongs to, ``[n]`` of any sortable type; None for one library.

    Returns
    -------
    One array of row numbers per library, in the sorted order of the libraries.
    """
    if library is None:
        return [np.arange(n)] if n else []
    library = np.asarray(library)
    if library.shape != (n,):
        raise fail(f"a library for each of {n} rows", f"an array of shape {list(library.shape)}")
    names, codes = np.unique(library, return_inverse=True)
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.cumsum(np.bincount(codes))[:-1]) if len(names) else []


def n_duplicates(xy: np.ndarray, library: np.ndarray | None = None) -> int:
    """Count the points that lie exactly where an earlier point of their library lies.

    Parameters
    ----------
    xy
        Coordinates ``[n, d]``.
    library
        Which slide each point lies on, ``[n]``; None for one slide.

    Returns
    -------
    How many rows could be dropped without losing a place.
    """
    total = 0
    for rows in library_blocks(len(xy), library):
        block = xy[rows][np.lexsort(xy[rows].T)]
        total += int((block[1:] == block[:-1]).all(axis=1).sum())
    return total
