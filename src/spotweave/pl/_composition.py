"""Stacked bars of composition: of groups of spots, or of every spot."""

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from .. import _keys as keys
from .._check import fail
from .._table import get_obs, get_table
from ._colors import Palette
from ._figure import INK, Figure, new_figure
from ._shares import MOST, Shares, shares_of, some_types
from ._values import label_codes

if TYPE_CHECKING:
    from collections.abc import Sequence

_BAR, _LETTER, _LINE = 0.3, 0.078, 0.2  # inches: a bar with its gap, a letter, a line of the legend
_LONG = 4.6  # inches: a bar of all spots
_DRAWN = 3_000  # spots in a row; more are thinner than a pixel


def composition(
    data: Any,
    groupby: str | None = None,
    *,
    key: str = keys.PROPORTIONS,
    types: "Sequence[str] | None" = None,
    palette: Palette | None = None,
) -> Figure:
    """Draw the mean composition of groups of spots as stacked bars, or that of each spot.

    Parameters
    ----------
    data
        AnnData with the results of ``tl.deconvolve``, or SpatialData with such a table.
    groupby
        ``obs`` column such as domains or slides: a bar for each label, with the number of its spots. None: all spots
        side by side, ordered by their leading type and its share.
    key
        Shares in ``obsm``.
    types
        Types to draw, in this order; the 16 most abundant when left out. All others are drawn as one, light grey.
    palette
        Colours of the types, as in :func:`proportions`.

    Returns
    -------
    The figure. Shares are means over spots, each spot counts the same; spots without a label are left out.

    Raises
    ------
    InputError
        When there are no shares under `key`, or a type or the column is not found.

    Examples
    --------
    >>> import spotweave as sw
    >>> figure = sw.pl.composition(adata, "domain")  # doctest: +SKIP
    """
    adata = get_table(data)
    shares = some_types(shares_of(adata, key, palette), types, most=MOST, rest=True)
    if groupby is None:
        return _each(shares)
    codes, names = label_codes(get_obs(adata, groupby, name="groupby"))
    means, sizes = group_means(shares.values, codes, len(names))
    kept = np.flatnonzero(sizes)
    if not kept.size:
        raise fail(f"labels in adata.obs[{groupby!r}]", "missing values only")
    labels = [f"{names[i]}  ({sizes[i]:,})" for i in kept]
    return _bars(means[kept], labels, shares, groupby)


def group_means(values: np.ndarray, codes: np.ndarray, n_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """Return mean shares ``[n_groups, t]`` and numbers of spots ``[n_groups]``; spots without shares are left out."""
    kept = (codes >= 0) & np.isfinite(values).all(axis=1)
    sums = np.zeros((n_groups, values.shape[1]))
    np.add.at(sums, codes[kept], values[kept])
    sizes = np.bincount(codes[kept], minlength=n_groups)
    return sums / np.maximum(sizes, 1)[:, None], sizes


def _bars(means: np.ndarray, labels: list[str], shares: Shares, title: str) -> Figure:
    n = len(means)
    ax, figure = _axes(_LETTER * max(map(len, labels)) + 0.3, max(n * _BAR, _LINE * len(shares.names)), shares)
    thick = 0.82 * min(1.0, n * _BAR / (_LINE * len(shares.names)) * 1.6)
    left = np.zeros(n)
    for part, color in zip(means.T, shares.colors, strict=True):
        ax.barh(np.arange(n), part, left=left, height=thick, color=color, linewidth=0)
        left += part
    ax.set_yticks(np.arange(n), labels, fontsize=9)
    ax.set_ylim(n - 0.5, -0.5)
    _finish(ax, "x")
    ax.set_title(title, fontsize=11, color=INK, loc="left")
    return figure


def _each(shares: Shares) -> Figure:
    ax, figure = _axes(0.5, 2.4, shares)
    values = shares.values[np.isfinite(shares.values).all(axis=1)]
    if not len(values):
        raise fail("spots with shares", "none")
    first = values.argmax(axis=1)
    order = np.lexsort((-values[np.arange(len(values)), first], first))
    drawn = order[np.linspace(0, len(order) - 1, min(len(order), _DRAWN)).astype(int)]
    edges = np.linspace(0, len(values), len(drawn) + 1)
    top = np.zeros(len(edges))
    for part, color in zip(values[drawn].T, shares.colors, strict=True):
        below, top = top, top + np.append(part, part[-1])  # the last step is drawn to its right edge
        ax.fill_between(edges, below, top, step="post", facecolor=color, linewidth=0)
    ax.set_xlim(0, len(values))
    ax.set_xticks([])
    ax.set_xlabel(f"{len(values):,} spots, by leading type", fontsize=9, color=INK)
    _finish(ax, "y")
    return figure


def _axes(left: float, height: float, shares: Shares) -> tuple[Axes, Figure]:
    """Axes with room for labels at the left, the legend at the right and ticks below, in inches."""
    right = 0.55 + _LETTER * max(map(len, shares.names))
    below, above = 0.5, 0.35
    height = max(height, _LINE * len(shares.names))
    figure = new_figure(left + _LONG + right, below + height + above, layout=None)
    w, h = figure.get_size_inches()
    ax = figure.add_axes((left / w, below / h, _LONG / w, height / h))
    ax.legend(
        handles=[Patch(color=c, label=n) for n, c in zip(shares.names, shares.colors, strict=True)],
        loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, fontsize=9, labelcolor=INK,
        handlelength=0.9, handleheight=0.9, handletextpad=0.5, labelspacing=0.35,
    )  # fmt: skip
    return ax, figure


def _finish(ax: Axes, direction: str) -> None:
    """Share from 0 to 100 % along `direction`, no frame."""
    low_high, ticks = (0.0, 1.0), [0, 0.25, 0.5, 0.75, 1]
    if direction == "x":
        ax.set_xlim(*low_high)
        ax.set_xticks(ticks, [f"{t:.0%}" for t in ticks])
    else:
        ax.set_ylim(*low_high)
        ax.set_yticks(ticks, [f"{t:.0%}" for t in ticks])
    ax.tick_params(length=0, labelcolor=INK, labelsize=9)
    ax.spines[:].set_visible(False)
