"""Pixels for points: one a spot on a lattice, equal squares elsewhere."""

from typing import NamedTuple

import numpy as np
from scipy.spatial import cKDTree

from .._check import check_coords, check_range, fail
from .lattice import LOOKED_AT, Lattice, find_lattice


class PixelGrid(NamedTuple):
    """Which pixel each point lies in, and where the pixels lie in the tissue."""

    shape: tuple[int, int]
    """Height and width in pixels, padding included."""
    pixel: np.ndarray
    """Row and column of each point ``[n, 2]``: of its first pixel where it covers two."""
    span: tuple[int, int]
    """Rows and columns of pixels that a point covers: (1, 1); (1, 2) or (2, 1) on a hexagonal lattice."""
    to_xy: np.ndarray
    """``[2, 3]``: ``to_xy @ (column, row, 1)`` is the place of the upper left corner of a pixel."""

    def parts(self) -> list[np.ndarray]:
        """Flat numbers of the pixels that points cover, ``[n]`` each, one array a part."""
        rows, columns = self.pixel.T
        return [(rows + r) * self.shape[1] + columns + c for r in range(self.span[0]) for c in range(self.span[1])]

    def counts(self) -> np.ndarray:
        """Points in each pixel ``[h, w]``; each counts in both of the pixels that it covers."""
        covered = np.concatenate(self.parts())
        return np.bincount(covered, minlength=self.shape[0] * self.shape[1]).reshape(self.shape)

    def extent(self) -> tuple[float, float, float, float]:
        """Left, right, lower and upper edge in tissue coordinates, for matplotlib's ``imshow`` (row 0 at the top)."""
        h, w = self.shape
        x, y = self.to_xy @ np.array([[0, w, 0, w], [0, 0, h, h], [1, 1, 1, 1]])
        return float(x.min()), float(x.max()), float(y.max()), float(y.min())


def pixel_grid(
    xy: np.ndarray, *, pixel_size: float | None = None, points_per_pixel: float = 4.0, patch: int = 1
) -> PixelGrid:
    """Lay pixels over one slide.

    Without `pixel_size`, points on a lattice get pixels of their own along its axes, however it is turned. On a
    hexagonal lattice every second row is half a step aside; rounding that away would make neighbours of spots that are
    none. Each spot covers two pixels of half a step instead ("doubled width"), like bricks in a wall: a brick touches
    exactly the six that are its neighbours in the tissue, and the halves of one have the same value. A lattice whose
    rows run along the second axis has its bricks upright. Other points get squares along the axes of the coordinates.

    Parameters
    ----------
    xy
        Coordinates ``[n, 2]``, any unit; one slide.
    pixel_size
        Edge of square pixels in the unit of `xy`; None: from the points. On a lattice a pixel of any other size than
        its step leaves stripes of empty or fuller pixels.
    points_per_pixel
        Points off a lattice that a pixel in the tissue holds on average.
    patch
        Height and width are made multiples of this, with empty pixels at the lower and right edge.

    Returns
    -------
    The pixels; row 0 and column 0 lie at the smallest coordinates.

    Raises
    ------
    InputError
        Coordinates that are not finite or not two-dimensional, no points, or sizes out of range.
    """
    xy = check_coords(xy, "xy")
    if xy.shape[1] != 2 or not len(xy):
        raise fail("at least one point in two dimensions", f"shape {list(xy.shape)}", "Pass each section on its own.")
    check_range(patch, "patch", low=1, integer=True)
    check_range(points_per_pixel, "points_per_pixel", low=1e-6)
    if pixel_size is not None:
        check_range(pixel_size, "pixel_size", low=float(np.finfo(np.float64).tiny))
    lattice = find_lattice(xy) if pixel_size is None else None
    if lattice is None:
        grid = _squares(xy, _size(xy, points_per_pixel) if pixel_size is None else float(pixel_size))
    elif lattice.n_neighs == 4:
        grid = _placed(lattice.sites, (1, 1), lattice.basis, lattice.origin - lattice.basis.sum(axis=0) / 2)
    else:
        grid = _hexagonal(lattice)
    padded = tuple(-(-length // patch) * patch for length in grid.shape)
    return grid._replace(shape=(padded[0], padded[1]))


def _squares(xy: np.ndarray, size: float) -> PixelGrid:
    corner = xy.min(axis=0) - size / 2 * (np.ptp(xy, axis=0) == 0)  # a line of points runs through its pixels' middle
    if (np.ptp(xy, axis=0) / size).max() > 1e9:
        raise fail("pixels that are not far smaller than the tissue", f"pixel_size={size:g}", "Is the unit right?")
    return _placed(np.floor((xy - corner) / size).astype(np.int64), (1, 1), size * np.eye(2), corner)


def _size(xy: np.ndarray, points_per_pixel: float) -> float:
    """Edge of a square that holds so many points of the tissue: from the distance r to the 6th neighbour.

    A disc of radius r around one of points scattered at random with density q has ``q pi r^2`` follow a Gamma(6)
    distribution, whose median is 5.67; holes and the outline of the tissue hardly matter to the median.
    """
    points = np.unique(xy, axis=0)
    k = min(6, len(points) - 1)
    asked = points[np.linspace(0, len(points) - 1, min(len(points), LOOKED_AT)).astype(int)]
    r = np.median(np.reshape(cKDTree(points).query(asked, k=k + 1)[0], (len(asked), -1))[:, -1])
    return float(np.sqrt(points_per_pixel * np.pi * r**2 / (max(k, 1) - 0.33))) or 1.0  # all at one place: any size


def _hexagonal(lattice: Lattice) -> PixelGrid:
    """Bricks along the first axis, or along the second if that is nearer to a row of the lattice."""
    e1, e2 = lattice.basis
    angle = np.arctan2(e1[1], e1[0])
    if abs(angle) <= np.pi / 12:
        return _bricks(lattice)
    i, j = lattice.sites.T
    basis, sites = ([e2, e1], [j, i]) if angle > 0 else ([e2 - e1, e2], [-i, i + j])
    swapped = Lattice(6, lattice.origin[::-1], np.stack(basis)[:, ::-1], np.column_stack(sites))
    shape, pixel, _, to_xy = _bricks(swapped)
    return PixelGrid(shape[::-1], pixel[:, ::-1], (2, 1), to_xy[::-1][:, [1, 0, 2]])


def _bricks(lattice: Lattice) -> PixelGrid:
    """Site (i, j) covers columns 2 i + j and the next of row j: half a step is one column."""
    e1, e2 = lattice.basis
    column, row = e1 / 2, e2 - e1 / 2
    i, j = lattice.sites.T
    return _placed(np.column_stack([2 * i + j, j]), (1, 2), np.stack([column, row]), lattice.origin - column - row / 2)


def _placed(cells: np.ndarray, span: tuple[int, int], steps: np.ndarray, corner: np.ndarray) -> PixelGrid:
    """Grid of points in `cells` (column, row), the smallest moved to 0; `corner` is that of cell (0, 0)."""
    first = cells.min(axis=0)
    columns, rows = (cells - first).T
    shape = (int(rows.max()) + span[0], int(columns.max()) + span[1])
    to_xy = np.column_stack([*steps, corner + first @ steps])
    return PixelGrid(shape, np.column_stack([rows, columns]), span, to_xy)
