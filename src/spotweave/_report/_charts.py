"""Small charts as inline SVG: drawn with the page's own text colour, so they fit light, dark and paper."""

from collections.abc import Sequence

import numpy as np
from markupsafe import Markup, escape
from matplotlib.ticker import MaxNLocator

_WIDTH, _HEIGHT = 340, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 10, 12, 38


def line_chart(
    x: Sequence[float],
    lines: Sequence[Sequence[float]],
    *,
    title: str,
    x_label: str,
    mark: float | None = None,
    errors: Sequence[float] | None = None,
) -> Markup:
    """Draw lines over common `x`, with a dashed vertical line at `mark` and `errors` about the first line."""
    xs, ys = np.asarray(x, dtype=float), [np.asarray(line, dtype=float) for line in lines]
    around = np.zeros(xs.size) if errors is None else np.asarray(errors, dtype=float)
    frame = _Frame(xs, np.concatenate([*ys, ys[0] - around[: ys[0].size], ys[0] + around[: ys[0].size]]))
    parts = [frame.axes(x_label)]
    if errors is not None:
        parts += [
            f'<line class="error" x1="{frame.x(a):.1f}" x2="{frame.x(a):.1f}" y1="{frame.y(b - e):.1f}" '
            f'y2="{frame.y(b + e):.1f}"/>'
            for a, b, e in zip(xs, ys[0], around, strict=True)
            if np.isfinite(b + e)
        ]
    if mark is not None:
        at = frame.x(mark)
        parts.append(f'<line class="mark" x1="{at:.1f}" x2="{at:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>')
    for y in ys:
        ok = np.isfinite(y)
        points = " ".join(f"{frame.x(a):.1f},{frame.y(b):.1f}" for a, b in zip(xs[: y.size][ok], y[ok], strict=True))
        parts.append(f'<polyline class="line" points="{points}"/>')
        if y.size <= 40:
            parts += [
                f'<circle class="dot" r="2.6" cx="{p.split(",")[0]}" cy="{p.split(",")[1]}"/>' for p in points.split()
            ]
    return _svg("".join(parts), title)


def histogram(values: np.ndarray, *, title: str, x_label: str, n_bins: int = 40) -> Markup:
    """Draw a histogram on a logarithmic scale; zeros are counted at the left edge."""
    positive = values[values > 0]
    if positive.size == 0:
        return Markup()
    low, high = np.log10(positive.min()), np.log10(positive.max())
    edges = np.linspace(low, high if high > low else low + 1, n_bins + 1)
    heights = np.histogram(np.log10(np.maximum(values, positive.min())), bins=edges)[0]
    frame = _Frame(edges, np.append(heights, 0.0), log=True)
    bars = [
        f'<rect class="bar" x="{frame.x(a) + 0.4:.1f}" width="{max(frame.x(b) - frame.x(a) - 0.8, 0.4):.1f}" '
        f'y="{frame.y(h):.1f}" height="{frame.y(0) - frame.y(h):.1f}"/>'
        for a, b, h in zip(edges[:-1], edges[1:], heights, strict=True)
    ]
    middle = frame.x(float(np.log10(max(np.median(values), positive.min()))))
    line = f'<line class="mark" x1="{middle:.1f}" x2="{middle:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
    return _svg(frame.axes(x_label) + "".join(bars) + line, title)


class _Frame:
    """Scales and axes of a chart."""

    def __init__(self, x: np.ndarray, y: np.ndarray, *, log: bool = False) -> None:
        self.log = log
        self.x0, self.x1 = _span(x)
        self.y0, self.y1 = _span(y)
        ticks = MaxNLocator(4).tick_values(self.y0, self.y1)
        self.y0, self.y1, self.y_ticks = float(ticks[0]), float(ticks[-1]), ticks

    def x(self, value: float) -> float:
        return _LEFT + (value - self.x0) / (self.x1 - self.x0) * (_WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (_HEIGHT - _TOP - _BOTTOM)

    def axes(self, x_label: str) -> str:
        rows = "".join(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{self.y(t):.1f}" y2="{self.y(t):.1f}"/>'
            f'<text class="tick" text-anchor="end" x="{_LEFT - 6}" y="{self.y(t) + 3.5:.1f}">{_number(t)}</text>'
            for t in self.y_ticks
        )
        columns = "".join(
            f'<text class="tick" text-anchor="middle" x="{self.x(at):.1f}" y="{_HEIGHT - _BOTTOM + 15}">{text}</text>'
            for at, text in self._x_ticks()
        )
        middle = (_LEFT + _WIDTH - _RIGHT) / 2
        name = f'<text class="label" text-anchor="middle" x="{middle}" y="{_HEIGHT - 5}">{escape(x_label)}</text>'
        return rows + columns + name

    def _x_ticks(self) -> list[tuple[float, str]]:
        if not self.log:
            ticks = MaxNLocator(6, integer=True).tick_values(self.x0, self.x1)
            return [(t, _number(t)) for t in ticks if self.x0 <= t <= self.x1]
        return [(float(np.log10(t)), _number(t)) for t in _log_ticks(self.x0, self.x1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Round numbers between ``10**low`` and ``10**high``: at most 6, and at least 3 where the range is narrow."""
    powers = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    for leading in ((1,), (1, 3), (1, 2, 5), range(1, 10)):
        inside = [f * 10.0**p for p in powers for f in leading if low <= np.log10(f) + p <= high]
        if len(inside) >= 3:
            return inside[:: -(-len(inside) // 6)]
    return [t for t in MaxNLocator(5).tick_values(10**low, 10**high) if 10**low <= t <= 10**high]


def _span(values: np.ndarray) -> tuple[float, float]:
    finite = values[np.isfinite(values)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _svg(content: str, title: str) -> Markup:
    head = f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">'
    return Markup(f"<figure><figcaption>{escape(title)}</figcaption>{head}{content}</svg></figure>")
