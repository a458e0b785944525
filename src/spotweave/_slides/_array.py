"""Slides whose levels can be indexed like arrays, in memory or on disk: the region is converted, never the whole."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from .._check import fail
from ._protocol import digest, downsample_of, file_fingerprint, level_corner, one_error

HASHED_WHOLE = 64 << 20
"""Bytes up to which every pixel of an array goes into its fingerprint (about 0.1 s)."""


@dataclass(frozen=True, eq=False)
class ArraySlide:
    """A slide over one array a level; satisfies `Slide`."""

    name: str
    """What to call it in messages."""
    levels: tuple[Any, ...]
    """Finest first; each has ``shape`` and ``dtype`` and answers to slices with something numpy understands."""
    axes: str
    """One letter a dimension: y, x, c (absent on grey pictures); any other is of length 1."""
    fingerprint: str
    """Digest of the pixels."""
    mpp: float | None = None
    """Micrometres per pixel of level 0."""
    stated_downsamples: tuple[float, ...] = ()
    """Of each level, as the file says; empty where it does not."""

    def __post_init__(self) -> None:
        for level in self.levels:
            _check_level(level, self.axes, self.name)

    @cached_property
    def level_shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level."""
        y, x = self.axes.index("y"), self.axes.index("x")
        return tuple((int(level.shape[y]), int(level.shape[x])) for level in self.levels)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of level 0."""
        return self.level_shapes[0]

    @cached_property
    def level_downsamples(self) -> tuple[float, ...]:
        """Pixels of level 0 in one of each level, along an edge."""
        stated = self.stated_downsamples or (None,) * len(self.levels)
        coarser = zip(self.level_shapes[1:], stated[1:], strict=True)
        return (1.0, *(downsample_of(self.shape, shape, stated=s) for shape, s in coarser))

    def read_region(self, x: int, y: int, w: int, h: int, level: int = 0) -> np.ndarray:
        """See `Slide.read_region`."""
        row, column = level_corner(
            x, y, w, h, level=level, downsamples=self.level_downsamples, shapes=self.level_shapes, name=self.name
        )
        wanted = {"y": slice(row, row + h), "x": slice(column, column + w), "c": slice(None)}
        with one_error(f"a readable region of {self.name}"):
            region = np.asarray(self.levels[level][tuple(wanted.get(axis, 0) for axis in self.axes)])
        left = [axis for axis in self.axes if axis in wanted]
        return to_rgb(region.transpose([left.index(axis) for axis in "yxc" if axis in left]), self.name)


def array_slide(array: Any, *, name: str = "the array") -> ArraySlide:
    """Read from an array ``[h, w]`` (grey), ``[h, w, 3]`` or ``[h, w, 4]``, held in memory or lazily read.

    Parameters
    ----------
    array
        uint8, uint16 (of which white is 65535) or floating point from 0 to 1; it is not copied.
    name
        What to call it in messages.

    Returns
    -------
    The slide; its scale is unknown.
    """
    if array.ndim not in {2, 3}:
        raise fail(f"an array [h, w], [h, w, 3] or [h, w, 4] as {name}", f"shape {list(array.shape)}")
    axes = "yxc"[: array.ndim]
    _check_level(array, axes, name)
    return ArraySlide(name, (array,), axes, array_fingerprint(array, axes))


def picture_slide(image: Any, *, name: str = "the picture", fingerprint: str | None = None) -> ArraySlide:
    """Read from a PIL image, decoded once and kept as uint8 (uint16 where it is grey and finer).

    The orientation that a camera may have noted (EXIF) is not applied: coordinates of spots refer to pixels as stored.
    """
    if image.mode in {"I", "F"}:
        raise fail(f"a picture of 8 or 16 bits a channel as {name}", f"mode {image.mode}", "Convert it to RGB.")
    if image.mode not in {"L", "RGB", "RGBA", "I;16"}:  # palettes, CMYK, one bit, ...
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    pixels = np.asarray(image)
    slide = array_slide(pixels, name=name)
    return replace(slide, fingerprint=fingerprint) if fingerprint else slide


def picture_file_slide(path: Path, *, name: str) -> ArraySlide:
    """Read from a PNG, JPEG or another plain picture file."""
    with one_error(f"a picture in {path}"), path.open("rb") as stream:
        image = _open_picture(stream, path)
        return picture_slide(image, name=name, fingerprint=file_fingerprint(path))


def _open_picture(stream: BinaryIO, path: Path) -> Any:
    """Do what ``PIL.Image.open`` does, without its limit of 179 million pixels.

    That limit guards servers from strangers' uploads; a section at 0.3 micrometres a pixel is beyond it. It is a
    global of PIL, and other code in the process may rely on it, so the format's own reader is asked directly instead.
    """
    from PIL import Image

    Image.init()
    prefix = stream.read(16)
    for kind in Image.ID:
        factory, accepts = Image.OPEN[kind]
        if accepts is None or accepts(prefix) is not True:  # a string says why an absent library is needed
            continue
        stream.seek(0)
        try:
            return factory(stream, str(path))
        except SyntaxError:  # PIL's sign for: not this format after all
            continue
    raise fail(f"a picture in {path}", "a format that PIL does not know", "Save it as PNG, JPEG or TIFF.")


def array_fingerprint(array: Any, axes: str) -> str:
    """Digest of shape, type and pixels: of a large array a grid of about a million and 64 whole rows.

    A change that touches none of these goes unseen; whoever replaces, stains or registers a picture touches them. Of
    a lazy array three bands of rows are read, for a grid would read it all.
    """

    def part(y: slice, x: slice) -> np.ndarray:
        return np.asarray(array[tuple({"y": y, "x": x}.get(axis, slice(None)) for axis in axes)])

    h, w = (int(array.shape[axes.index(axis)]) for axis in "yx")
    head, every = (tuple(array.shape), str(array.dtype)), slice(None)
    if int(np.prod(array.shape)) * array.dtype.itemsize <= HASHED_WHOLE:
        return digest([*head, part(every, every)])
    if isinstance(array, np.ndarray):
        grid = part(slice(None, None, max(1, h // 1000)), slice(None, None, max(1, w // 1000)))
        return digest([*head, grid, part(slice(None, None, max(1, h // 64)), every)])
    return digest([*head, *(part(slice(i * h // 4, i * h // 4 + 16), every) for i in (1, 2, 3))])


def to_rgb(region: np.ndarray, name: str) -> np.ndarray:
    """Convert ``[h, w]`` or ``[h, w, 1 | 3 | 4]`` to a new uint8 ``[h, w, 3]``, transparent pixels becoming white."""
    region = _to_uint8(region, name)
    if region.ndim == 2 or region.shape[2] == 1:
        return np.repeat(region.reshape(*region.shape[:2], 1), 3, axis=2)
    if region.shape[2] == 3:
        return np.array(region, order="C")
    alpha = region[..., 3:].astype(np.uint16)
    return (255 - ((255 - region[..., :3]) * alpha + 127) // 255).astype(np.uint8)


def _to_uint8(region: np.ndarray, name: str) -> np.ndarray:
    if region.dtype == np.uint8:
        return region
    if region.dtype.kind == "u":
        return ((region.astype(np.uint32) + 128) // 257).astype(np.uint8)
    region = np.nan_to_num(region, nan=1.0)  # never measured: white, like transparent pixels
    low, high = float(region.min()), float(region.max())
    if low < -1e-3 or high > 1 + 1e-3:
        raise fail(
            f"floating-point pixels from 0 to 1 in {name}",
            f"values from {low:g} to {high:g}",
            "Divide by the value of white, or convert to uint8.",
        )
    return np.rint(255 * region.clip(0, 1)).astype(np.uint8)


def _check_level(level: Any, axes: str, name: str) -> None:
    """Raise unless an array holds a picture of stained tissue."""
    sizes = dict(zip(axes, level.shape, strict=True))
    others = {axis: n for axis, n in sizes.items() if axis not in "yxc" and n != 1}
    if others or 0 in level.shape:
        raise fail(f"one picture in {name}", f"axes {axes} of lengths {list(level.shape)}", "Pass one plane of it.")
    if sizes.get("c", 1) not in {1, 3, 4}:
        raise fail(
            f"a picture with 1 (grey), 3 (RGB) or 4 (RGBA) channels in {name}",
            f"{sizes['c']} channels (shape {list(level.shape)})",
            _channel_remedy(level.shape),
        )
    dtype = np.dtype(level.dtype)
    if dtype.kind != "f" and (dtype.kind != "u" or dtype.itemsize > 2):
        raise fail(f"pixels of type uint8, uint16 or floating point in {name}", str(dtype), "Convert it to uint8.")


def _channel_remedy(shape: Sequence[int]) -> str:
    if len(shape) == 3 and shape[0] in {3, 4}:
        return "Channels come last: np.moveaxis(image, 0, -1)."
    return "Fluorescence is not a stain that this can read: pass the bright-field (H&E) picture."
