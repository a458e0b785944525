"""Open whatever holds a picture of a stained section."""

import math
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .._check import fail, listing
from ._array import array_slide, picture_file_slide, picture_slide
from ._openslide import SUFFIXES, OpenSlideSlide, whole_slide
from ._protocol import Slide, one_error
from ._spatialdata import element_slide, looks_like_element, looks_like_spatialdata, spatialdata_slide
from ._tiff import tiff_slide
from ._zarr import zarr_slide

TIFF_SUFFIXES = (".tif", ".tiff", ".btf", ".tf8", ".qptiff")
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
SAME_SCALE = 1.1
"""Ratio of two scales up to which they are taken for one, rounded or measured."""


def open_slide(image: Any, *, mpp: float | None = None, image_key: str | None = None, name: str | None = None) -> Slide:
    """Open a picture of a stained section.

    Parameters
    ----------
    image
        Path of a PNG, JPEG, TIFF or OME-TIFF file, of an OME-Zarr folder, a SpatialData store or a scanner's file
        (.svs, .ndpi, .mrxs, ...); an array ``[h, w]``, ``[h, w, 3]`` or ``[h, w, 4]``; a PIL image; an OpenSlide or
        TiffSlide object; a SpatialData object or one of its pictures; or a `Slide`.
    mpp
        Micrometres per pixel of level 0, instead of what the file says.
    image_key
        Which picture of a SpatialData object or store; may be left out where there is one.
    name
        What to call the slide in messages, instead of the file's name.

    Returns
    -------
    The slide; nothing but a PNG or JPEG is read yet.

    Raises
    ------
    InputError
        When nothing is there, the format is unknown, needs a package that is not installed, or holds no RGB or grey
        picture, or `mpp` is not a positive number.

    Warns
    -----
    UserWarning
        When `mpp` differs from what the file says by more than 10 %.
    """
    slide = _dispatch(image, image_key, name)
    if mpp is None and name in {None, slide.name}:
        return slide
    return _Relabelled(slide, name or slide.name, slide.mpp if mpp is None else _checked_scale(mpp, slide))


def _dispatch(image: Any, image_key: str | None, name: str | None) -> Slide:
    if isinstance(image, str | Path):
        return _open_path(Path(image).expanduser(), image_key, name)
    if isinstance(image, Slide):
        return image
    if looks_like_spatialdata(image):
        return spatialdata_slide(image, image_key=image_key, name=name)
    return _open_object(image, **({"name": name} if name else {}))


def _open_object(image: Any, **name: str) -> Slide:
    """Open one picture held by an object of another library, known by what it can do."""
    if _has(image, "read_region dimensions level_downsamples properties"):
        return OpenSlideSlide(image, **name)
    if looks_like_element(image):
        return element_slide(image, **name)
    if _has(image, "shape ndim dtype __getitem__"):
        return array_slide(image, **name)
    if _has(image, "mode size convert getbands"):
        return picture_slide(image, **name)
    raise fail("a picture: a path, an array, a PIL image, an OpenSlide or SpatialData object", type(image).__name__)


def _has(thing: Any, names: str) -> bool:
    return all(hasattr(thing, name) for name in names.split())


def _open_path(path: Path, image_key: str | None, name: str | None) -> Slide:
    called = name or path.name
    with one_error(f"a picture at {path}", "Check the path and its permissions."):
        if path.is_dir():
            return zarr_slide(path, name=called, image_key=image_key)
        if not path.is_file():
            raise fail(f"a picture at {path}", "no such file or folder", _nearby(path))
        with path.open("rb") as stream:
            magic = stream.read(4)
    if not magic:
        raise fail(f"a picture at {path}", "an empty file", "Copy it again.")
    if path.suffix.lower() in SUFFIXES:
        return whole_slide(path, name=called)
    if path.suffix.lower() in TIFF_SUFFIXES or magic in TIFF_MAGIC:
        return tiff_slide(path, name=called)
    return picture_file_slide(path, name=called)


def _nearby(path: Path) -> str:
    """Name what lies in the folder where the file was expected."""
    if not path.parent.is_dir():
        return f"Check the path: there is no folder {path.parent}."
    beside = sorted(p.name for p in path.parent.iterdir() if not p.name.startswith("."))
    return f"Check the path; beside it are {listing(beside)}." if beside else "Check the path: its folder is empty."


def _checked_scale(mpp: Any, slide: Slide) -> float:
    """Return the caller's scale; warn where the file contradicts it."""
    number = isinstance(mpp, int | float | np.integer | np.floating) and not isinstance(mpp, bool)
    if not number or not (math.isfinite(mpp) and mpp > 0):
        raise fail("`mpp` (micrometres per pixel) to be a positive number", repr(mpp))
    if slide.mpp and max(mpp / slide.mpp, slide.mpp / mpp) > SAME_SCALE:
        warnings.warn(
            f"mpp={mpp:g} is used, but {slide.name} says {slide.mpp:.4g} micrometres per pixel.",
            UserWarning,
            stacklevel=3,
        )
    return float(mpp)


@dataclass(frozen=True, eq=False)
class _Relabelled:
    """Another slide under another name or scale; satisfies `Slide`."""

    slide: Slide
    name: str
    mpp: float | None

    @property
    def shape(self) -> tuple[int, int]:
        return self.slide.shape

    @property
    def level_downsamples(self) -> tuple[float, ...]:
        return self.slide.level_downsamples

    @property
    def fingerprint(self) -> str:
        return self.slide.fingerprint

    def read_region(self, x: int, y: int, w: int, h: int, level: int = 0) -> np.ndarray:
        return self.slide.read_region(x, y, w, h, level)
