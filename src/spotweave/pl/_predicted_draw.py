"""Maps and pictures of slides in one figure, with rings around spots."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection

from ._figure import Figure, bare, new_figure
from ._layout import Panel, plan
from ._markers import fit_marker
from ._panels import Look, draw_panel, frame

STRANGE = "#d55e00"
"""Colour of the rings around spots that are unlike what was trained on."""


class Shown(NamedTuple):
    """One axes of the figure."""

    panel: Panel
    strange: np.ndarray
    """Places of spots to ring ``[k, 2]``."""
    picture: bool = False
    """The slide's picture, without markers."""


def draw_shown(
    parts: Sequence[Shown], *, ncols: int, look: Look | None = None, figsize: tuple[float, float] | None = None
) -> Figure:
    """Return a figure of the parts in reading order."""
    grid = plan([part.panel for part in parts], ncols=ncols)
    figure = new_figure(*(figsize or (grid.width, grid.height)), layout=None)
    for part, (left, bottom, width, height) in zip(parts, grid.boxes, strict=True):
        ax = figure.add_axes((left / grid.width, bottom / grid.height, width / grid.width, height / grid.height))
        if part.picture:
            _draw_picture(ax, part.panel)
        else:
            draw_panel(ax, part.panel, look or Look())
        _ring(ax, part.strange, fit_marker(part.panel.xy).diameter)
    return figure


def _draw_picture(ax: Axes, panel: Panel) -> None:
    if panel.image is not None:
        ax.imshow(panel.image.pixels, extent=panel.image.extent)
    frame(ax, panel.xy, fit_marker(panel.xy).diameter)
    bare(ax, panel.title, panel.note)


def _ring(ax: Axes, xy: np.ndarray, diameter: float) -> None:
    """Circles around spots, in the units of the coordinates."""
    if len(xy):
        side = np.full(len(xy), 0.9 * diameter)
        look: dict[str, Any] = {"facecolors": "none", "edgecolors": STRANGE, "linewidths": 1.2}
        ax.add_collection(
            EllipseCollection(side, side, 0 * side, units="xy", offsets=xy, offset_transform=ax.transData, **look),
            autolim=False,
        )
