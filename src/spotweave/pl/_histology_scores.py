"""What expression from images was worth on patients that were left out, beside rows that see no image."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from .._check import fail, listing
from ._figure import ACCENT, FAINT, INK, Figure, heading, new_figure, style_lines

TRIVIAL = {"mean": "mean (no image)", "depth": "depth (oracle)"}
"""Rows that see no image, and what they are called."""
_MARKERS = "osD^vP*X<>hd"
_ROW, _SIDE, _GAP, _TOP, _BOTTOM = 0.42, 3.2, 0.35, 0.5, 0.6  # inches: a method, a panel, between panels, around them
_LETTER = 0.078  # inches, at 9 points
_LEAST_R2 = -1.0  # dots below lie at the edge


def histology_scores(scores: Any) -> Figure:
    """Draw how well methods predicted patients that were left out.

    Parameters
    ----------
    scores
        What ``tl.cross_validate_histology`` returned, or a mapping with its ``sections`` and ``summary``.

    Returns
    -------
    The figure: for each method a bar to the mean over sections of Pearson's correlation (itself the mean over genes), a
    line for its 95 % interval, a dot for each section, its shape the patient's (with up to 12 patients); and in a second
    panel the same of r2, the squared error saved over predicting the training mean: below 0 a prediction does harm, which
    correlation does not see. Methods by falling mean; grey are rows that see no image. A method is worth what it has
    above these.

    Raises
    ------
    InputError
        When there are no such scores.

    Examples
    --------
    >>> scores = sw.tl.cross_validate_histology(cohort, library_key="section")  # doctest: +SKIP
    >>> sw.pl.histology_scores(scores)  # doctest: +SKIP
    """
    sections, summary = score_tables(scores)
    methods = ordered_methods(summary)
    names = [TRIVIAL.get(method, method) for method in methods]
    groups = list(dict.fromkeys(sections["group"].astype(str)))
    shapes = dict(zip(groups, _MARKERS, strict=False)) if len(groups) <= len(_MARKERS) else {}
    left, right = (
        0.3 + _LETTER * max(map(len, names)),
        0.3 + _LETTER * max(map(len, shapes), default=0) + 0.3 * bool(shapes),
    )
    height = max(_ROW * len(methods), 1.2)
    width, total = left + 2 * _SIDE + _GAP + right, _TOP + height + _BOTTOM
    figure = new_figure(width, total, layout=None)
    panels = [("pearson", "Pearson r", "mean of genes"), ("r2", "r²", "1 − error / error of the training mean")]
    for i, (column, title, note) in enumerate(panels):
        box = ((left + i * (_SIDE + _GAP)) / width, _BOTTOM / total, _SIDE / width, height / total)
        ax = figure.add_axes(box)
        _rows(ax, sections, summary, methods, column, shapes)
        heading(ax, title, note)
        style_lines(ax, x="held-out sections", y="", whole_x=False)
        ax.grid(axis="y", visible=False)
        ax.grid(axis="x", color="#e6e6e6", linewidth=0.8)
        ax.set_yticks(np.arange(len(methods)), names if i == 0 else [""] * len(methods), fontsize=9)
        ax.tick_params(axis="y", length=0, labelcolor=INK)
    _legend(figure.axes[-1], shapes)
    return figure


def score_tables(scores: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return scores by section, and their summary by method."""
    sections, summary = (
        _table(scores, name, columns)
        for name, columns in (
            ("sections", {"method", "group", "pearson", "r2"}),
            ("summary", {"pearson", "lower", "upper", "r2"}),
        )
    )
    return sections, summary


def _table(scores: Any, name: str, columns: set[str]) -> pd.DataFrame:
    table = scores.get(name) if isinstance(scores, Mapping) else getattr(scores, name, None)
    if isinstance(table, pd.DataFrame) and columns <= set(table.columns):
        return table
    found = listing(table.columns) if isinstance(table, pd.DataFrame) else type(table).__name__
    hint = "Pass what spotweave.tl.cross_validate_histology(...) returned."
    raise fail(f"scores with a table `{name}` of columns {sorted(columns)}", found, hint)


def ordered_methods(summary: pd.DataFrame) -> list[str]:
    """Methods by falling mean correlation, rows without an image last."""
    order = summary["pearson"].astype(float).sort_values(ascending=False, kind="stable", na_position="last").index
    names = [str(name) for name in order]
    return [n for n in names if n not in TRIVIAL] + [n for n in names if n in TRIVIAL]


def _rows(
    ax: Axes, sections: pd.DataFrame, summary: pd.DataFrame, methods: list[str], column: str, shapes: dict[str, str]
) -> None:
    values = sections[column].to_numpy(dtype=float)
    floor = _LEAST_R2 if column == "r2" else -np.inf
    for y, method in enumerate(methods):
        color = FAINT if method in TRIVIAL else ACCENT
        row: Any = summary.loc[method]
        mean = max(float(row[column]), floor)
        ax.barh(y, mean, height=0.62, color=color, alpha=0.3, linewidth=0)
        ax.plot([mean, mean], [y - 0.31, y + 0.31], color=color, linewidth=2)
        if column == "pearson" and np.isfinite([row["lower"], row["upper"]]).all():
            ax.plot([row["lower"], row["upper"]], [y, y], color=color, linewidth=5, alpha=0.55, solid_capstyle="butt")
        own = (sections["method"].astype(str) == method).to_numpy()
        _dots(ax, y, np.maximum(values[own], floor), sections["group"].astype(str).to_numpy()[own], color, shapes)
    ax.axvline(0, color=INK, linewidth=0.8)
    ax.set_ylim(len(methods) - 0.5, -0.5)
    ax.margins(x=0.06)


def _dots(ax: Axes, y: float, x: np.ndarray, groups: np.ndarray, color: str, shapes: dict[str, str]) -> None:
    """A dot for each section, patients in lanes so that few lie upon each other."""
    names = list(dict.fromkeys(groups))
    lanes = np.linspace(-0.2, 0.2, len(names)) if len(names) > 1 else np.zeros(1)
    for name, lane in zip(names, lanes, strict=True):
        own = x[groups == name]
        look: dict[str, Any] = {"s": 22, "color": color, "edgecolors": "white", "linewidths": 0.5, "zorder": 3}
        ax.scatter(own, np.full(len(own), y + lane), marker=shapes.get(name, "o"), **look)


def _legend(ax: Axes, shapes: dict[str, str]) -> None:
    if not shapes:
        return
    handles = [
        Line2D([], [], marker=m, linestyle="", markersize=5.5, color=INK, markeredgecolor="white", label=n)
        for n, m in shapes.items()
    ]
    look: dict[str, Any] = {"frameon": False, "fontsize": 9, "labelcolor": INK, "handletextpad": 0.2}
    ax.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5), borderaxespad=0.3, **look)
