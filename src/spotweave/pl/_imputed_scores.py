"""What held-out panel genes say of predictions: how good, with how much pattern, how well their intervals cover."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MultipleLocator, PercentFormatter

from .._check import fail, listing
from .._table import get_table
from ._expression import change
from ._figure import ACCENT, FAINT, INK, Figure, heading, new_figure, style_lines
from ._imputed import imputation
from ._names import place_names

WARN = "#d55e00"
_SIDE, _LEFT, _RIGHT, _TOP, _BOTTOM = 3.0, 0.85, 0.3, 0.5, 0.6  # inches: a square panel and the room around it
_NAMES = 6
_RASTER_ABOVE = 2_000  # points beyond which a vector file holds a picture instead
_MIDDLE = [0.1, 0.9]  # quantiles over genes that the bars of coverage span


def imputed_scores(data: Any) -> Figure:
    """Draw how well panel genes were predicted when they were held out.

    Parameters
    ----------
    data
        What ``tl.impute`` returned.

    Returns
    -------
    The figure:

    - Correlation of prediction and counts beyond depth, genes ranked by it, and as dots what was expected of each gene
      from its kind, as it is of genes that were not measured. Where dots follow the line they can be told apart.
    - Moran's I of the measured counts, and of counts drawn from the prediction: on the dashed line the pattern has the
      strength it should have. Orange are false patterns: genes whose counts show none, and whose prediction does.
    - Share of cells inside intervals calibrated on other genes against the share that was asked for: mean of all
      genes, and the range of the middle 80 % of them.

    Panels of scores that are not stored are left out.

    Raises
    ------
    InputError
        When `data` does not come from ``tl.impute``, or no score is stored.

    Examples
    --------
    >>> imputed = sw.tl.impute(adata, reference)  # doctest: +SKIP
    >>> sw.pl.imputed_scores(imputed)  # doctest: +SKIP
    """
    table = held_out_scores(imputation(get_table(data)))
    panels = [draw for draw, names in _PANELS if len(_complete(table, names))]
    if not panels:
        raise fail("scores of held-out genes", f"columns {listing(table.columns)}")
    width, height = len(panels) * (_LEFT + _SIDE) + _RIGHT, _TOP + _SIDE + _BOTTOM
    figure = new_figure(width, height, layout=None)
    for i, draw in enumerate(panels):
        left = _LEFT + i * (_LEFT + _SIDE)
        draw(figure.add_axes((left / width, _BOTTOM / height, _SIDE / width, _SIDE / height)), table)
    return figure


def held_out_scores(result: Mapping[str, Any]) -> pd.DataFrame:
    """Return the table of scores by held-out gene."""
    found = result["held_out"]
    return found if isinstance(found, pd.DataFrame) else pd.DataFrame(found)


def coverage_table(table: pd.DataFrame) -> pd.DataFrame:
    """Return by nominal level in percent the mean over genes, and the ends of the middle 80 % of them."""
    columns = {float(str(c).removeprefix("coverage_")): table[c] for c in table if str(c).startswith("coverage_")}
    found = pd.DataFrame(columns).dropna().astype(float)
    if found.empty:
        return pd.DataFrame(columns=["mean", "low", "high"], dtype=float)
    low, high = found.quantile(_MIDDLE).to_numpy()
    return pd.DataFrame({"mean": found.mean(), "low": low, "high": high}).sort_index()


def _complete(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Genes with all of these scores; none when a column is missing."""
    if not set(names) <= set(table.columns):
        return table.iloc[:0]
    return table[np.isfinite(table[names].to_numpy(dtype=float)).all(axis=1)]


