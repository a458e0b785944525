"""Slices upon each other, as they were and as they were aligned."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import _keys as keys
from .._check import fail, listing
from .._table import get_coords, get_table
from ._colors import Palette
from ._figure import Figure, new_figure
from ._layout import Panel, plan
from ._panels import Look, draw_panel, frame, rows_of
from ._spatial import slide_rows
from ._values import Categories, Values, categories, look_up

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

_OPAQUE = (0.3, 0.6)
"""Least and most opacity of a slice: what lies below shows."""


def aligned(
    data: Any,
    *,
    library_key: str | None = None,
    color: str | None = None,
    key: str = keys.ALIGNED,
    spatial_key: str | None = None,
    layer: str | None = None,
    cmap: str = "viridis",
    palette: Palette | None = None,
    alpha: float | None = None,
    size: float | None = None,
) -> Figure:
    """Draw the slices upon each other, as they were and as `tl.align` placed them.

    Coloured by slice, tissue that lies upon other tissue takes a mixed colour. Coloured by a label or a gene, colours
    stay pure where the slices agree.

    Parameters
    ----------
    data
        AnnData with the results of ``tl.align``, or SpatialData with such a table.
    library_key
        Column of ``obs`` that says which slice a row lies on; the one that was aligned by when left out.
    color
        A column of ``obs`` or a gene; the slice when left out.
    key
        Places in ``obsm``.
    spatial_key
        Coordinates before, in ``obsm``; those that were aligned when left out.
    layer
        Where a gene is read, ``X`` when left out.
    cmap
        Colormap of numbers.
    palette
        Colours of labels or slices: a colormap's name, a list, or a dict by name.
    alpha
        Opacity of a slice; from their number when left out.
    size
        Multiple of the marker's own size.

    Returns
    -------
    The figure: two maps, with the mean agreement of the slices above them.

    Raises
    ------
    InputError
        When nothing was aligned under `key`, or a name is not found.

    Examples
    --------
    >>> import spotweave as sw
    >>> figure = sw.pl.aligned(adata, color="domain")  # doctest: +SKIP
    """
    adata = get_table(data)
    report = adata.uns.get(keys.align(key), {})
    if key not in adata.obsm:
        raise fail(f"places in adata.obsm[{key!r}]", f"obsm keys {listing(adata.obsm)}", "Run spotweave.tl.align.")
    used = report.get("params", {}) if isinstance(report, Mapping) else {}
    library_key = library_key or used.get("library_key")
    if library_key is None:
        raise fail("`library_key`", "None, and no record of it in adata.uns", "Name the column of slices.")
    slices = [rows for _, rows in slide_rows(adata, library_key)]
    spatial_key = spatial_key or used.get("spatial_key", keys.SPATIAL)
    values = _values(adata, color, library_key, spatial_key=key, layer=layer, cmap=cmap, palette=palette)
    before, after = (get_coords(adata, where)[:, :2] for where in (spatial_key, key))
    notes = _agreement(report)
    panels = [
        Panel(before, values, "as measured", legend=False, note=notes[0]),
        Panel(after, values, "aligned", note=notes[1]),
    ]
    grid = plan(panels, ncols=2)
    figure = new_figure(grid.width, grid.height, layout=None)
    look = Look(size, alpha or float(np.clip(1.2 / len(slices), *_OPAQUE)))
    for panel, (left, bottom, width, height) in zip(panels, grid.boxes, strict=True):
        box = (left / grid.width, bottom / grid.height, width / grid.width, height / grid.height)
        _overlay(figure.add_axes(box), panel, slices, look)
    return figure


def _overlay(ax: "Axes", panel: Panel, slices: list[np.ndarray], look: Look) -> None:
    """Draw slice upon slice; the last one has title and legend."""
    below = panel._replace(title="", note=None, legend=False)
    for i, rows in enumerate(slices):
        part = panel if i == len(slices) - 1 else below
        draw_panel(ax, part._replace(xy=panel.xy[rows], values=rows_of(panel.values, rows)), look)
    ax.set_anchor("N")  # the titles of both maps at one height
    frame(ax, panel.xy, 0.02 * float(np.ptp(panel.xy, axis=0).max()))


def _values(
    adata: "AnnData",
    color: str | None,
    library_key: str,
    *,
    spatial_key: str,
    layer: str | None,
    cmap: str,
    palette: Palette | None,
) -> Values:
    if color is not None and color != library_key:
        return look_up(
            adata, color, layer=layer, cmap=cmap, palette=palette, spatial_key=spatial_key, library_key=library_key
        )
    colors = None if palette is not None else slice_colors(adata, library_key)
    found = categories(adata, library_key, palette=palette, colors=colors, spatial_key=spatial_key)
    reference = adata.uns.get(keys.align(spatial_key), {}).get("reference")
    names = [f"{name} (reference)" if name == reference else name for name in found.categories]
    return Categories(found.name, found.codes, names, found.colors)


def slice_colors(adata: "AnnData", library_key: str) -> list[str] | None:
    """Stored colours, else colours that mix well; None for more slices than these."""
    if keys.colors(library_key) in adata.uns:
        return None
    n = pd.Series(adata.obs[library_key]).nunique()
    return list(_MIXING[:n]) if n <= len(_MIXING) else None


_MIXING = ("#0072b2", "#e69f00", "#cc3377", "#009e73", "#7b4fa3", "#56b4e9")


def _agreement(report: Any) -> tuple[str, str]:
    """Mean agreement of the moved slices before and after, empty when it is not known."""
    fit = report.get("fit") if isinstance(report, Mapping) else None
    if not isinstance(fit, pd.DataFrame) or not {"agreement_before", "agreement"} <= set(fit):
        return "", ""
    before, after = (float(fit[c].mean()) for c in ("agreement_before", "agreement"))
    return f"agreement {before:.2f}", f"agreement {after:.2f}"
