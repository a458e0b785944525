"""TIFF and OME-TIFF, plain or pyramidal: only the tiles or strips that a region touches are read."""

import re
import weakref
from importlib import import_module
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from .._check import fail
from ._array import ArraySlide
from ._protocol import MICROMETERS, believable, file_fingerprint, mean_scale, one_error, to_float

PIXELS_PER = {2: 25_400.0, 3: 10_000.0}
"""Micrometres in the unit of the resolution tags: inch, centimetre."""

ODD_COLORS = (0, 3, 5, 8, 9, 10)
"""Photometric interpretations: white is zero, palette, inks, and three kinds of CIE L*a*b*."""


def tiff_slide(path: Path, *, name: str) -> ArraySlide:
    """Read from a TIFF file: its largest picture and that picture's pyramid.

    Parameters
    ----------
    path
        Baseline, BigTIFF or OME-TIFF; RGB interleaved, in planes or as three channels, or grey.
    name
        What to call it in messages.

    Returns
    -------
    The slide; the file stays open as long as it lives. Its scale comes from OME-XML, else from what Aperio or ImageJ
    wrote, else from the resolution tags, where it is believable.
    """
    tifffile = _tifffile(path)
    with one_error(f"a TIFF file in {path}"):
        file = tifffile.TiffFile(path)
    try:
        with one_error(f"a TIFF picture in {path}"):
            series = max(file.series, key=lambda s: s.sizes.get("height", 0) * s.sizes.get("width", 0))
            _check_colors(series, name)
            axes = _axes(series, name)
            levels = tuple(_level(path, file, series, i) for i in _pyramid(series))
            slide = ArraySlide(name, levels, axes, file_fingerprint(path), _scale(file, series))
    except BaseException:
        file.close()
        raise
    weakref.finalize(slide, file.close)
    return slide


def _tifffile(path: Path) -> Any:
    try:
        import_module("zarr")
        return import_module("tifffile")
    except ImportError as error:
        raise fail(
            f"the packages tifffile and zarr to read {path}",
            f"{error}",
            'Run `pip install "spotweave[histology]"`.',
        ) from None


def _check_colors(series: Any, name: str) -> None:
    """Raise where the numbers in the file are not brightness: palettes, inks, white as zero."""
    kind = series.keyframe.photometric
    if int(kind) in ODD_COLORS:
        raise fail(f"RGB or grey pixels in {name}", f"photometric interpretation {kind.name}", "Convert it to RGB.")


def _axes(series: Any, name: str) -> str:
    """Axes of a series in the letters of `ArraySlide`; samples of a pixel are its channels."""
    axes = series.axes.upper()
    if "C" in axes and series.shape[axes.index("C")] == 1:
        return axes.replace("C", "Z").replace("S", "C").lower()
    if "C" in axes:  # planes that a microscope took one by one: a stain's colours only if they are three of 8 bits
        n = series.shape[axes.index("C")]
        if "S" in axes or n != 3 or str(series.dtype) != "uint8":
            raise fail(
                f"a stained picture (RGB) in {name}",
                f"{n} channels of type {series.dtype}: fluorescence?",
                "Pass the bright-field (H&E) picture, or three channels of it as a uint8 array [h, w, 3].",
            )
        return axes.lower()
    return axes.replace("S", "C").lower()


def _pyramid(series: Any) -> list[int]:
    """Numbers of the levels that show the same picture, finest first; others are labels or thumbnails."""
    y, x = series.axes.upper().index("Y"), series.axes.upper().index("X")
    full, kept = series.levels[0].shape, [0]
    for i, level in enumerate(series.levels[1:], start=1):
        shape, last = level.shape, series.levels[kept[-1]].shape
        tall, wide = full[y] / shape[y], full[x] / shape[x]
        rounding = 2 / min(shape[y], shape[x])
        if level.axes == series.axes and shape[y] < last[y] and abs(tall / wide - 1) < 0.01 + rounding:
            kept.append(i)
    return kept


def _level(path: Path, file: Any, series: Any, i: int) -> Any:
    """One level: mapped into memory where the file holds it as one plain block, else decoded piece by piece."""
    import zarr

    level = series.levels[i]
    if level.dataoffset is None:
        return zarr.open_array(series.aszarr(level=i), mode="r")
    dtype = np.dtype(file.byteorder + level.dtype.char)
    return np.memmap(path, dtype, mode="r", offset=level.dataoffset, shape=tuple(level.shape))


def _scale(file: Any, series: Any) -> float | None:
    """Micrometres per pixel, from the most to the least explicit place."""
    page = series.keyframe
    return (
        (_ome_scale(file.ome_metadata, series) if file.is_ome else None)
        or _aperio_scale(page.description)
        or _tag_scale(file, page)
    )


def _ome_scale(xml: str, series: Any) -> float | None:
    """Scale of the first picture in OME-XML that has this series' size."""
    shape = dict(zip(series.axes.upper(), series.shape, strict=True))
    for node in ElementTree.fromstring(xml).iter():
        size = (node.get("SizeY"), node.get("SizeX"))
        if node.tag.endswith("}Pixels") and size == (str(shape["Y"]), str(shape["X"])):
            x, y = (
                _length(node.get(f"PhysicalSize{axis}"), node.get(f"PhysicalSize{axis}Unit", "um")) for axis in "XY"
            )
            return mean_scale(x, y)
    return None


def _length(value: str | None, unit: str) -> float | None:
    number, factor = to_float(value), MICROMETERS.get(unit.strip().lower())
    return number * factor if number and factor else None


def _aperio_scale(description: str) -> float | None:
    found = re.search(r"\bMPP\s*=\s*([0-9.]+)", description)
    return believable(to_float(found[1])) if found else None


def _tag_scale(file: Any, page: Any) -> float | None:
    """Scale from pixels per inch or centimetre, or per ImageJ's unit of length."""
    unit = PIXELS_PER.get(int(page.resolutionunit))
    if file.is_imagej:
        unit = MICROMETERS.get(str((file.imagej_metadata or {}).get("unit", "")).lower(), unit)
    per_unit = page.resolution
    if unit is None or min(per_unit) <= 0:
        return None
    return mean_scale(unit / per_unit[0], unit / per_unit[1])
