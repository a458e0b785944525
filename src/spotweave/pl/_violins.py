"""Violins of genes by domain, as they were measured and as they were denoised."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from scipy.ndimage import gaussian_filter1d

from .. import _keys as keys
from .._check import fail
from .._table import get_obs, get_table
from ._colors import Palette, palette
from ._expression import UNIT, expression
from ._figure import INK, Figure, new_figure
from ._values import Categories, categories, label_codes

if TYPE_CHECKING:
    from anndata import AnnData

_PLACE, _ROW = 0.36, 1.25  # inches: width of one violin's place, height of a gene's row
_HALF = 0.42  # of a place: half the width of a violin at its widest
_BINS = 256


def denoised_violin(
    data: Any,
    genes: str | Sequence[str],
    groupby: str = keys.DOMAIN,
    *,
    key: str = keys.DENOISED,
    layer: str | None = None,
    colors: Palette | None = None,
) -> Figure:
    """Draw how genes are distributed in each domain, as measured and, beside it, as denoised.

    Parameters
    ----------
    data
        AnnData with the results of ``tl.denoise``, or SpatialData with such a table.
    genes
        A gene, by name or symbol, or a list of them: a row each.
    groupby
        ``obs`` column of the domains, or of other labels; cells without a label are left out.
    key
        Results in ``layers`` (all genes) or ``obsm`` (a table of some).
    layer
        Counts as they were measured, found as by the verbs when left out.
    colors
        Colours of the labels as `palette` of :func:`spatial`; as on the map when left out.

    Returns
    -------
    The figure. Values are those of :func:`denoised`, on one scale in each row. All violins are equally wide at their
    widest, and dots are medians; where all cells of a label have one value it is a line. Denoised values spread less
    than expression itself does, as each is a mean: do not read a test into violins that no longer overlap.

    Raises
    ------
    InputError
        When there are no results, a gene is unknown or was not denoised, or the column is not found.

    Examples
    --------
    >>> sw.pl.denoised_violin(adata, ["PCP4", "MBP"])  # doctest: +SKIP
    """
    adata = get_table(data)
    if get_obs(adata, groupby, name="groupby").isna().all():
        raise fail(f"labels in adata.obs[{groupby!r}]", "missing values only")
    found = expression(adata, genes, key=key, layer=layer)
    groups = _groups(adata, groupby, colors)
    width = max(_PLACE * len(groups.categories), 2.0)
    below = 0.3 + 0.075 * max(map(len, groups.categories))
    figure = new_figure(2 * width + 1.05, _ROW * len(found.genes) + below + 0.3)
    axes = figure.subplots(len(found.genes), 2, sharex=True, sharey="row", squeeze=False)
    for row, name, *sides in zip(axes, found.genes, found.measured.T, found.denoised.T, strict=True):
        for ax, values in zip(row, sides, strict=True):
            _draw(ax, values, groups)
        row[0].set_ylabel(name, fontsize=10, color=INK)
    for ax, side in zip(axes[0], ("measured", "denoised"), strict=True):
        ax.set_title(side, fontsize=11, color=INK)
    figure.supylabel(UNIT.replace(" per", "\nper"), fontsize=8, color=INK)  # as high as one row
    return figure


def _groups(adata: "AnnData", groupby: str, colors: Palette | None) -> Categories:
    if colors is None and keys.SPATIAL not in adata.obsm and keys.colors(groupby) not in adata.uns:
        colors = palette(len(label_codes(adata.obs[groupby])[1]))
    return categories(adata, groupby, palette=colors)


def _draw(ax: Axes, values: np.ndarray, groups: Categories) -> None:
    """Violins of one gene, a place for each label, empty ones too."""
    for place, colour in enumerate(groups.colors):
        own = values[(groups.codes == place) & np.isfinite(values)]
        if not own.size:
            continue
        at, density = outline(own)
        if at.size > 1:
            ax.fill_betweenx(at, place - _HALF * density, place + _HALF * density, color=colour, linewidth=0)
        else:
            ax.plot([place - _HALF / 2, place + _HALF / 2], [at[0], at[0]], color=colour, linewidth=2.5)
        ax.plot(place, np.median(own), "o", markersize=4, color="white", markeredgecolor=INK, markeredgewidth=0.8)
    ax.set_xlim(-0.6, len(groups.categories) - 0.4)
    turned = max(map(len, groups.categories)) > 3
    ax.set_xticks(range(len(groups.categories)), groups.categories, rotation=90 if turned else 0, fontsize=9)
    ax.tick_params(length=0, labelsize=8, labelcolor=INK)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    ax.set_axisbelow(True)


def outline(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return places between the least and the greatest value and the density there, at most 1; one place if all agree.

    A Gaussian kernel on a fine histogram, which costs one pass over any number of cells. The width of the kernel is
    ``0.9 min(sd, IQR / 1.34) n^(-1/5)`` (Silverman, Density Estimation, 1986, equation 3.31); mass that it would carry
    beyond the values is reflected.
    """
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(high), 1.0):
        return np.array([low]), np.ones(1)
    heights, edges = np.histogram(values, bins=_BINS, range=(low, high))
    quarter = np.subtract(*np.quantile(values, [0.75, 0.25])) / 1.34
    spread = min(values.std(), quarter) if quarter > 0 else values.std()
    step = (high - low) / _BINS
    width = max(0.9 * float(spread) * values.size**-0.2 / step, 2.0)  # bins
    density = gaussian_filter1d(heights.astype(float), width, mode="reflect")
    return (edges[:-1] + edges[1:]) / 2, density / density.max()
