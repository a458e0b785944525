"""The test of all genes for spatial variation in one picture."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from .. import _keys as keys
from .._check import check_choice, check_range, fail, listing
from .._table import get_table
from ._figure import ACCENT, FAINT, Figure, heading, new_figure, style_lines
from ._names import place_names
from ._values import symbols

_WIDTH, _HEIGHT = 5.8, 4.7  # inches
_BOX = (0.8 / _WIDTH, 0.6 / _HEIGHT, (_WIDTH - 1.0) / _WIDTH, (_HEIGHT - 1.15) / _HEIGHT)
_FLOOR = 300.0  # -log10 of the least p that the test returns; beyond it numbers end
_LONG = {"x": 3.0, "y": 30.0}  # values beyond these ask for an axis that shrinks them
_TICKS = np.array([0, 0.1, 0.3, 1, 3, 10, 30, 100, 300])
_RASTER_ABOVE = 2_000  # points beyond which a vector file holds a picture instead


class GeneTests(NamedTuple):
    """Genes that were tested, in the order of the table."""

    genes: list[str]
    table: pd.DataFrame
    """Columns statistic, pvalue, qvalue, effect, scale and what else is stored; a row for each gene."""


def spatial_genes(
    data: Any,
    *,
    key: str = keys.SPATIAL_GENES,
    alpha: float = 0.05,
    by: str = "qvalue",
    n_names: int = 15,
) -> Figure:
    """Draw the test for spatial variation: size of the pattern against significance, a dot for each gene.

    Parameters
    ----------
    data
        AnnData with the results of :func:`spotweave.tl.spatial_genes`, or SpatialData with such a table.
    key
        Prefix of the columns in ``var``.
    alpha
        Genes with a `by` of at most this are called and coloured.
    by
        ``"qvalue"`` or ``"pvalue"``: what the height shows.
    n_names
        Genes to name: the most significant called ones and those with the largest effect in turn. Names that find no
        free place are left out.

    Returns
    -------
    The figure. Long axes are linear near 0 and logarithmic beyond. Triangles at the upper edge are genes whose p value
    lies below the least number that the test returns, 1e-300. Genes that were not tested are left out.

    Raises
    ------
    InputError
        When there are no results, or an argument is out of its range.

    Examples
    --------
    >>> sw.tl.spatial_genes(adata)  # doctest: +SKIP
    >>> sw.pl.spatial_genes(adata)  # doctest: +SKIP
    """
    check_choice(by, ("qvalue", "pvalue"), "by")
    check_range(alpha, "alpha", low=0, high=1)
    check_range(n_names, "n_names", low=0, integer=True)
    found = gene_tests(get_table(data), key)
    x = found.table["effect"].to_numpy(float)
    height, beyond = significance(found.table, by)
    called = found.table[by].to_numpy(float) <= alpha
    figure = new_figure(_WIDTH, _HEIGHT, layout=None)
    ax = figure.add_axes(_BOX)
    _scale(ax, "x", x)
    _scale(ax, "y", height)
    _dots(ax, x, height, called, beyond)
    if alpha > 0:
        ax.axhline(-np.log10(alpha), color=FAINT, linestyle="--", linewidth=1)
    letter = by[0]
    edge = f" · ▲ {beyond.sum():,} with p below 1e−300" if beyond.any() else ""
    heading(ax, f"{called.sum():,} of {called.size:,} genes", f"vary in space at {letter} ≤ {alpha:g}{edge}")
    style_lines(ax, x="effect (relative change over the tissue)", y=f"−log₁₀ {letter}", whole_x=False)
    best = _best(found.table, called, by)[:n_names]
    xy = np.column_stack([x, height])
    place_names(ax, xy[best], [found.genes[i] for i in best], dots=xy)
    return figure


def gene_tests(adata: Any, key: str) -> GeneTests:
    """Return the columns of the test without their prefix, of the genes that were tested."""
    prefix = f"{key}_"
    columns = {str(c).removeprefix(prefix): adata.var[c] for c in adata.var if str(c).startswith(prefix)}
    missing = {"statistic", "pvalue", "qvalue", "effect", "scale"} - set(columns)
    if missing:
        raise fail(
            f"columns {sorted(prefix + name for name in missing)} in adata.var",
            f"columns {listing(adata.var.columns)}",
            "Run spotweave.tl.spatial_genes(adata) first.",
        )
    table = pd.DataFrame(columns)
    kept = np.isfinite(table[["scale", "pvalue", "qvalue", "effect"]].to_numpy(dtype=float)).all(axis=1)
    if not kept.any():
        raise fail("genes that were tested", f"none among {len(table):,}", "Genes found on three cells or more are.")
    table = table[kept]
    return GeneTests(symbols(adata, [str(name) for name in table.index]), table)


def significance(table: pd.DataFrame, by: str) -> tuple[np.ndarray, np.ndarray]:
    """Return -log10 of the values ``[g]``, and which genes' p values lie below all numbers, drawn at the edge."""
    values = table[by].to_numpy(float)
    height = -np.log10(np.maximum(values, 10**-_FLOOR)) + 0.0  # never -0
    return height, -np.log10(np.maximum(table["pvalue"].to_numpy(float), 10**-_FLOOR)) >= _FLOOR - 1e-6


def _best(table: pd.DataFrame, called: np.ndarray, by: str) -> np.ndarray:
    """Called genes, the most significant and those of the largest effect in turn."""
    rows = np.flatnonzero(called)
    values, effect, statistic = (table[c].to_numpy(float)[rows] for c in (by, "effect", "statistic"))
    orders = np.stack([np.lexsort((-statistic, values)), np.argsort(-effect, kind="stable")], axis=1)
    return rows[list(dict.fromkeys(orders.ravel().tolist()))]


def _scale(ax: Axes, axis: str, values: np.ndarray) -> None:
    """Limits with some room, and an axis that shrinks large numbers when there are such."""
    high = float(values.max(initial=0.0))
    which = ax.xaxis if axis == "x" else ax.yaxis
    unit = _LONG[axis] / 10
    if high > _LONG[axis]:
        (ax.set_xscale if axis == "x" else ax.set_yscale)("asinh", linear_width=unit)
        which.set_major_locator(FixedLocator(_TICKS[(_TICKS == 0) | (unit / 3 <= _TICKS)].tolist()))
        which.set_minor_locator(NullLocator())
        which.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        top = unit * np.sinh(1.1 * np.arcsinh(high / unit))
        ax.set(**{f"{axis}lim": (-0.25 * unit, top)})
        return
    high = high or unit
    ax.set(**{f"{axis}lim": (-0.03 * high, 1.1 * high)})


def _dots(ax: Axes, x: np.ndarray, y: np.ndarray, called: np.ndarray, beyond: np.ndarray) -> None:
    size = float(np.clip(12_000 / max(x.size, 1), 6, 28))
    for rows, color, marker in (
        (~called & ~beyond, FAINT, "o"),
        (called & ~beyond, ACCENT, "o"),
        (beyond, ACCENT, "^"),
    ):
        if rows.any():
            look: dict[str, Any] = {"c": color, "marker": marker, "s": size, "alpha": 0.7, "linewidths": 0}
            ax.scatter(x[rows], y[rows], rasterized=x.size > _RASTER_ABOVE, **look)
