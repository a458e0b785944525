"""Dot plot of marker genes by domain."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from matplotlib.collections import PathCollection
from matplotlib.lines import Line2D

from .. import _keys as keys
from .._check import InputError, check_range, fail, listing
from .._table import get_counts, get_matrix, get_obs, get_table, row_chunks
from ._figure import INK, Figure, new_figure
from ._values import categories, gene_position, label_codes, symbols

if TYPE_CHECKING:
    from anndata import AnnData

_CELL = 0.27  # inches of one dot's place
_SCALE = 1e4  # counts a cell before the logarithm, scanpy's habit


def domain_markers(
    data: Any, table: pd.DataFrame, n: int = 5, *, key: str = keys.DOMAIN, layer: str | None = None
) -> Figure:
    """Draw the best markers of each domain as dots: colour is mean expression, size the share of cells.

    Parameters
    ----------
    data
        AnnData, or SpatialData with a table.
    table
        As :func:`spotweave.tl.domain_markers` returns it: columns ``gene``, ``domain``, ``effect``.
    n
        Genes for each domain: the first of the table (which has the best first) with a positive effect.
    key
        ``obs`` column of the domains.
    layer
        Counts, found as by the verbs when left out. Shown as ``log(1 + 10^4 count / total)``; a matrix that holds no
        counts is shown as it is.

    Returns
    -------
    The figure. Colour runs for each gene from its lowest to its highest domain mean.

    Raises
    ------
    InputError
        When the table lacks a column, or names genes that the data do not have.
    """
    adata = get_table(data)
    check_range(n, "n", low=1, integer=True)
    codes, names = label_codes(get_obs(adata, key))
    chosen = top_markers(table, n, names)
    genes = chosen["gene"].tolist()
    means, shares = domain_means(adata, genes, codes, len(names), layer=layer)
    low, high = means.min(axis=0), means.max(axis=0)
    scaled = (means - low) / np.where(high > low, high - low, 1)
    has_map = keys.SPATIAL in adata.obsm or keys.colors(key) in adata.uns
    colors = categories(adata, key).colors if has_map else [INK] * len(names)
    return _draw(scaled, shares, symbols(adata, genes), chosen["domain"].tolist(), names, colors)


def top_markers(table: pd.DataFrame, n: int, domains: list[str]) -> pd.DataFrame:
    """Return the first `n` rows with a positive effect of each domain, in the order of `domains`."""
    missing = {"gene", "domain", "effect"} - set(table.columns)
    if missing:
        raise fail(f"columns {sorted(missing)} in the table of markers", f"columns {listing(table.columns)}")
    table = table.assign(domain=table["domain"].astype(str))
    order = {d: i for i, d in enumerate(domains)}
    raised = table[(table["effect"] > 0) & table["domain"].isin(order)]
    best = raised.groupby("domain", sort=False).head(n)
    if best.empty:
        raise fail(f"markers of the domains {listing(domains)}", f"domains {listing(table['domain'].unique())}")
    return best.sort_values("domain", key=lambda d: d.map(order), kind="stable").reset_index(drop=True)


def domain_means(
    adata: "AnnData", genes: list[str], codes: np.ndarray, n_domains: int, *, layer: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return mean log-normalised expression and share of cells above zero, both ``[n_domains, len(genes)]``."""
    positions = [gene_position(adata, g) for g in genes]
    unknown = [g for g, p in zip(genes, positions, strict=True) if p is None]
    if unknown:
        raise fail("marker genes that the data have", f"unknown {listing(unknown)}")
    try:
        X, counts = get_counts(adata, layer), True
    except InputError:
        X, counts = get_matrix(adata, layer)[0], False
    sums = np.zeros((2, n_domains, len(genes)))
    for rows, block in row_chunks(X):
        member = _membership(codes[rows], n_domains)
        values = block[:, positions]
        values = np.asarray(values.toarray() if sp.issparse(values) else values, dtype=float)
        if counts:
            total = np.asarray(block.sum(axis=1), dtype=float).reshape(-1, 1)
            values = np.log1p(_SCALE * values / np.where(total > 0, total, 1))
        sums[0] += member @ values
        sums[1] += member @ (values > 0)
    sizes = np.bincount(codes[codes >= 0], minlength=n_domains)
    means, shares = sums / np.maximum(sizes, 1)[None, :, None]
    return means, shares


def _membership(codes: np.ndarray, n_domains: int) -> sp.csr_matrix:
    kept = np.flatnonzero(codes >= 0)
    return sp.csr_matrix((np.ones(kept.size), (codes[kept], kept)), shape=(n_domains, codes.size))


def _draw(
    scaled: np.ndarray, shares: np.ndarray, genes: list[str], owners: list[str], names: list[str], colors: list[str]
) -> Figure:
    n_domains, n_genes = scaled.shape
    width, height = _CELL * n_genes, _CELL * n_domains
    left, right, bottom, top = 0.3 + 0.08 * max(map(len, names)), 1.5, 0.3 + 0.09 * max(map(len, genes)), 0.4
    figure = new_figure(left + width + right, max(height + bottom + top, 2.2), layout=None)
    w, h = figure.get_size_inches()
    ax = figure.add_axes((left / w, 1 - (top + height) / h, width / w, height / h))
    x, y = np.meshgrid(np.arange(n_genes), np.arange(n_domains))
    dots = ax.scatter(x, y, s=_area(shares), c=scaled, cmap="Purples", vmin=0, vmax=1, edgecolors=INK, linewidths=0.3)
    ax.set_xlim(-0.5, n_genes - 0.5)
    ax.set_ylim(n_domains - 0.5, -0.5)
    ax.set_xticks(range(n_genes), genes, rotation=90, fontsize=8)
    ax.set_yticks(range(n_domains), names, fontsize=9)
    ax.tick_params(length=0, labelcolor=INK)
    ax.spines[:].set_visible(False)
    for i, owner in enumerate(owners):  # whose marker it is: a band above the dots
        ax.plot([i - 0.45, i + 0.45], [-0.75, -0.75], color=colors[names.index(owner)], linewidth=4, clip_on=False)
    _explain(figure, dots)
    return figure


def _explain(figure: Figure, dots: PathCollection) -> None:
    """Colour and size, at the right of the dots."""
    w = figure.get_size_inches()[0]
    bar = figure.colorbar(dots, cax=figure.add_axes((1 - 1.25 / w, 0.1, 0.12 / w, 0.38)))
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=8, length=2)
    bar.set_label("mean expression\n(gene's own range)", fontsize=8)
    sizes = {f"{part:.0%}": float(_area(part)) ** 0.5 for part in (0.25, 0.5, 1.0)}
    figure.legend(
        handles=[Line2D([], [], marker="o", linestyle="", color=INK, markersize=s, label=t) for t, s in sizes.items()],
        title="cells",
        title_fontsize=8,
        loc="upper left",
        bbox_to_anchor=(1 - 1.4 / w, 1),
        frameon=False,
        fontsize=8,
        labelspacing=1.1,
        handletextpad=0.8,
    )


def _area(shares: Any) -> Any:
    """Dot area in square points: a dot of all cells fills its place."""
    return (0.85 * _CELL * 72) ** 2 * shares