def _ranked(ax: Axes, table: pd.DataFrame) -> None:
    kept = _complete(table, _RANKED).sort_values("residual_r", ascending=False, kind="stable")
    found, expected = (kept[name].to_numpy(float) for name in _RANKED)
    rank = np.arange(1, len(kept) + 1)
    ax.scatter(
        rank, expected, s=_size(len(kept)), c=FAINT, alpha=0.6, linewidths=0, rasterized=len(kept) > _RASTER_ABOVE
    )
    ax.plot(rank, found, color=ACCENT, linewidth=2)
    ax.axhline(0, color=FAINT, linestyle="--", linewidth=1)
    note = f"median {np.median(found):.2f}, above 0: {np.mean(found > 0):.0%} of {len(kept):,} genes"
    heading(ax, "Held-out genes", note.replace("-", "−"))
    style_lines(ax, x="genes, ranked", y="correlation beyond depth")
    room = 0.03 * len(kept)
    ax.set_xlim(1 - room, len(kept) + room)
    legend = ax.legend(["expected", "found"], loc="upper right", frameon=False, fontsize=9, labelcolor=INK)
    xy = np.column_stack([rank, found])
    names = [str(name) for name in kept.index[:_NAMES]]
    place_names(ax, xy[:_NAMES], names, dots=np.vstack([xy, np.column_stack([rank, expected])]), beside=legend.texts)


def _moran(ax: Axes, table: pd.DataFrame) -> None:
    kept = _complete(table, _MORAN)
    measured, drawn = (kept[name].to_numpy(float) for name in _MORAN)
    false = kept.get("flat_patterned", pd.Series(data=False, index=kept.index)).to_numpy(bool)
    low, high = min(measured.min(), drawn.min(), 0.0), max(measured.max(), drawn.max())
    room = 0.04 * max(high - low, 0.1)
    for rows, color in ((~false, ACCENT), (false, WARN)):
        look: dict[str, Any] = {"alpha": 0.7, "linewidths": 0, "rasterized": len(kept) > _RASTER_ABOVE}
        ax.scatter(measured[rows], drawn[rows], s=_size(len(kept)), c=color, **look)
    ax.axline((0, 0), slope=1, color=FAINT, linestyle="--", linewidth=1)
    ax.set_xlim(low - room, high + room)
    ax.set_ylim(low - room, high + room)
    spread = f"median {change(np.median(measured), np.median(drawn))}"
    flat = int(kept["flat"].sum()) if "flat" in kept else 0
    note = f"{spread}; false: {false.sum():,} of {flat:,} flat" if flat else spread
    heading(ax, "Spatial pattern", note)
    style_lines(ax, x="Moran's I, measured", y="Moran's I, counts drawn from prediction", whole_x=False)


def _coverage(ax: Axes, table: pd.DataFrame) -> None:
    found = coverage_table(table)
    nominal = found.index.to_numpy(float) / 100
    mean, low, high = (found[name].to_numpy(float) for name in ("mean", "low", "high"))
    ax.vlines(nominal, low, high, color=ACCENT, alpha=0.3, linewidth=6)
    ax.plot(nominal, mean, color=ACCENT, marker="o", markersize=6, linestyle="")
    ax.axline((0, 0), slope=1, color=FAINT, linestyle="--", linewidth=1)
    bottom = float(np.floor(10 * min(low.min(), nominal.min())) / 10)
    ax.set_xlim(float(nominal.min()) - 0.05, 1)
    ax.set_ylim(max(bottom, 0.0), 1.02)
    ax.xaxis.set_major_locator(MultipleLocator(0.1))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(PercentFormatter(1, decimals=0))
    heading(ax, "Intervals", "dot: mean of genes, bar: the middle 80% of them")
    style_lines(ax, x="cells to be covered", y="cells covered", whole_x=False)


def _size(n: int) -> float:
    return float(np.clip(6_000 / max(n, 1), 5, 28))


_RANKED, _MORAN = ["residual_r", "expected_correlation"], ["moran", "moran_expected"]
_PANELS: list[tuple[Callable[[Axes, pd.DataFrame], None], list[str]]] = [
    (_ranked, _RANKED),
    (_moran, _MORAN),
    (_coverage, ["coverage_90"]),
]
