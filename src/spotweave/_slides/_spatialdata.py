"""Pictures of a SpatialData object, known by their shape alone: spatialdata need not be installed.

Each is an xarray DataArray with dimensions c, y, x, or a DataTree whose children scale0, scale1, ... hold one such array
each. The attribute ``transform`` maps pixels to coordinate systems; its units are the user's own, so it says nothing
about micrometres and the scale stays unknown.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from .._check import fail, listing
from ._array import ArraySlide, array_fingerprint
from ._protocol import digest, one_error


def looks_like_spatialdata(thing: Any) -> bool:
    """Whether a thing holds named pictures."""
    return isinstance(getattr(thing, "images", None), Mapping)


def looks_like_element(thing: Any) -> bool:
    """Whether a thing is a picture with named dimensions, of one scale or several."""
    return (hasattr(thing, "dims") and hasattr(thing, "data")) or (isinstance(thing, Mapping) and "scale0" in thing)


def spatialdata_slide(sdata: Any, *, image_key: str | None = None, name: str | None = None) -> ArraySlide:
    """Read from one picture of a SpatialData object.

    Parameters
    ----------
    sdata
        Has a mapping ``images``.
    image_key
        Which of them; may be left out where there is one.
    name
        What to call it in messages.

    Returns
    -------
    The slide, read lazily; its scale is unknown.
    """
    keys = [str(key) for key in sdata.images]
    if image_key is None and len(keys) == 1:
        image_key = keys[0]
    if image_key is None or image_key not in keys:
        raise fail(
            f"`image_key` out of the pictures {listing(keys)} of the SpatialData object" if keys else "a picture",
            repr(image_key) if keys else "a SpatialData object without images",
        )
    return element_slide(sdata.images[image_key], name=name or f"picture {image_key!r}")


def element_slide(element: Any, *, name: str = "the picture") -> ArraySlide:
    """Read from one picture, a DataArray or a DataTree of scales."""
    with one_error(f"a SpatialData picture (dimensions c, y, x) as {name}", "Pass `sdata.images[...]`."):
        arrays = [element] if hasattr(element, "dims") and hasattr(element, "data") else _scales(element)
        axes = "".join(str(dim) for dim in arrays[0].dims)
        levels = tuple(array.data for array in arrays)
        fingerprint = digest([*(tuple(level.shape) for level in levels), array_fingerprint(levels[-1], axes)])
        slide = ArraySlide(name, levels, axes, fingerprint)
        if "c" in axes and levels[0].shape[axes.index("c")] == 4:
            _check_alpha([str(c) for c in np.asarray(arrays[0].coords["c"])], name)
    return slide


def _scales(tree: Any) -> list[Any]:
    """The one array of each scale, finest first."""
    arrays = [next(iter(tree[key].values())) for key in tree if str(key).startswith("scale")]
    return sorted(arrays, key=lambda array: -array.shape[list(array.dims).index("y")])


def _check_alpha(channels: list[str], name: str) -> None:
    """Raise unless four channels are red, green, blue and opacity."""
    if [c.lower()[:1] for c in channels] != ["r", "g", "b", "a"]:
        raise fail(
            f"a stained picture with channels r, g, b (and a) in {name}",
            f"4 channels {channels}: fluorescence?",
            "Pass the bright-field (H&E) picture.",
        )
