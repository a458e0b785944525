"""Figures that belong to nobody's global state: no pyplot, shown by notebooks all the same."""

import io
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as _Figure
from matplotlib.ticker import MaxNLocator

INK = "#333333"
FAINT = "#8a8a8a"
ACCENT = "#0072b2"
_NOTE: dict[str, Any] = {"ha": "center", "va": "bottom", "fontsize": 8.5, "color": "#666666"}


class Figure(_Figure):
    """A matplotlib figure that a notebook shows even when pyplot was never imported."""

    def _repr_png_(self) -> bytes:
        return to_png(self, dpi=100)


def new_figure(width: float, height: float, *, layout: Literal["constrained"] | None = "constrained") -> Figure:
    """Return an empty figure of that size in inches, on the Agg canvas."""
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def to_png(figure: _Figure, *, dpi: float = 150) -> bytes:
    """Return the picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def style_lines(ax: Axes, *, x: str, y: str, whole_x: bool = True) -> None:
    """Axes of a line plot: two spines, faint grid, labels."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    if whole_x:
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))


def bare(ax: Axes, title: str | None = None, note: str | None = None) -> None:
    """Axes of a map: equal scales, no ticks, no frame."""
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if title:
        heading(ax, title, note)


def heading(ax: Axes, title: str, note: str | None = None) -> None:
    """Title of the axes, and below it a smaller `note`; an empty one keeps its place."""
    pad = None if note is None else 18.0
    ax.set_title(title, fontsize=11 if len(title) < 32 else 8, color=INK, pad=pad)
    if note:
        ax.annotate(note, (0.5, 1), (0, 5), xycoords="axes fraction", textcoords="offset points", **_NOTE)
