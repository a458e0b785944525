"""OME-Zarr folders (NGFF 0.4 and 0.5): a pyramid of chunked arrays, of which only the touched chunks are read."""

import math
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from .._check import fail, listing
from ._array import ArraySlide
from ._protocol import MICROMETERS, folder_fingerprint, mean_scale, one_error

SPATIALDATA_IMAGES = "images"
"""Folder in which a SpatialData store keeps its pictures, each an OME-Zarr of its own."""


def zarr_slide(path: Path, *, name: str, image_key: str | None = None) -> ArraySlide:
    """Read from an OME-Zarr folder, or from the picture `image_key` of a SpatialData store.

    Parameters
    ----------
    path
        Folder of a zarr group whose attributes list ``multiscales``.
    name
        What to call it in messages.
    image_key
        Which picture, where the folder is a SpatialData store with several.

    Returns
    -------
    The slide; its scale is known where the axes have a unit of length.

    Notes
    -----
    Specification: https://ngff.openmicroscopy.org/0.4/ and /0.5/, "multiscales".
    """
    try:
        zarr = import_module("zarr")
    except ImportError as error:
        raise fail(f"the package zarr to read {path}", f"{error}", "Run `pip install zarr`.") from None
    path = _picture_folder(path, image_key)
    with one_error(f"a zarr group in {path}", "Pass the folder that holds .zattrs or zarr.json with `multiscales`."):
        group = zarr.open_group(str(path), mode="r")
        attributes = dict(group.attrs)
    multiscale = _multiscale(attributes, path)
    with one_error(f"an OME-Zarr picture in {path}"):
        levels = tuple(group[dataset["path"]] for dataset in multiscale["datasets"])
        axes = "".join(axis["name"] for axis in multiscale["axes"]).lower()
        _check_stain(levels[0], axes, name)
        scales = [_scales(multiscale, dataset) for dataset in multiscale["datasets"]]
        y, x = axes.index("y"), axes.index("x")
        um = [MICROMETERS.get(str(axis.get("unit", "")).lower()) for axis in multiscale["axes"]]
        mpp = mean_scale(*(scales[0][i] * (um[i] or 0) for i in (x, y)))
        downsamples = tuple(math.sqrt(s[y] * s[x] / (scales[0][y] * scales[0][x])) for s in scales)
        return ArraySlide(name, levels, axes, folder_fingerprint(path), mpp, downsamples)


def _picture_folder(path: Path, image_key: str | None) -> Path:
    """The group that has the picture: the folder itself, or one inside a SpatialData store or a Bio-Formats export."""
    images = path / SPATIALDATA_IMAGES
    if not images.is_dir():
        return path / "0" if (path / "OME").is_dir() and (path / "0").is_dir() else path
    names = sorted(p.name for p in images.iterdir() if p.is_dir() and not p.name.startswith("."))
    if image_key is None and len(names) == 1:
        return images / names[0]
    if image_key not in names:
        raise fail(f"`image_key` out of the pictures {listing(names)} in {path}", repr(image_key))
    return images / str(image_key)


def _multiscale(attributes: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """The first pyramid that the attributes of a group describe; since 0.5 they lie one deeper."""
    multiscales = attributes.get("ome", attributes).get("multiscales")
    if not multiscales:
        raise fail(
            f"an OME-Zarr picture (`multiscales` in the attributes) in {path}",
            f"attributes {listing(attributes)}",
            "Pass the group of one picture, not a folder above or an array below it.",
        )
    axes = multiscales[0].get("axes", [])
    if not all(isinstance(axis, Mapping) and len(axis.get("name", "")) == 1 for axis in axes) or len(axes) < 2:
        raise fail(f"OME-Zarr 0.4 or 0.5 in {path}", f"axes {axes!r}", "Write it again with a current ome-zarr.")
    return multiscales[0]


def _scales(multiscale: Mapping[str, Any], dataset: Mapping[str, Any]) -> list[float]:
    """Size of a level's pixel along each axis: its own scale times the pyramid's."""
    product = [1.0] * len(multiscale["axes"])
    for holder in (dataset, multiscale):
        for step in holder.get("coordinateTransformations") or []:
            if step["type"] == "scale":
                product = [p * float(s) for p, s in zip(product, step["scale"], strict=True)]
    return product


def _check_stain(level: Any, axes: str, name: str) -> None:
    """Raise where channels cannot be red, green and blue."""
    n = level.shape[axes.index("c")] if "c" in axes else 1
    if n != 1 and (n not in {3, 4} or str(level.dtype) != "uint8"):
        raise fail(
            f"a stained picture (RGB) in {name}",
            f"{n} channels of type {level.dtype}: fluorescence?",
            "Pass the bright-field (H&E) picture, or three channels of it as a uint8 array [h, w, 3].",
        )
