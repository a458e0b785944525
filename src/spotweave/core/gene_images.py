"""Genes as pictures: the mean of the points in each pixel, and a mask of where there is tissue."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._check import fail
from .pixels import PixelGrid, pixel_grid

Chunks = Callable[[], Iterator[tuple[slice, Any]]]
"""A function that starts a pass over ``(rows, block [rows, g])``, dense or sparse."""

MOST_BYTES = 2_000_000_000
"""Of the pictures of all genes and slides together."""


class GeneImages(NamedTuple):
    """Pictures of the genes of one slide."""

    images: np.ndarray
    """``[g, h, w]`` float32: mean over the points of a pixel, NaN where there is none."""
    mask: np.ndarray
    """``[h, w]`` bool: pixels that hold a point. A 0 within was measured."""
    counts_per_pixel: np.ndarray
    """``[h, w]``: points in each pixel; a spot of a hexagonal lattice covers two pixels and counts in both."""
    extent: tuple[float, float, float, float]
    """Left, right, lower and upper edge in tissue coordinates, for matplotlib's ``imshow``; a box around the picture
    where a turned lattice turns it."""
    genes: np.ndarray
    """Names of the genes ``[g]``."""
    pixel: np.ndarray
    """Row and column of each point of the slide ``[n, 2]``: ``images[:, *pixel.T]`` reads the genes back at the points
    (the first of two pixels on a hexagonal lattice)."""
    to_xy: np.ndarray
    """``[2, 3]``: ``to_xy @ (column, row, 1)`` is the place of the upper left corner of a pixel in the tissue."""
    library: str | None = None
    """Name of the slide."""


def rasterise(
    xy: np.ndarray,
    values: np.ndarray | sp.csr_matrix,
    *,
    genes: Sequence[str] | None = None,
    pixel_size: float | None = None,
    points_per_pixel: float = 4.0,
    patch: int = 1,
) -> GeneImages:
    """Turn values at points into pictures.

    Parameters
    ----------
    xy
        Coordinates ``[n, 2]``, any unit; one slide.
    values
        ``[n, g]``, dense or sparse, finite.
    genes
        Names ``[g]``; None: 0 to g - 1.
    pixel_size
        Edge of square pixels in the unit of `xy`; None: from the points, see `spotweave.core.pixels.pixel_grid`.
    points_per_pixel
        Points off a lattice that a pixel in the tissue holds on average.
    patch
        Height and width are made multiples of this, with empty pixels at the lower and right edge.

    Returns
    -------
    Mean of the points in each pixel, and what tells tissue from none.

    Raises
    ------
    InputError
        Coordinates or values that are not finite or do not fit each other, or pictures of more than 2 GB.
    """
    n, g = values.shape
    grid = pixel_grid(xy, pixel_size=pixel_size, points_per_pixel=points_per_pixel, patch=patch)
    if n != len(grid.pixel):
        raise fail(f"values at each of the {len(grid.pixel)} points", f"shape {list(values.shape)}")
    whole = sp.csr_matrix(values) if sp.issparse(values) else np.asarray(values)
    images = paint(lambda: iter([(slice(0, n), whole)]), [grid], [np.arange(n)], g)
    return described(images[0], grid, np.arange(g).astype(str) if genes is None else np.asarray(genes))


def paint(
    chunks: Chunks, grids: list[PixelGrid], members: list[np.ndarray], n_genes: int, factor: np.ndarray | None = None
) -> list[np.ndarray]:
    """Average the points in each pixel in one pass over row chunks.

    Parameters
    ----------
    chunks
        Row chunks of the values ``[n, g]``, finite.
    grids
        Pixels of each slide.
    members
        Rows of each slide, ascending, in the order of its grid.
    n_genes
        g.
    factor
        ``[n]``: values become ``log(1 + factor x)``; None: they stay as they are.

    Returns
    -------
    One array ``[g, h, w]`` a slide, float32, NaN where a pixel holds no point.
    """
    check_memory(grids, n_genes)
    images = [np.zeros((n_genes, h * w), np.float32) for h, w in (grid.shape for grid in grids)]
    parts = [grid.parts()[0] for grid in grids]
    for rows, block in chunks():
        values = _values(block, None if factor is None else factor[rows])
        for image, mine, place in zip(images, members, parts, strict=True):
            here = slice(*np.searchsorted(mine, [rows.start, rows.stop]))
            _add(image, values[mine[here] - rows.start], place[here])
    return [_mean(image, grid) for image, grid in zip(images, grids, strict=True)]


def check_memory(grids: list[PixelGrid], n_genes: int) -> None:
    """Raise where the pictures would not fit into memory; names their size.

    Parameters
    ----------
    grids
        Pixels of each slide.
    n_genes
        Pictures of each.
    """
    n_pixels = sum(h * w for h, w in (grid.shape for grid in grids))
    if 4 * n_pixels * n_genes > MOST_BYTES:
        raise fail(
            f"pictures of at most {MOST_BYTES / 1e9:g} GB",
            f"{n_genes} genes x {n_pixels} pixels, {4e-9 * n_pixels * n_genes:.3g} GB",
            "Choose fewer genes or a larger pixel_size.",
        )


def described(image: np.ndarray, grid: PixelGrid, genes: np.ndarray) -> GeneImages:
    """Put pictures and their pixels together.

    Parameters
    ----------
    image
        One slide from `paint`.
    grid
        Its pixels.
    genes
        Names ``[g]``.

    Returns
    -------
    The pictures with their mask and place in the tissue.
    """
    counts = grid.counts()
    return GeneImages(image, counts > 0, counts, grid.extent(), genes, grid.pixel, grid.to_xy)


def _values(block: Any, factor: np.ndarray | None) -> sp.csr_matrix:
    B = sp.csr_matrix(block, dtype=np.float64)
    if not np.isfinite(B.data).all():
        raise fail("finite values", "NaN or infinity", "Only the mask may say that there is no measurement.")
    if factor is None:
        return B
    return sp.csr_matrix((np.log1p(B.data * np.repeat(factor, np.diff(B.indptr))), B.indices, B.indptr), shape=B.shape)


def _add(image: np.ndarray, values: sp.csr_matrix, place: np.ndarray) -> None:
    """Add points to the pixels that they lie in, in place."""
    pixels, inverse = np.unique(place, return_inverse=True)
    collect = sp.csr_matrix((np.ones(len(place)), (inverse, np.arange(len(place)))), shape=(len(pixels), len(place)))
    sums = (collect @ values).tocoo()  # each pair of pixel and gene once
    image[sums.col, pixels[sums.row]] += sums.data


def _mean(image: np.ndarray, grid: PixelGrid) -> np.ndarray:
    """Turn sums in the first part of each point's pixels into means in all of its parts, in place; NaN elsewhere."""
    first, *others = (np.unique(part) for part in grid.parts())  # parts lie side by side: their orders agree
    n_points = np.bincount(grid.parts()[0], minlength=image.shape[1])[first]
    empty = grid.counts().ravel() == 0
    for gene in image:  # one at a time: nothing of the size of all pictures beside them
        gene[first] /= n_points
        for pixels in others:
            gene[pixels] = gene[first]
        gene[empty] = np.nan
    return image.reshape(len(image), *grid.shape)
