"""Composition of spots on the tissue: a pie at each spot, or a map for each type."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import _keys as keys
from .._check import check_choice
from .._table import get_coords, get_table, logger
from ._colors import Palette
from ._figure import Figure, new_figure
from ._layout import LONGER, Panel, plan
from ._markers import fit_marker
from ._panels import Look, draw_grid
from ._pies import draw_pies
from ._shares import MOST, Shares, shares_of, some_types
from ._spatial import make_panels, slide_rows
from ._values import Categories, Numbers, numbers

if TYPE_CHECKING:
    from anndata import AnnData

MOST_PIES = 5_000
"""Spots of a slide beyond which pies are dots."""
_MAPS = 12
_PIE, _LONGEST = 0.16, 10.0  # inches: diameter that lets a pie be read, and the longest side of a map
_CUT = 0.995  # of the shares the common scale holds


def proportions(
    data: Any,
    *,
    key: str = keys.PROPORTIONS,
    kind: Literal["pies", "maps"] = "pies",
    types: Sequence[str] | None = None,
    scale: Literal["common", "own"] = "common",
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    palette: Palette | None = None,
    cmap: str = "viridis",
    size: float | None = None,
    ncols: int = 4,
    image: bool = True,
) -> Figure:
    """Draw which cell types each spot is made of.

    Parameters
    ----------
    data
        AnnData with the results of ``tl.deconvolve``, or SpatialData with such a table.
    key
        Shares in ``obsm``.
    kind
        ``"pies"``: a pie at each spot; ``"maps"``: a map for each type. Slides of more than 5,000 spots are drawn as
        maps, with a warning.
    types
        Types to draw, in this order. None: the most abundant, 16 as pies and 12 as maps. Pies have one more wedge,
        light grey, for all others.
    scale
        Of maps: from 0 to one greatest share for all types, or to that of each type.
    spatial_key
        Coordinates in ``obsm``.
    library_key
        ``obs`` column that says which slide a row lies on: a panel for each slide.
    palette
        Colours of the types: a colormap's name, a list, or a dict by type. Left out, ``uns[f"{key}_colors"]`` or colours
        by the abundance of the types in all of ``obsm[key]``: a type has one colour in all pictures of an object.
    cmap
        Colormap of maps.
    size
        Multiple of the pie's or the marker's own size.
    ncols
        Panels in a row.
    image
        Draw the image of ``uns["spatial"]`` behind the spots, where there is one.

    Returns
    -------
    The figure. Above a map is the mean share of its spots. Maps cut 0.5 % of the greatest shares off the scale.

    Raises
    ------
    InputError
        When there are no shares under `key`, or a type or a column is not found.

    Examples
    --------
    >>> import spotweave as sw
    >>> figure = sw.pl.proportions(adata)  # doctest: +SKIP
    >>> figure = sw.pl.proportions(adata, kind="maps", types=["L4", "L5"], scale="own")  # doctest: +SKIP
    """
    adata = get_table(data)
    check_choice(kind, ["pies", "maps"], "kind")
    check_choice(scale, ["common", "own"], "scale")
    shares = shares_of(adata, key, palette)
    get_coords(adata, spatial_key)
    place: dict[str, Any] = {"spatial_key": spatial_key, "library_key": library_key, "image": image}
    if kind == "pies":
        most = max(len(rows) for _, rows in slide_rows(adata, library_key))
        if most <= MOST_PIES:
            return _pies(adata, some_types(shares, types, most=MOST, rest=True), key, size, ncols, place)
        logger.warning("%d spots are too many for pies; drawn as maps, a type each", most)
    panels = share_maps(adata, some_types(shares, types, most=_MAPS, rest=False), scale=scale, cmap=cmap, **place)
    n_slides = len(slide_rows(adata, library_key))
    return draw_grid(panels, ncols=n_slides if 1 < n_slides <= ncols else ncols, look=Look(size))


def share_maps(
    adata: "AnnData",
    shares: Shares,
    *,
    scale: Literal["common", "own"] = "common",
    cmap: str = "viridis",
    **place: Any,
) -> list[Panel]:
    """Return a panel for each type and slide, in that order, with a colour bar at the last slide of each scale."""
    common = _greatest(shares.values)
    values = [
        numbers(name, x, cmap=cmap, limits=(0.0, common if scale == "common" else _greatest(x)))
        for name, x in zip(shares.names, shares.values.T, strict=True)
    ]
    panels = make_panels(adata, values, **place)
    last = len(panels) - 1
    return [
        panel._replace(note=_mean(panel), legend=panel.legend and (scale == "own" or i == last))
        for i, panel in enumerate(panels)
    ]


def _mean(panel: Panel) -> str:
    """Second line of a map's title."""
    x = panel.values.values[np.isfinite(panel.values.values)] if isinstance(panel.values, Numbers) else np.empty(0)
    return f"mean share {x.mean():.1%}" if x.size else "no shares"


def _greatest(x: np.ndarray) -> float:
    """Upper end of a scale; that of a type in a few spots is their greatest share."""
    finite = x[np.isfinite(x)]
    if not finite.size:
        return 1.0
    cut = float(np.quantile(finite, _CUT, method="higher"))
    return cut if cut > 0.01 else max(float(finite.max()), 0.01)


def _pies(adata: "AnnData", shares: Shares, key: str, size: float | None, ncols: int, place: dict[str, Any]) -> Figure:
    leading = np.where(np.isfinite(shares.values).all(axis=1), np.nan_to_num(shares.values).argmax(axis=1), 0)
    panels = make_panels(adata, [Categories(_titled(key), leading, shares.names, shares.colors)], **place)
    if len(panels) > 1:
        panels = [p._replace(title=p.title.removeprefix(f"{_titled(key)} · ")) for p in panels]
    slides = [rows for _, rows in slide_rows(adata, place["library_key"])]
    grid = plan(panels, ncols=ncols, side=max(_side(panel) for panel in panels))
    figure = new_figure(grid.width, grid.height, layout=None)
    for panel, rows, (left, bottom, width, height) in zip(panels, slides, grid.boxes, strict=True):
        ax = figure.add_axes((left / grid.width, bottom / grid.height, width / grid.width, height / grid.height))
        draw_pies(ax, panel, shares.values[rows], shares.colors, size=size)
    return figure


def _titled(key: str) -> str:
    return "cell types" if key == keys.PROPORTIONS else key


def _side(panel: Panel) -> float:
    """Longer side in inches, at which the pies can be read."""
    across = float(np.ptp(panel.xy, axis=0).max()) / max(fit_marker(panel.xy).diameter, 1e-9)
    return float(np.clip(_PIE * across, LONGER, _LONGEST))
