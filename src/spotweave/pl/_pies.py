"""Pies at the places of spots: all wedges of a map as one collection."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgba_array

from ._layout import Panel
from ._markers import fit_marker
from ._panels import Look, draw_panel

_FILLED = 0.96  # of the spacing: neighbours do not touch
_ON_IMAGE = 0.6  # where the spots' own diameter is unknown: the tissue shows between them
_STEP = 2 * np.pi / 40  # of the rim
_LEAST = 0.002  # a thinner wedge is not seen
_RASTER_ABOVE = 20_000  # wedges beyond which a vector file holds a picture instead


def draw_pies(ax: Axes, panel: Panel, shares: np.ndarray, colors: list[str], *, size: float | None = None) -> None:
    """Draw shares ``[m, t]`` as pies into `ax`, with the panel's title, image and legend; empty rows are left out."""
    draw_panel(ax, panel, Look()).remove()  # the legend's colours stay, the markers go
    polygons, types = wedges(panel.xy, shares, pie_radius(panel) * (size or 1.0))
    faces = to_rgba_array(colors)[types]
    ax.add_collection(
        PolyCollection(
            polygons, facecolors=faces, edgecolors="none", linewidths=0.0, rasterized=len(polygons) > _RASTER_ABOVE
        ),
        autolim=False,
    )


def pie_radius(panel: Panel) -> float:
    """Return the radius in units of the coordinates."""
    spacing = fit_marker(panel.xy).diameter
    if panel.image is None:
        return _FILLED * spacing / 2
    return (panel.image.spot_diameter or _ON_IMAGE * spacing) / 2


def wedges(xy: np.ndarray, shares: np.ndarray, radius: float) -> tuple[list[np.ndarray], np.ndarray]:
    """Return the wedges' corners, clockwise on the page from 12 o'clock, and the type of each.

    Each row ``[m, t]`` is divided by its sum. A polygon has as many points on the rim as its angle asks for; wedges of
    as many points are made at once.
    """
    values = np.nan_to_num(shares)
    total = values.sum(axis=1, keepdims=True)
    values = np.divide(values, total, out=np.zeros_like(values), where=total > 0)
    end = 2 * np.pi * np.cumsum(values, axis=1)
    rows, types = np.nonzero(values > _LEAST)
    high = end[rows, types]
    low = high - 2 * np.pi * values[rows, types]
    n_steps = np.ceil((high - low) / _STEP - 1e-9).astype(int).clip(min=1)
    polygons: list[np.ndarray] = [np.empty((0, 2))] * len(rows)
    for n in np.unique(n_steps):
        which = np.flatnonzero(n_steps == n)
        angle = low[which, None] + (high - low)[which, None] * np.linspace(0, 1, n + 1)
        centre = xy[rows[which], None]
        rim = centre + radius * np.stack([np.sin(angle), -np.cos(angle)], axis=-1)  # y runs downwards
        whole = values[rows[which], types[which]] > 1 - _LEAST
        start = np.where(whole[:, None, None], rim[:, :1], centre)  # a full disc needs no centre
        for i, polygon in zip(which, np.concatenate([start, rim], axis=1), strict=True):
            polygons[i] = polygon
    return polygons, types
