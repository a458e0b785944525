"""One map in one axes, and grids of them: everything that draws a tissue goes through here."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, cast

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import Colormap, Normalize, to_rgba_array
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.transforms import AffineDeltaTransform

from .._check import fail
from ._colors import MISSING
from ._figure import INK, Figure, bare, new_figure
from ._layout import LONGER, SHORTER, Panel, inches, legend_columns, legend_entries, plan
from ._markers import Marker, fit_marker
from ._values import Categories, Colours, Numbers, Values

_RASTER_ABOVE = 20_000  # points beyond which a vector file holds a picture instead
_LEAST_INCHES = 0.7 / 72  # a smaller disc fades away
_DISC_ON_IMAGE = 0.6  # of the marker, where the spots' own diameter is unknown: the tissue shows between them


if TYPE_CHECKING:
    from matplotlib.transforms import Affine2DBase


class Look(NamedTuple):
    """How all panels look."""

    size: float | None = None
    alpha: float | None = None


def rows_of(values: Values, rows: np.ndarray) -> Values:
    """Return the values of some rows; categories, colours and limits stay."""
    if isinstance(values, Categories):
        return values._replace(codes=values.codes[rows])
    if isinstance(values, Numbers):
        return values._replace(values=values.values[rows])
    return values._replace(rgb=values.rgb[rows])


def draw_grid(
    panels: Sequence[Panel],
    *,
    ncols: int,
    look: Look | None = None,
    figsize: tuple[float, float] | None = None,
    side: float = LONGER,
    least: float = SHORTER,
) -> Figure:
    """Return a figure of the panels in reading order, laid out in inches so that nothing overlaps."""
    grid = plan(panels, ncols=ncols, side=side, least=least)
    figure = new_figure(*(figsize or (grid.width, grid.height)), layout=None)
    for panel, (left, bottom, width, height) in zip(panels, grid.boxes, strict=True):
        box = (left / grid.width, bottom / grid.height, width / grid.width, height / grid.height)
        draw_panel(figure.add_axes(box), panel, look or Look())
    return figure


def draw_panel(ax: Axes, panel: Panel, look: Look) -> PathCollection:
    """Draw one map into `ax` and return its markers."""
    marker = _marker(panel, look, ax)
    points = PathCollection(
        [_outline(marker)],
        sizes=None,
        offsets=panel.xy,
        offset_transform=ax.transData,
        transform=AffineDeltaTransform(
            cast("Affine2DBase", ax.transData)
        ),  # the shape is in the coordinates' own units
        alpha=look.alpha,
        # a hairline of the same colour hides the seams which antialiasing leaves between tiles
        linewidths=0.0 if marker.vertices is None or panel.image else 0.3,
        rasterized=len(panel.xy) > _RASTER_ABOVE,
    )
    _paint(points, panel.values)
    if panel.image is not None:
        ax.imshow(panel.image.pixels, extent=panel.image.extent, zorder=0)
    ax.add_collection(points, autolim=False)
    frame(ax, panel.xy, fit_marker(panel.xy).diameter)
    bare(ax, panel.title, panel.note)
    if panel.legend:
        _explain(ax, points, panel.values)
    return points


def _marker(panel: Panel, look: Look, ax: Axes) -> Marker:
    marker = fit_marker(panel.xy)
    if panel.image is not None:
        marker = Marker(None, panel.image.spot_diameter or _DISC_ON_IMAGE * marker.diameter)
    marker = marker.scaled(look.size or 1.0)
    least = _LEAST_INCHES / max(inches(ax)) * float(np.ptp(panel.xy, axis=0).max(initial=0.0))
    return marker if marker.diameter >= least else marker.scaled(least / marker.diameter)


def _paint(points: PathCollection, values: Values) -> None:
    if isinstance(values, Numbers):
        points.set_cmap(_colormap(values.cmap))
        points.set_norm(Normalize(*values.limits))
        points.set_array(np.ma.masked_invalid(values.values))
    elif isinstance(values, Categories):
        points.set_facecolor(to_rgba_array([*values.colors, MISSING])[values.codes])  # code -1: the last one
    elif isinstance(values, Colours):
        points.set_facecolor(values.rgb)
    points.set_edgecolor("face")


def _colormap(cmap: str | Colormap) -> Colormap:
    if isinstance(cmap, str) and cmap not in mpl.colormaps:
        raise fail("`cmap` as a matplotlib colormap", repr(cmap))
    return (mpl.colormaps[cmap] if isinstance(cmap, str) else cmap).with_extremes(bad=MISSING)


def frame(ax: Axes, xy: np.ndarray, margin: float) -> None:
    """Limits around the points, y downwards as in an image."""
    low, high = xy.min(axis=0) - margin, xy.max(axis=0) + margin
    ax.set_xlim(low[0], high[0])
    ax.set_ylim(high[1], low[1])


def _explain(ax: Axes, points: PathCollection, values: Values) -> None:
    if isinstance(values, Categories):
        _legend(ax, values)
    elif isinstance(values, Numbers):
        _bar(ax, points, values)


def _bar(ax: Axes, points: PathCollection, values: Numbers) -> None:
    finite = values.values[np.isfinite(values.values)]
    beyond = (finite.min(initial=np.inf) < values.limits[0], finite.max(initial=-np.inf) > values.limits[1])
    arrows = ("neither", "max", "min", "both")[2 * beyond[0] + beyond[1]]
    width = 0.12 / inches(ax)[0]
    bar = ax.figure.colorbar(points, cax=ax.inset_axes((1 + width, 0.15, width, 0.7)), extend=arrows)
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, color=INK, labelcolor=INK, length=2)
    if values.unit:
        bar.set_label(values.unit, fontsize=8, color=INK)


def _legend(ax: Axes, values: Categories) -> None:
    entries = legend_entries(values)
    ax.legend(
        handles=[Line2D([], [], marker="o", linestyle="", markersize=7, color=c, label=n) for n, c in entries],
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        ncols=legend_columns(len(entries), inches(ax)[1]),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        handletextpad=0.2,
        columnspacing=0.8,
        borderaxespad=0.3,
    )


def _outline(marker: Marker) -> Path:
    if marker.vertices is not None:
        return Path(np.concatenate([marker.vertices, marker.vertices[:1]]), closed=True)
    circle = Path.unit_circle()
    return Path(np.asarray(circle.vertices) * (marker.diameter / 2), circle.codes)
