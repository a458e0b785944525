"""What integration did: surroundings before and after, and labels on all slices."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys as keys
from .._check import fail, listing
from .._table import get_obs, get_table
from ._aligned import slice_colors
from ._colors import Palette
from ._figure import Figure, new_figure
from ._layout import Panel, plan
from ._markers import fit_marker
from ._panels import Look, draw_panel, frame, rows_of
from ._spatial import make_panels, slides_in_row
from ._values import categories, look_up

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes

_SIDE = 2.8  # inches: the side of a view
_OUTSIDE = 0.002  # of the cells, at each end of an axis, may lie outside a view: a few odd ones flatten all others
_LARGEST = 0.018  # diameter of a dot, in sides of a view
_OPAQUE = 0.7
_ROOM = 0.05
_SQUARE = np.array([[0.0, 0.0], [1.0, 1.0]])
_WHEN = ("before", "after")


def integrated(
    data: Any,
    *,
    color: str | None = None,
    key: str = keys.INTEGRATED,
    library_key: str | None = None,
    spatial_key: str | None = None,
    layer: str | None = None,
    cmap: str = "viridis",
    palette: Palette | None = None,
    size: float | None = None,
) -> Figure:
    """Draw the surroundings of cells before and after integration, and labels on all slices.

    The upper row has a dot for each cell, placed by its surroundings, on the same axes before and after: from left to
    right what differs most within batches, upwards what told the batches apart best. Batches should come to lie upon
    each other. The lower row shows `color` on every slice; its colours should mean the same tissue.

    Parameters
    ----------
    data
        AnnData with the results of ``tl.integrate``, or SpatialData with such a table.
    color
        A column of ``obs`` or a gene; ``"domain"`` when left out, where it is there.
    key
        Name of the result.
    library_key
        Column of ``obs`` that says which slice a row lies on; that of the run when left out.
    spatial_key
        Coordinates in ``obsm``; when left out those of ``tl.align`` where they are there, else those of the run.
    layer
        Where a gene is read, ``X`` when left out.
    cmap
        Colormap of numbers.
    palette
        Colours of the labels: a colormap's name, a list, or a dict by label.
    size
        Multiple of the marker's own size on the slices.

    Returns
    -------
    The figure. Mixing is iLISI, 0 apart to 1 mixed; neighbours kept is the share of the nearest on the own slice.

    Raises
    ------
    InputError
        When nothing was integrated under `key`, or a name is not found.

    Examples
    --------
    >>> import spotweave as sw
    >>> sw.tl.integrate(adata, library_key="slice")  # doctest: +SKIP
    >>> sw.tl.domains(adata, 6, use_rep="X_integrated", library_key="slice")  # doctest: +SKIP
    >>> figure = sw.pl.integrated(adata)  # doctest: +SKIP
    """
    adata = get_table(data)
    used = _used(adata, key)
    library_key = library_key or used.get("library_key")
    if library_key is None:
        raise fail("`library_key`", "None, and no record of it in adata.uns", "Name the column of slices.")
    spatial_key = spatial_key or _places(adata, used)
    color = color or (keys.DOMAIN if keys.DOMAIN in adata.obs else None)
    maps: list[Panel] = []
    if color is not None:
        values = look_up(
            adata, color, layer=layer, cmap=cmap, palette=palette, spatial_key=spatial_key, library_key=library_key
        )
        maps = make_panels(adata, [values], spatial_key=spatial_key, library_key=library_key, image=False)
    return _drawn(_views(adata, key, library_key), maps, Look(size))


def surroundings_figure(data: Any, *, key: str = keys.INTEGRATED, library_key: str) -> Figure:
    """Draw the upper row of `integrated` alone."""
    return _drawn(_views(get_table(data), key, library_key), [], Look())


def _views(adata: "AnnData", key: str, library_key: str) -> list[Panel]:
    """Return surroundings before and after, nearly all within one square, by batch."""
    used, report = _used(adata, key), adata.uns.get(keys.integrate(key), {})
    batch_key = used.get("batch_key") or library_key
    get_obs(adata, batch_key, name="library_key")
    names = keys.surroundings(key)
    batch = categories(adata, batch_key, colors=slice_colors(adata, batch_key), spatial_key=names[1])
    both = [np.asarray(adata.obsm[name], dtype=float)[:, :2] for name in names]
    mixing = [f"mixing {report[f'ilisi_{when}']:.2f}" if f"ilisi_{when}" in report else "" for when in _WHEN]
    kept = f", neighbours kept {report['neighbors_kept']:.0%}" if "neighbors_kept" in report else ""
    low, high = (np.quantile(np.concatenate(both), share, axis=0) for share in (_OUTSIDE, 1 - _OUTSIDE))
    scaled = [(xy - low) / np.where(high > low, high - low, 1) for xy in both]
    return [
        _shuffled(Panel(scaled[0], batch, "surroundings as measured", legend=False, note=mixing[0])),
        _shuffled(Panel(scaled[1], batch, "surroundings integrated", note=mixing[1] + kept)),
    ]


def _used(adata: "AnnData", key: str) -> Mapping[str, Any]:
    """Parameters of the run."""
    missing = [name for name in keys.surroundings(key) if name not in adata.obsm]
    if missing:
        raise fail(
            f"surroundings in adata.obsm[{missing[0]!r}]",
            f"obsm keys {listing(adata.obsm)}",
            "Run spotweave.tl.integrate.",
        )
    report = adata.uns.get(keys.integrate(key), {})
    found = report.get("params", {}) if isinstance(report, Mapping) else {}
    return found if isinstance(found, Mapping) else {}


def _places(adata: "AnnData", used: Mapping[str, Any]) -> str:
    return keys.ALIGNED if keys.ALIGNED in adata.obsm else str(used.get("spatial_key", keys.SPATIAL))


def _shuffled(panel: Panel) -> Panel:
    """Leave out what lies outside, and draw the rest in random order: no batch lies upon another."""
    rows = np.flatnonzero(((panel.xy > -_ROOM) & (panel.xy < 1 + _ROOM)).all(axis=1))
    rows = np.random.default_rng(0).permutation(rows)
    return panel._replace(xy=panel.xy[rows], values=rows_of(panel.values, rows))


def _dots(panel: Panel) -> Look:
    """Dots that fill the view, however dense its middle is."""
    wanted = min(_LARGEST, 1 / np.sqrt(max(len(panel.xy), 1)))
    return Look(wanted / fit_marker(panel.xy).diameter, _OPAQUE)


def _drawn(views: list[Panel], maps: list[Panel], look: Look) -> Figure:
    """Draw two rows: views of the same square, and maps."""
    above = plan([view._replace(xy=_SQUARE) for view in views], ncols=2, side=_SIDE)
    below = plan(maps, ncols=slides_in_row(maps, 1, 4)) if maps else None
    width, height = above.width, above.height
    if below is not None:
        width, height = max(width, below.width), height + below.height
    figure = new_figure(width, height, layout=None)
    for view, box in zip(views, above.boxes, strict=True):
        ax = _axes(figure, box, height - above.height)
        draw_panel(ax, view, _dots(view))
        frame(ax, _SQUARE, _ROOM)
    for panel, box in zip(maps, below.boxes if below is not None else [], strict=True):
        draw_panel(_axes(figure, box, 0.0), panel, look)
    return figure


def _axes(figure: Figure, box: tuple[float, float, float, float], bottom: float) -> "Axes":
    """Axes in a box given in inches, that much higher up."""
    width, height = figure.get_size_inches()
    return figure.add_axes((box[0] / width, (bottom + box[1]) / height, box[2] / width, box[3] / height))
