"""Whole-slide formats of the scanners' makers, through OpenSlide or anything with its interface (tiffslide)."""

import math
import weakref
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from .._check import fail
from ._array import to_rgb
from ._protocol import digest, downsample_of, file_fingerprint, level_corner, mean_scale, one_error, to_float

SUFFIXES = (".svs", ".ndpi", ".mrxs", ".scn", ".bif", ".vms", ".svslide", ".vmu", ".dcm")
"""Files that only OpenSlide or tiffslide read."""
SAMPLE = 1024
"""Edge of the piece of the coarsest level that goes into the fingerprint, pixels."""


@dataclass(frozen=True, eq=False)
class OpenSlideSlide:
    """A slide over an object with OpenSlide's interface; satisfies `Slide`."""

    handle: Any
    """Has ``read_region((x, y), level, (w, h))``, ``dimensions``, ``level_downsamples`` and ``properties``."""
    name: str = "the slide"
    """What to call it in messages."""
    file_digest: str | None = None
    """Digest of the file, where there is one."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of level 0."""
        return self.level_shapes[0]

    @cached_property
    def level_shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level."""
        width, height = self.handle.dimensions
        given = getattr(self.handle, "level_dimensions", None)
        sizes = given or [(int(width / d), int(height / d)) for d in self.handle.level_downsamples]
        return tuple((int(h), int(w)) for w, h in sizes)

    @cached_property
    def level_downsamples(self) -> tuple[float, ...]:
        """Pixels of level 0 in one of each level, along an edge."""
        coarser = zip(self.level_shapes[1:], self.handle.level_downsamples[1:], strict=True)
        return (1.0, *(downsample_of(self.shape, shape, stated=_whole(d)) for shape, d in coarser))

    @cached_property
    def mpp(self) -> float | None:
        """Micrometres per pixel of level 0, as the scanner wrote it."""
        properties = self.handle.properties
        scales = {
            maker: mean_scale(*(to_float(properties.get(f"{maker}.mpp-{axis}")) for axis in "xy"))
            for maker in ("openslide", "tiffslide")
        }
        return scales["openslide"] or scales["tiffslide"]

    @cached_property
    def fingerprint(self) -> str:
        """Digest of the file, or of the library's own digest, the sizes and a piece of the coarsest level."""
        if self.file_digest:
            return self.file_digest
        h, w = self.level_shapes[-1]
        height, width = min(h, SAMPLE), min(w, SAMPLE)
        piece = self._read((h - height) // 2, (w - width) // 2, height, width, len(self.level_shapes) - 1)
        return digest([self.handle.properties.get("openslide.quickhash-1"), self.level_shapes, piece])

    def read_region(self, x: int, y: int, w: int, h: int, level: int = 0) -> np.ndarray:
        """See `Slide.read_region`."""
        row, column = level_corner(
            x, y, w, h, level=level, downsamples=self.level_downsamples, shapes=self.level_shapes, name=self.name
        )
        return self._read(row, column, h, w, level)

    def _read(self, row: int, column: int, h: int, w: int, level: int) -> np.ndarray:
        """Read by pixels of a level.

        The libraries divide a corner by their own ratio, of this axis or the mean of both, and drop the rest: the
        larger of the two leads back to the pixel.
        """
        stated = float(self.handle.level_downsamples[level])
        scale = [max(f / s, stated) for f, s in zip(self.shape, self.level_shapes[level], strict=True)]
        x, y = math.ceil(column * scale[1] - 1e-6), math.ceil(row * scale[0] - 1e-6)
        with one_error(f"a readable region of {self.name}"):
            image = self.handle.read_region((x, y), level, (int(w), int(h)))
            return to_rgb(np.asarray(image.convert("RGBA")), self.name)


def whole_slide(path: Path, *, name: str) -> OpenSlideSlide:
    """Open a scanner's file by openslide where it is installed, else by tiffslide."""
    library = _library(path)
    with one_error(f"a whole-slide image in {path}"):
        opener = library.OpenSlide if library.__name__ == "openslide" else library.TiffSlide
        handle = opener(str(path))
        slide = OpenSlideSlide(handle, name, file_fingerprint(path))
    weakref.finalize(slide, handle.close)
    return slide


def _library(path: Path) -> ModuleType:
    for name in ("openslide", "tiffslide"):
        try:
            return import_module(name)
        except (ImportError, OSError):  # OSError: the Python package is there, the C library is not
            continue
    raise fail(
        f"the package openslide or tiffslide to read {path}",
        "neither",
        'Run `pip install "spotweave[histology]"`; for formats other than TIFF also '
        "`pip install openslide-python openslide-bin`.",
    )


def _whole(downsample: float) -> float:
    """The whole number that a mean ratio of rounded sizes such as 4.00013 stands for, where there is one near."""
    return float(round(downsample)) if abs(downsample - round(downsample)) < 0.01 * downsample else float(downsample)
