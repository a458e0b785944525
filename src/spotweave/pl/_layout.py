"""Where the panels of a figure lie, in inches, with room for titles, legends and colour bars."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from ._colors import MISSING
from ._image import Backdrop
from ._values import Categories, Numbers, Values

LONGER, SHORTER = 3.6, 1.2  # inches: a panel's longer side, and the least of its shorter one
_TITLE, _NOTE, _GAP = 0.32, 0.17, 0.12
_BAR, _UNIT = 0.7, 0.2  # a colour bar with its ticks, and what it measures
_LINE, _LETTER = 0.2, 0.078  # height of a legend's line and width of a letter at 9 points
_MOST_COLUMNS = 3


class Panel(NamedTuple):
    """What one axes shows."""

    xy: np.ndarray
    """Coordinates ``[m, 2]``."""
    values: Values
    """Of these rows."""
    title: str
    image: Backdrop | None = None
    legend: bool = True
    note: str | None = None
    """A smaller second line of the title; an empty one keeps its place."""


class Plan(NamedTuple):
    """Size of the figure and of its panels."""

    width: float
    height: float
    boxes: list[tuple[float, float, float, float]]
    """Left, bottom, width and height of each panel."""


def plan(panels: Sequence[Panel], *, ncols: int, side: float = LONGER, least: float = SHORTER) -> Plan:
    """Lay `panels` out in reading order, `ncols` in a row; each column is as wide as its widest legend asks.

    `side` is the longer side of each map in inches, `least` the room at least that it has for its title.
    """
    ncols = max(1, min(ncols, len(panels)))
    width, height = _box(panels, side, least)
    rows = [panels[i : i + ncols] for i in range(0, len(panels), ncols)]
    sides = [max(_side(row[j], height) for row in rows if j < len(row)) for j in range(ncols)]
    lines = [max([height, *(_needed(p, height) for p in row)]) for row in rows]
    lefts = np.cumsum([_GAP, *(width + s + _GAP for s in sides)])
    title = _TITLE + (_NOTE if any(p.note is not None for p in panels) else 0.0)
    tops = np.cumsum([0, *(title + h + _GAP for h in lines)])
    boxes = [
        (float(lefts[j]), float(tops[-1] - tops[i] - title - lines[i] + _GAP), width, lines[i])
        for i, row in enumerate(rows)
        for j in range(len(row))
    ]
    return Plan(float(lefts[-1]), float(tops[-1] + _GAP), boxes)


def legend_columns(n: int, height: float) -> int:
    """Return the number of columns in which `n` entries fit beside a panel of that height."""
    return int(np.clip(-(-n // max(int(height / _LINE), 1)), 1, _MOST_COLUMNS))


def inches(ax: Axes) -> tuple[float, float]:
    """Width and height of the axes."""
    extent = ax.get_window_extent()
    dpi = ax.figure.dpi
    return extent.width / dpi, extent.height / dpi


def _box(panels: Sequence[Panel], side: float, least: float) -> tuple[float, float]:
    """Width and height of all panels, in the proportions of the tissue (the median one of several slides)."""
    spans = np.array([np.ptp(p.xy, axis=0) for p in panels]).clip(min=1e-9)
    ratio = float(np.median(spans[:, 0] / spans[:, 1]))
    width, height = (side, side / ratio) if ratio > 1 else (side * ratio, side)
    return max(width, least), max(height, SHORTER)


def legend_entries(values: Values) -> list[tuple[str, str]]:
    """Return name and colour of each line of the legend; missing labels get one of their own."""
    if not isinstance(values, Categories):
        return []
    named = list(zip(values.categories, values.colors, strict=True))
    return [*named, ("missing", MISSING)] if (values.codes < 0).any() else named


def _needed(panel: Panel, height: float) -> float:
    """Height of the legend."""
    n = len(legend_entries(panel.values)) if panel.legend else 0
    return _LINE * -(-n // legend_columns(n, height))


def _side(panel: Panel, height: float) -> float:
    """Width of what explains the colours, at the panel's right."""
    if not panel.legend:
        return 0.0
    names = [len(name) for name, _ in legend_entries(panel.values)]
    if names:
        return (0.32 + _LETTER * max(*names, 3)) * legend_columns(len(names), height)
    if not isinstance(panel.values, Numbers):
        return 0.0
    return _BAR + _UNIT if panel.values.unit else _BAR
