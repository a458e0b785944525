"""Names beside dots, without one over another."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation, Text

from ._figure import FAINT, INK

_LONGEST = 18  # letters
_DIRECTIONS = np.array([(1, 0), (-1, 0), (0, 1), (0, -1), (0.7, 0.7), (-0.7, 0.7), (0.7, -0.7), (-0.7, -0.7)])
_REACH = (5.0, 11.0, 18.0, 27.0)  # points from the dot to the name
_LEADER = 10.0  # points beyond which a line leads to the dot
_PER_DOT = 4.0  # points further away that a name goes rather than cover one more dot
_MOST_COVERED = 6  # dots; more would hide the pattern, and the name
_ROOM = 1.5  # points around a name


def place_names(
    ax: Axes,
    xy: np.ndarray,
    names: Sequence[str],
    *,
    dots: np.ndarray,
    beside: Sequence[Text] = (),
    fontsize: float = 8.0,
) -> list[Annotation]:
    """Write `names` beside their dots ``xy`` ``[m, 2]``, the first ones first; leave out those that find no place.

    The limits of `ax` must be final and its place in the figure fixed. No name overlaps another, a line to another's
    dot or the texts `beside`, and none leaves the axes; names cover only few of all `dots` ``[k, 2]``. Returns the
    texts that were written.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    point = figure.dpi / 72
    box = np.array(ax.get_window_extent().extents)
    others, anchors = ax.transData.transform(dots), ax.transData.transform(xy)
    taken = np.array([text.get_window_extent().extents for text in beside]).reshape(-1, 4)
    written = []
    for anchor, place, name in zip(anchors, xy, names, strict=True):
        text = _written(ax, place, name, fontsize)
        extent = text.get_window_extent()
        half = np.array([extent.width, extent.height]) / 2
        offset = _offset(anchor, half, point, others, taken, box)
        if offset is None:
            text.remove()
            continue
        text.set_position(tuple(offset / point))
        line = _leader(offset, half, point)
        if len(line):
            _draw_leader(ax, place, line[-1] / point)
        room = half + _ROOM * point
        own = [*(anchor + offset - room), *(anchor + offset + room)]
        taken = np.vstack([taken, own, np.hstack([anchor + line, anchor + line]).reshape(-1, 4)])
        written.append(text)
    return written


def spread(ax: Axes, texts: Sequence[Text]) -> None:
    """Move texts in data coordinates as little as it takes that none overlaps an earlier one."""
    taken = np.empty((0, 4))
    angles = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    turn = np.column_stack([np.cos(angles), np.sin(angles)])
    steps = np.concatenate([np.zeros((1, 2)), *(radius * turn for radius in range(2, 80, 2))])
    for text in texts:
        extent = np.array(text.get_window_extent().extents)
        step = next((s for s in steps if not _overlaps(extent[:2] + s, extent[2:] + s, taken)), steps[0])
        x, y = ax.transData.inverted().transform(ax.transData.transform(text.get_position()) + step)
        text.set_position((float(x), float(y)))
        taken = np.vstack([taken, extent + np.tile(step, 2)])


def shortened(name: str, longest: int = _LONGEST) -> str:
    """Cut a long name, so that its beginning and its end stay."""
    if len(name) <= longest:
        return name
    end = longest // 3
    return f"{name[: longest - end - 1]}…{name[-end:]}"


def _written(ax: Axes, place: np.ndarray, name: str, fontsize: float) -> Annotation:
    halo = [withStroke(linewidth=1.8, foreground="white")]
    look: dict[str, Any] = {"fontsize": fontsize, "color": INK, "ha": "center", "va": "center", "zorder": 5}
    return ax.annotate(shortened(name), tuple(place), (0, 0), textcoords="offset points", path_effects=halo, **look)


def _offset(
    anchor: np.ndarray, half: np.ndarray, point: float, others: np.ndarray, taken: np.ndarray, box: np.ndarray
) -> np.ndarray | None:
    """Return pixels from the dot to the name's centre: near, over few dots; None when there is no free place."""
    room = half + _ROOM * point
    near = others[(np.abs(others - anchor) < _REACH[-1] * point + 2 * room).all(axis=1)]
    best, least = None, np.inf
    for reach in _REACH:
        for direction in _DIRECTIONS:
            offset = direction * (reach * point + half)
            low, high = anchor + offset - room, anchor + offset + room
            if (low < box[:2]).any() or (high > box[2:]).any() or _overlaps(low, high, taken):
                continue
            if any(_overlaps(at, at, taken) for at in anchor + _leader(offset, half, point)):
                continue
            covered = ((near > low) & (near < high)).all(axis=1).sum()
            cost = reach + _PER_DOT * covered
            if cost < least and covered <= _MOST_COVERED:
                best, least = offset, cost
    return best


def _overlaps(low: np.ndarray, high: np.ndarray, taken: np.ndarray) -> bool:
    return bool(((taken[:, :2] <= high) & (taken[:, 2:] >= low)).all(axis=1).any())


def _leader(offset: np.ndarray, half: np.ndarray, point: float) -> np.ndarray:
    """Points ``[k, 2]`` of the line from the dot to a name that stands far from it; none where it is near."""
    end = offset - np.clip(offset, -half, half)  # the nearest point of the name's box, seen from the dot
    if np.hypot(*end) <= _LEADER * point:
        return np.empty((0, 2))
    return np.linspace(0.2, 1, 8)[:, None] * end


def _draw_leader(ax: Axes, place: np.ndarray, end: np.ndarray) -> None:
    line = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
    ax.annotate("", tuple(place), tuple(end), textcoords="offset points", arrowprops=line)
