"""Square tiles of a fixed size in micrometres, whatever the resolution of the slide that they are cut from."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from .._check import check_coords, check_range, fail
from ._protocol import Slide

SAME_LEVEL = 1.01
"""How far a level's downsample may exceed the wanted one: scales are measured, and enlarging by 1 % does no harm."""
WHITE = 255
"""Glass, where nothing of the slide lies in the tile."""


class Tiles(NamedTuple):
    """A batch of tiles."""

    rows: slice
    """Which rows of `xy` they belong to."""
    pixels: np.ndarray
    """uint8 ``[b, tile_px, tile_px, 3]``."""
    inside: np.ndarray
    """Share of each tile's area that lies on the slide ``[b]``, from 0 to 1."""


def iter_tiles(
    slide: Slide, xy: np.ndarray, *, tile_um: float, tile_px: int, mpp: float, batch_size: int = 64
) -> Iterator[Tiles]:
    """Cut a tile around each point.

    The coarsest level that is not coarser than the tile's own pixels is read, and averaged over areas to these (or
    interpolated, where the slide itself is coarser). The corner of a tile lies on a whole pixel of that level, its size
    is exact.

    Parameters
    ----------
    slide
        What to cut from.
    xy
        Centres ``[n, 2]``: x and y in pixels of level 0, the upper left corner of the slide being (0, 0).
    tile_um
        Edge of a tile, micrometres.
    tile_px
        Edge of a tile, pixels.
    mpp
        Micrometres per pixel of level 0.
    batch_size
        Tiles to hold at a time.

    Yields
    ------
    Tiles of the next rows of `xy`, in their order. Beyond the border of the slide a tile mirrors what lies within; one
    that lies wholly beyond is white, with `inside` 0.

    Raises
    ------
    InputError
        Before the first tile, when `xy` is not ``[n, 2]`` or a size is not positive.
    """
    xy = check_coords(xy, "the centres of tiles")
    if xy.shape[1] != 2:
        raise fail("centres of tiles [n, 2]", f"shape {list(xy.shape)}")
    check_range(tile_um, "tile_um", low=1e-3)
    check_range(mpp, "mpp", low=1e-6)
    check_range(tile_px, "tile_px", low=1, integer=True)
    check_range(batch_size, "batch_size", low=1, integer=True)
    return _batches(slide, xy, _Cut(slide, float(tile_um / mpp), int(tile_px)), int(batch_size))


def _batches(slide: Slide, xy: np.ndarray, cut: "_Cut", batch_size: int) -> Iterator[Tiles]:
    for start in range(0, len(xy), batch_size):
        centres = xy[start : start + batch_size]
        pixels = np.full((len(centres), cut.tile_px, cut.tile_px, 3), WHITE, dtype=np.uint8)
        inside = np.empty(len(centres))
        for i, corner in enumerate(cut.corners(centres)):
            inside[i] = cut.inside(corner)
            if inside[i] > 0:
                pixels[i] = cut.tile(slide, corner)
        yield Tiles(slice(start, start + len(centres)), pixels, inside)


class _Cut:
    """How all tiles of one call are cut: the level, and a tile's size there."""

    def __init__(self, slide: Slide, tile_full: float, tile_px: int) -> None:
        wanted = SAME_LEVEL * tile_full / tile_px
        fine_enough = [i for i, d in enumerate(slide.level_downsamples) if d <= wanted]
        self.level = fine_enough[-1] if fine_enough else 0
        self.downsample = slide.level_downsamples[self.level]
        self.shape = np.array([math.floor(n / self.downsample + 1e-6) for n in slide.shape])  # [2]: rows, columns
        self.size = tile_full / self.downsample
        """Edge of a tile in pixels of the level, not whole."""
        self.tile_px = tile_px

    def corners(self, xy: np.ndarray) -> np.ndarray:
        """First row and column of each tile ``[b, 2]``."""
        return np.rint(xy[:, ::-1] / self.downsample - self.size / 2).astype(np.int64)

    def inside(self, corner: np.ndarray) -> float:
        """Share of a tile's area that lies on the slide."""
        edges = np.minimum(corner + self.size, self.shape) - np.maximum(corner, 0)
        return float(np.prod(np.clip(edges / self.size, 0, 1)))

    def tile(self, slide: Slide, corner: np.ndarray) -> np.ndarray:
        """Read and resample one tile that touches the slide."""
        from PIL import Image

        region = self._mirrored(slide, corner)
        if self.size == self.tile_px:
            return region
        method = getattr(Image.Resampling, _filter(self.size / self.tile_px))
        edge = (self.tile_px, self.tile_px)
        return np.asarray(Image.fromarray(region).resize(edge, method, box=(0, 0, self.size, self.size)))

    def _mirrored(self, slide: Slide, corner: np.ndarray) -> np.ndarray:
        """Pixels that a tile touches, mirrored at the slide's border, where it looks like the tissue nearby.

        White would pass for fat or a tear, black for a fold or for ink, and both for an edge.
        """
        n = math.ceil(self.size)
        rows, columns = (_mirror(np.arange(c, c + n), m) for c, m in zip(corner, self.shape, strict=True))
        y, x = int(rows.min()), int(columns.min())
        # ceil: the first pixel of level 0 in the level's pixel, from which the slide finds the latter again
        region = slide.read_region(
            math.ceil(x * self.downsample - 1e-6),
            math.ceil(y * self.downsample - 1e-6),
            int(columns.max()) - x + 1,
            int(rows.max()) - y + 1,
            self.level,
        )
        if region.shape[:2] == (n, n) and rows[0] <= rows[-1] and columns[0] <= columns[-1]:
            return region
        return np.ascontiguousarray(region[rows - y][:, columns - x])


def _filter(factor: float) -> str:
    """PIL's filter for shrinking by a factor.

    BOX is the mean over areas for whole factors. For others it gives each pixel to one neighbour or the other; HAMMING,
    as local, comes closer to the mean over areas (H&E at 0.7 um, factors 1.1 to 2.5: off by 0.6 to 2 of 255 instead of
    2.7 to 4.7), so that a texture looks the same at two resolutions.
    """
    if factor < 1:
        return "BICUBIC"
    return "BOX" if abs(factor - round(factor)) < 1e-6 else "HAMMING"


def _mirror(index: np.ndarray, n: int) -> np.ndarray:
    """Indices into ``n`` items, reflected at both ends as often as needed: 2 1 0 | 0 1 2 | 2 1 0."""
    folded = index % (2 * n)
    return np.minimum(folded, 2 * n - 1 - folded)
