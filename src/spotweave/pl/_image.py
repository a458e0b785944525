"""The tissue image behind a map, from the Visium layout of ``uns["spatial"]``."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _keys as keys

if TYPE_CHECKING:
    from anndata import AnnData


class Backdrop(NamedTuple):
    """An image and where it lies."""

    pixels: np.ndarray
    """``[height, width]`` or ``[height, width, 3 or 4]``."""
    extent: tuple[float, float, float, float]
    """Left, right, bottom, top in the units of the coordinates."""
    spot_diameter: float | None
    """Diameter of a spot in the units of the coordinates, where it is known."""


def backdrop(adata: "AnnData", library: str | None) -> Backdrop | None:
    """Return the image of a slide (the only one when `library` is None), None when there is none."""
    slides = adata.uns.get(keys.SPATIAL, {})
    if library is None and len(slides) == 1:
        library = next(iter(slides))
    slide = slides.get(library) if library is not None and hasattr(slides, "get") else None
    images = {} if slide is None else slide.get("images", {})
    name = next((n for n in ("hires", "lowres") if n in images), None)
    if slide is None or name is None:
        return None
    scales: dict[str, Any] = dict(slide.get("scalefactors", {}))
    scale = float(scales.get(f"tissue_{name}_scalef", 1.0))
    pixels = np.asarray(images[name])
    height, width = pixels.shape[:2]
    diameter = scales.get("spot_diameter_fullres")
    extent = (0.0, width / scale, height / scale, 0.0)
    return Backdrop(pixels, extent, None if diameter is None else float(diameter))
