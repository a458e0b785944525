"""What denoising did to all genes: spatial pattern, where the estimates came from, held-out counts."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from .. import _keys as keys
from .._table import get_table
from ._expression import change, not_denoised, scores
from ._figure import FAINT, INK, Figure, heading, new_figure, style_lines

SOURCES = {"weight_latent": "latent space", "weight_neighbors": "neighbours", "weight_own": "own counts"}
COLORS = {"weight_latent": "#0072b2", "weight_neighbors": "#e69f00", "weight_own": "#009e73"}
_SIDE, _LEFT, _RIGHT, _TOP, _BOTTOM = 3.0, 0.85, 0.3, 0.5, 0.55  # inches: a square panel and the room around it
_LINE = 0.22  # of the legend
_RASTER_ABOVE = 2_000  # points beyond which a vector file holds a picture instead
_COLUMNS = 200  # of the ranked shares: more would be hairlines


def denoised_guard(data: Any, *, key: str = keys.DENOISED) -> Figure:
    """Draw what denoising did to each gene, and what it held back.

    Parameters
    ----------
    data
        AnnData with the results of ``tl.denoise``, or SpatialData with such a table.
    key
        ``varm`` key of the scores by gene.

    Returns
    -------
    The figure, with a dot for each denoised gene in the colour of the source that weighs most in its estimate:

    - Moran's I of the measured and of the denoised values; on the dashed line it stayed. Smoothing alone raises it.
    - The shares of the three sources in the estimates, genes ranked by that of the latent space. Above 200 genes each
      column is the mean of several.
    - Deviance of held-out counts as a share of that of the gene's mean: below the dashed line the estimate tells
      cells apart, on it nothing is lost or gained. Dots beyond the axis lie at its edge.

    Panels of scores that are not stored are left out.

    Raises
    ------
    InputError
        When there are no scores.

    Examples
    --------
    >>> sw.pl.denoised_guard(adata)  # doctest: +SKIP
    """
    adata = get_table(data)
    table = scores(adata, key)
    panels = [] if table is None else [(draw, k) for draw, names in _PANELS if len(k := _complete(table, names))]
    if table is None or not panels:
        raise not_denoised(adata, key, f"scores by gene in adata.varm[{key!r}]")
    width, below = len(panels) * (_LEFT + _SIDE) + _RIGHT, _BOTTOM + _LINE * -(-len(SOURCES) // len(panels))
    height = _TOP + _SIDE + below
    figure = new_figure(width, height, layout=None)
    for i, (draw, kept) in enumerate(panels):
        left = _LEFT + i * (_LEFT + _SIDE)
        draw(figure.add_axes((left / width, below / height, _SIDE / width, _SIDE / height)), kept)
    _explain(figure, table, ncols=len(panels))
    return figure


def _complete(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Genes with all of these scores; none when a column is missing."""
    if not set(names) <= set(table.columns):
        return table.iloc[:0]
    kept = table[np.isfinite(table[names].to_numpy(dtype=float)).all(axis=1)]
    return kept[kept["deviance_mean"] > 0] if "deviance_mean" in names else kept


def _explain(figure: Figure, table: pd.DataFrame, *, ncols: int) -> None:
    """Name the colours below the panels, with the mean share of each source."""
    kept = _complete(table, list(SOURCES))
    if kept.empty:
        return
    names = {n: f"{text} ({kept[n].mean():.0%} on average)" for n, text in SOURCES.items()}
    dots = [Line2D([], [], marker="o", linestyle="", markersize=7, color=COLORS[n], label=names[n]) for n in SOURCES]
    figure.legend(handles=dots, loc="lower center", ncols=ncols, frameon=False, fontsize=9, labelcolor=INK)


def _moran(ax: Axes, table: pd.DataFrame) -> None:
    before, after = table["moran_before"].to_numpy(float), table["moran_after"].to_numpy(float)
    low, high = min(before.min(), after.min(), 0.0), max(before.max(), after.max())
    room = 0.04 * max(high - low, 0.1)
    _dots(ax, before, after, table)
    ax.axline((0, 0), slope=1, color=FAINT, linestyle="--", linewidth=1)
    ax.set_xlim(low - room, high + room)
    ax.set_ylim(low - room, high + room)
    heading(ax, "Spatial pattern", f"median Moran's I {change(np.median(before), np.median(after))}")
    style_lines(ax, x="Moran's I, measured", y="Moran's I, denoised", whole_x=False)


def _weights(ax: Axes, table: pd.DataFrame) -> None:
    W = table[list(SOURCES)].to_numpy(float)
    W = W[np.lexsort((W[:, 1], -W[:, 0]))]
    parts = np.array_split(W, min(len(W), _COLUMNS))
    shares = np.array([part.mean(axis=0) for part in parts])
    edges = np.cumsum([0, *(len(part) for part in parts)])
    tops = np.cumsum(shares, axis=1)
    for i, name in enumerate(SOURCES):
        ax.stairs(tops[:, i], edges, baseline=tops[:, i] - shares[:, i], fill=True, color=COLORS[name], linewidth=0)
    heading(ax, "Where the estimates come from", f"{len(W):,} genes")
    style_lines(ax, x="genes, ranked", y="share of the estimate")
    ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.set_xlim(0, len(W))
    ax.set_ylim(0, 1)


def _deviance(ax: Axes, table: pd.DataFrame) -> None:
    of_mean = table["deviance_mean"].to_numpy(float)
    ratio = table["deviance"].to_numpy(float) / of_mean
    low, high = np.quantile(ratio, [0.002, 0.998])
    low, high = min(low, 0.98), max(high, 1.02)
    room = 0.04 * (high - low)
    _dots(ax, of_mean, ratio.clip(low, high), table)
    ax.axhline(1, color=FAINT, linestyle="--", linewidth=1)
    ax.set_ylim(low - room, high + room)
    _log_axis(ax, of_mean)
    heading(ax, "Held-out counts", f"below the gene's mean: {np.sum(ratio < 1):,} of {len(ratio):,} genes")
    style_lines(ax, x="deviance of the gene's mean, per cell", y="deviance relative to that", whole_x=False)


def _log_axis(ax: Axes, x: np.ndarray) -> None:
    """Logarithmic x axis with a few plain numbers."""
    ax.set_xscale("log")
    decades = np.log10(x.max() / x.min())
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if decades < 1.5 else (1,)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    ax.xaxis.set_minor_formatter(NullFormatter())


def _dots(ax: Axes, x: np.ndarray, y: np.ndarray, table: pd.DataFrame) -> None:
    """One dot a gene in an order without meaning, so that no colour covers the others."""
    weights = table.reindex(columns=list(SOURCES)).fillna(-1.0).to_numpy(float)
    colors = np.array(list(COLORS.values()))[weights.argmax(axis=1)]
    order = np.random.default_rng(0).permutation(x.size)
    ax.scatter(
        x[order],
        y[order],
        s=float(np.clip(6_000 / max(x.size, 1), 4, 28)),
        c=colors[order],
        alpha=0.85 if x.size < 500 else 0.35,
        linewidths=0,
        rasterized=x.size > _RASTER_ABOVE,
    )


_PANELS: list[tuple[Callable[[Axes, pd.DataFrame], None], list[str]]] = [
    (_moran, ["moran_before", "moran_after"]),
    (_weights, list(SOURCES)),
    (_deviance, ["deviance", "deviance_mean"]),
]
