"""Which cell types are found together: a matrix within spots, and one between neighbours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from .. import _keys as keys
from .._check import check_range
from .._table import get_graph, get_table
from ..core.colocation import N_SHUFFLES, Colocation
from ..core.colocation import colocation as kernel
from ._colors import MISSING
from ._figure import INK, Figure, heading, new_figure
from ._shares import shares_of, some_types

if TYPE_CHECKING:
    from anndata import AnnData

_CELL, _LETTER, _BAR = 0.3, 0.072, 1.0  # inches: a field, a letter of a name, the colour bar
_NUMBERED = 14  # types up to which fields hold numbers
_NOTE = "correlation above what a fixed sum gives"
_LEAST_LIMIT = 0.1  # of the scale: noise stays pale


def colocation(
    data: Any,
    *,
    key: str = keys.PROPORTIONS,
    types: Sequence[str] | None = None,
    graph_key: str | None = None,
    n_shuffles: int = N_SHUFFLES,
    rng: int = 0,
    cmap: str = "RdBu_r",
) -> Figure:
    """Draw which cell types are found together, in spots and in neighbouring ones.

    Parameters
    ----------
    data
        AnnData with the results of ``tl.deconvolve``, or SpatialData with such a table.
    key
        Shares in ``obsm``.
    types
        Types to draw; all when left out. Shares are of all types, whichever are drawn.
    graph_key
        Graph of neighbours in ``obsp``; ``"spatial_connectivities"`` where it is there when left out. Without one the
        second matrix is left out.
    n_shuffles, rng
        Shuffles that tell what a fixed sum gives, and their seed.
    cmap
        Colormap, with 0 in its middle.

    Returns
    -------
    The figure: the correlation of the shares of each two types over spots, and of a spot's with its neighbours' mean,
    less what the fixed sum of shares alone would give (:func:`spotweave.metrics.colocation`). Red pairs are found
    together, blue ones apart. Like types lie side by side. Types whose share does not vary are grey. There are no p
    values: neighbouring spots are no independent ones.

    Raises
    ------
    InputError
        When there are no shares under `key`, or a type or the graph is not found.

    Examples
    --------
    >>> import spotweave as sw
    >>> sw.gr.knn(adata)  # doctest: +SKIP
    >>> figure = sw.pl.colocation(adata)  # doctest: +SKIP
    """
    adata = get_table(data)
    check_range(n_shuffles, "n_shuffles", low=1, integer=True)
    shares = shares_of(adata, key)
    chosen = shares.names if types is None else some_types(shares, types, most=1, rest=False).names
    found = colocations(adata, key, graph_key=graph_key, n_shuffles=n_shuffles, rng=rng)
    kept = [shares.names.index(name) for name in chosen]
    matrices = {name: result.excess[np.ix_(kept, kept)] for name, result in found.items()}
    order = like_order(matrices["within spots"])
    return _draw({n: M[np.ix_(order, order)] for n, M in matrices.items()}, [chosen[i] for i in order], cmap)


def colocations(
    adata: "AnnData", key: str, *, graph_key: str | None = None, n_shuffles: int = N_SHUFFLES, rng: int = 0
) -> dict[str, Colocation]:
    """Return co-location within spots, and with neighbours where there is a graph."""
    P = np.nan_to_num(shares_of(adata, key).values)
    found = {"within spots": kernel(P, n_shuffles=n_shuffles, rng=rng)}
    graph_key = graph_key or (keys.SPATIAL_CONNECTIVITIES if keys.SPATIAL_CONNECTIVITIES in adata.obsp else None)
    if graph_key is not None:
        graph = get_graph(adata, graph_key)
        found["with neighbours"] = kernel(P, graph=graph, n_shuffles=n_shuffles, rng=rng)
    return found


def like_order(M: np.ndarray) -> list[int]:
    """Order of types in which those that are found together are side by side (average linkage, best turn of leaves)."""
    if len(M) < 3:
        return list(range(len(M)))
    D = 1 - np.nan_to_num((M + M.T) / 2).clip(-1, 1)
    np.fill_diagonal(D, 0.0)
    return [int(i) for i in leaves_list(linkage(squareform(D, checks=False), "average", optimal_ordering=True))]


def _draw(matrices: dict[str, np.ndarray], names: list[str], cmap: str) -> Figure:
    t, n = len(names), len(matrices)
    off = ~np.eye(t, dtype=bool)
    limit = max([_LEAST_LIMIT, *(float(np.nanmax(np.abs(M[off]), initial=0.0)) for M in matrices.values())])
    side, word = _CELL * t, 0.25 + _LETTER * max(map(len, names))
    wide = max(side, 2.6)  # room for the heading
    figure = new_figure(word + n * wide + (n - 1) * 0.25 + _BAR, 0.55 + side + word, layout=None)
    w, h = figure.get_size_inches()
    for i, (title, M) in enumerate(matrices.items()):
        ax = figure.add_axes(((word + i * (wide + 0.25)) / w, word / h, side / w, side / h))
        _matrix(ax, M, names if i == 0 else None, names, limit, cmap)
        heading(ax, title, _NOTE)
    low = word + side / 2 - min(side, 2.4) / 2
    bar = figure.add_axes(((w - _BAR + 0.25 - (wide - side)) / w, low / h, 0.12 / w, min(side, 2.4) / h))
    drawn = figure.colorbar(figure.axes[0].images[0], cax=bar)
    drawn.outline.set_visible(False)
    bar.tick_params(labelsize=8, color=INK, labelcolor=INK, length=2)
    return figure


def _matrix(ax: Axes, M: np.ndarray, rows: list[str] | None, names: list[str], limit: float, cmap: str) -> None:
    shown = np.where(np.eye(len(M), dtype=bool), np.nan, M)
    ax.imshow(np.ma.masked_invalid(shown), cmap=mpl.colormaps[cmap].with_extremes(bad=MISSING), vmin=-limit, vmax=limit)
    for i in range(len(M)):
        ax.add_patch(mpl.patches.Rectangle((i - 0.5, i - 0.5), 1, 1, color="white"))
        for j in range(len(M)):
            if i != j and len(M) <= _NUMBERED and np.isfinite(M[i, j]):
                ink = "white" if abs(M[i, j]) > 0.7 * limit else INK
                ax.text(j, i, _short(M[i, j]), ha="center", va="center", fontsize=6.5, color=ink)
    ax.set_xticks(range(len(M)), names, rotation=90, fontsize=9)
    ax.set_yticks(range(len(M)), rows or [""] * len(M), fontsize=9)
    ax.tick_params(length=0, labelcolor=INK)
    ax.spines[:].set_visible(False)


def _short(value: float) -> str:
    """Two digits without the leading zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("0.", ".").replace("-", "−")
