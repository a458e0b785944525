"""Where the tiles of a library lie on its picture, and how many micrometres a pixel has."""

import warnings
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ._check import InputError, check_range, fail
from ._slides import Slide, open_slide
from ._tile_images import PICTURES, Libraries, Source, check_known
from .core.tile_geometry import PITCH_UM, TECHNOLOGY, infer_um_per_px

MOST_OUTSIDE = 0.2
"""Share of tile centres that may lie beyond the picture: spots at its border, not those of another frame."""
SAME_SCALE = 1.1
"""Ratio of two scales up to which they agree: a lattice is printed, and fitted, to a few per cent."""
WELL_COVERED = 0.3
"""Share of a picture's side that points must span to be taken for its own: any set of points fits once it is shrunk."""


class TilePicture(NamedTuple):
    """The picture of one library, and the tiles to cut from it."""

    library: str
    """Its name; that of the picture where there is one library."""
    rows: np.ndarray
    """Row numbers ``[b]``."""
    slide: Slide
    centres: np.ndarray
    """x and y of the tiles ``[b, 2]``, pixels of `slide`."""
    mpp: float
    """Micrometres per pixel of `slide`."""
    um_per_px: float
    """Micrometres per unit of the coordinates, a pixel of the full-resolution picture."""
    scale_from: str
    """Who said so: "argument", "file", "scale factors" or "lattice of ST" (or of Visium)."""


def open_pictures(
    sources: list[Source], libraries: Libraries, xy: np.ndarray, um_per_px: float | Mapping[str, float] | None
) -> Iterator[TilePicture]:
    """Open one picture after the other, find its scale and put the tiles on it.

    The scale is the caller's, else that of the file, else that in ``uns["spatial"]`` (``microns_per_pixel``), else
    inferred from the lattice of the spots, with a warning.

    Parameters
    ----------
    sources, libraries
        Of `find_sources`.
    xy
        Coordinates ``[n, 2]``, pixels of the full-resolution picture.
    um_per_px
        Micrometres per such pixel; one number, or by library.

    Yields
    ------
    The picture of each library. It can be forgotten before the next: a decoded JPEG takes a third of a gigabyte.

    Raises
    ------
    InputError
        When a picture or its scale cannot be had, or more than 20 % of the tiles lie beyond it.
    """
    given = check_scales(um_per_px, libraries)
    for source, (library, rows), scale in zip(sources, libraries.items(), given, strict=True):
        slide = open_slide(
            source.image, mpp=scale and scale / source.factor, image_key=source.image_key, name=source.name
        )
        points = xy[rows]
        _check_inside(slide, source, points)
        found, scale_from = (scale, "argument") if scale else _scale(slide, source, points, one=library is None)
        yield TilePicture(
            library or slide.name, rows, slide, points * source.factor, found / source.factor, found, scale_from
        )


def check_scales(um_per_px: float | Mapping[str, float] | None, libraries: Libraries) -> list[float | None]:
    """Return the caller's scale of each library, None where he did not say."""
    if isinstance(um_per_px, Mapping):
        by_name = {str(name): value for name, value in um_per_px.items()}
        check_known(by_name, libraries, "um_per_px")
        found = [by_name.get(str(name)) for name in libraries]
    else:
        found = [um_per_px] * len(libraries)
    for value in found:
        if value is not None:
            check_range(value, "um_per_px", low=1e-3, high=1e3)
    return [None if value is None else float(value) for value in found]


def _scale(slide: Slide, source: Source, xy: np.ndarray, *, one: bool) -> tuple[float, str]:
    """Micrometres per unit of the coordinates, and who says so."""
    stated, scale_from = slide.mpp and slide.mpp * source.factor, "file"
    if not stated:
        stated, scale_from = source.scalefactors.get("microns_per_pixel"), "scale factors"
    try:
        inferred, technology = infer_um_per_px(xy)
    except InputError as error:
        if stated:
            return float(stated), scale_from
        text = str(error).replace("`mpp=`", "`um_per_px=`")
        several = " If these are several sections, pass `library_key=`." if one else ""
        raise InputError(f"{slide.name} does not say its scale, nor do the spots. {text}{several}") from None
    lattice = f"{len(xy)} spots, which lie as those of {technology}, {_pitch(technology):g} um apart"
    if not stated:
        _warn(f"{slide.name} does not say its scale: {inferred:.4g} um per pixel is inferred from the {lattice}.")
        return inferred, f"lattice of {technology}"
    if max(stated / inferred, inferred / stated) > SAME_SCALE:
        _warn(f"{slide.name} says {stated:.4g} um per pixel, which is used; {inferred:.4g} by the {lattice}.")
    return float(stated), scale_from


def _pitch(technology: str) -> float:
    return next(PITCH_UM[n] for n, name in TECHNOLOGY.items() if name == technology)


def _warn(text: str) -> None:
    warnings.warn(f"{text} Pass `um_per_px=` to say otherwise.", UserWarning, stacklevel=5)


def _check_inside(slide: Slide, source: Source, xy: np.ndarray) -> None:
    """Raise where too many tiles lie beyond the picture, and say what would bring them inside."""
    h, w = slide.shape
    points = xy * source.factor
    outside = 1 - _inside(points, w, h).mean()
    if outside > MOST_OUTSIDE:
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        raise fail(
            f"centres of tiles inside {slide.name}, x from 0 to {w} and y from 0 to {h} pixels",
            f"{outside:.0%} of {len(xy)} outside, x from {x0:.0f} to {x1:.0f} and y from {y0:.0f} to {y1:.0f}",
            _remedy(source, xy, w, h),
        )


def _inside(xy: np.ndarray, w: int, h: int) -> np.ndarray:
    return np.asarray(((xy >= 0) & (xy <= (w, h))).all(axis=1))


def _remedy(source: Source, xy: np.ndarray, w: int, h: int) -> str:
    known = {f"tissue_{size}_scalef": source.scalefactors.get(f"tissue_{size}_scalef") for size in PICTURES}
    factors = {"": source.factor, **{name: float(value) for name, value in known.items() if value}}
    for swapped in (False, True):
        for name, factor in factors.items():
            points = (xy[:, ::-1] if swapped else xy) * factor
            covered = (np.ptp(points, axis=0) / (w, h)).max()
            if _inside(points, w, h).mean() >= 1 - MOST_OUTSIDE / 4 and covered >= WELL_COVERED:
                steps = ["x and y were swapped"] * swapped
                steps += [f"they were multiplied by {name} = {factor:.4g}, a picture of lower resolution"] * bool(name)
                return f"They would lie inside if {' and '.join(steps)}: change adata.obsm['spatial'] or the image."
    return (
        "Usual causes: a scale factor forgotten (coordinates of the full-resolution picture, an image of a lower one), "
        "x and y swapped, or the picture of another section."
    )
