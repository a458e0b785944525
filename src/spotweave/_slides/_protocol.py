"""What a stained slide is to the rest of the package, and what all its readers share."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from .._check import InputError, fail
from ..core.tile_geometry import BELIEVABLE_MPP

MICROMETERS = {
    **dict.fromkeys(["um", "µm", "\N{GREEK SMALL LETTER MU}m", "\\u00b5m", "micron", "microns", "micrometer"], 1.0),
    **dict.fromkeys(["nm", "nanometer"], 1e-3),
    **dict.fromkeys(["pm", "picometer"], 1e-6),
    **dict.fromkeys(["å", "angstrom"], 1e-4),
    **dict.fromkeys(["mm", "millimeter"], 1e3),
    **dict.fromkeys(["cm", "centimeter"], 1e4),
    **dict.fromkeys(["m", "meter"], 1e6),
    **dict.fromkeys(["in", "inch"], 25_400.0),
}
"""Micrometres in a unit, by its name in lower case (OME-XML, NGFF and ImageJ write them differently)."""
EDGE = 1 << 20
"""Bytes of each end of a file that its fingerprint covers."""


@runtime_checkable
class Slide(Protocol):
    """A picture of a stained section, read region by region.

    Pixels are counted from the upper left corner, x to the right. Level 0 is the finest; level l has at least
    ``floor(shape / level_downsamples[l])`` pixels, and its pixel i covers those of level 0 from
    ``i * level_downsamples[l]`` on.
    """

    @property
    def name(self) -> str:
        """What to call it in messages."""

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of level 0, pixels."""

    @property
    def mpp(self) -> float | None:
        """Micrometres per pixel of level 0; None where nobody knows."""

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        """Pixels of level 0 in one of each level, along an edge; ascending from 1.0."""

    @property
    def fingerprint(self) -> str:
        """Hexadecimal digest that changes when the picture does; it covers samples of a large one."""

    def read_region(self, x: int, y: int, w: int, h: int, level: int = 0) -> np.ndarray:
        """Return the pixels of a region that lies inside.

        Parameters
        ----------
        x, y
            Upper left corner, pixels of level 0.
        w, h
            Width and height, pixels of `level`.
        level
            Which level.

        Returns
        -------
        ``[h, w, 3]`` uint8, the caller's to change.
        """


def level_corner(
    x: int,
    y: int,
    w: int,
    h: int,
    *,
    level: int,
    downsamples: Sequence[float],
    shapes: Sequence[tuple[int, int]],
    name: str,
) -> tuple[int, int]:
    """Row and column of a region's corner in pixels of its level; raise unless the region lies inside."""
    if not 0 <= level < len(shapes):
        raise fail(f"`level` from 0 to {len(shapes) - 1} for {name}", repr(level))
    height, width = shapes[level]
    column, row = (math.floor(v / downsamples[level] + 1e-6) for v in (x, y))  # 3 * 4.0001 / 4.0001 must not be 2
    if min(row, column) < 0 or min(w, h) < 1 or row + h > height or column + w > width:
        raise fail(
            f"a region inside level {level} of {name}, {width} x {height} pixels",
            f"{w} x {h} pixels from column {column} and row {row}",
        )
    return row, column


def downsample_of(full: Sequence[int], level: Sequence[int], *, stated: float | None = None) -> float:
    """How many pixels of the full picture lie along an edge of one of a level's, from both shapes.

    Levels are rounded to whole pixels: 9301 pixels at a quarter are 2325 or 2326. The ratio of the shapes is then
    slightly off and misses by pixels at the far border, so the `stated` or the nearest whole factor is taken where it
    explains the shapes.
    """
    ratios = [f / s for f, s in zip(full, level, strict=True)]
    for factor in (stated, float(round(max(ratios)))):
        if factor and all(
            math.floor(f / factor) <= s <= math.ceil(f / factor) for f, s in zip(full, level, strict=True)
        ):
            return factor
    return max(ratios)  # the larger one: no region inside the full picture then leaves the level


def believable(mpp: float | None) -> float | None:
    """Return a scale found in a file, or None where it cannot be micrometres per pixel of a slide."""
    return float(mpp) if mpp and BELIEVABLE_MPP[0] <= mpp <= BELIEVABLE_MPP[1] else None


def mean_scale(x: float | None, y: float | None) -> float | None:
    """One believable scale from those of both axes; None where they are missing or contradict each other."""
    scales = [s for s in (believable(x), believable(y)) if s]
    if not scales or max(scales) > 1.05 * min(scales):
        return None
    return sum(scales) / len(scales)


def to_float(value: object) -> float | None:
    """Read a number from a file's metadata; None where there is none."""
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def digest(parts: Iterable[object]) -> str:
    """Hexadecimal digest of bytes, arrays and anything with a faithful `repr`."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            data: bytes | memoryview = np.ascontiguousarray(part).data
        else:
            data = part if isinstance(part, bytes) else repr(part).encode()
        state.update(data)
    return state.hexdigest()


def file_fingerprint(path: Path) -> str:
    """Digest of a file's size, time of change, first and last MiB: a slide of many gigabytes is not read for it."""
    status = path.stat()
    with path.open("rb") as stream:
        first = stream.read(EDGE)
        stream.seek(max(0, status.st_size - EDGE))
        return digest([status.st_size, status.st_mtime_ns, first, stream.read(EDGE)])


def folder_fingerprint(path: Path) -> str:
    """Digest of the names, sizes and times of change of all files in a folder."""
    files = sorted(p for p in path.rglob("*") if p.is_file())
    return digest((p.relative_to(path).as_posix(), p.stat().st_size, p.stat().st_mtime_ns) for p in files)


@contextmanager
def one_error(expected: str, remedy: str = "The file seems damaged or incomplete: copy it again.") -> Iterator[None]:
    """Turn whatever a reader of a format raises into one `InputError`."""
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise fail(expected, f"{type(error).__name__}: {lines[0][:250].rstrip(' .')}", remedy) from error
