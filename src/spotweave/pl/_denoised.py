"""Maps of genes as they were measured and as they were denoised."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys as keys
from .._table import get_coords, get_table
from ._expression import UNIT, change, expression, scores
from ._figure import Figure
from ._layout import Panel
from ._panels import Look, draw_grid
from ._spatial import make_panels
from ._values import Numbers, numbers

if TYPE_CHECKING:
    from anndata import AnnData


def denoised(
    data: Any,
    genes: str | Sequence[str],
    *,
    key: str = keys.DENOISED,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    cmap: str = "viridis",
    size: float | None = None,
) -> Figure:
    """Draw genes as they were measured and, beside it, as they were denoised.

    Parameters
    ----------
    data
        AnnData with the results of ``tl.denoise``, or SpatialData with such a table.
    genes
        A gene, by name or symbol, or a list of them: a row each.
    key
        Results in ``layers`` (all genes) or ``obsm`` (a table of some); scores by gene in ``varm``.
    layer
        Counts as they were measured, found as by the verbs when left out.
    spatial_key
        Coordinates in ``obsm``.
    library_key
        ``obs`` column that says which slide a row lies on: a row of maps for each gene and slide.
    cmap
        Colormap.
    size
        Multiple of the marker's own size, as in :func:`spatial`.

    Returns
    -------
    The figure. Both maps show ``log(1 + x m / s)``: x counts or expected counts of the gene, s all counts of the cell,
    m their median; grey are cells without counts. Each has a colour scale of its own, of which the 0.5 % most extreme
    values at either end are left out: denoised values span less, as counting noise is no longer in them. Above the
    maps are the share of cells in which the gene was seen, and its Moran's I before and after, where it is stored.

    Raises
    ------
    InputError
        When there are no results, a gene is unknown or was not denoised, or the coordinates are not found.

    Examples
    --------
    >>> sw.tl.denoise(adata)  # doctest: +SKIP
    >>> sw.pl.denoised(adata, ["PCP4", "MBP"])  # doctest: +SKIP
    """
    adata = get_table(data)
    options: dict[str, Any] = {"spatial_key": spatial_key, "library_key": library_key, "cmap": cmap}
    return draw_grid(gene_maps(adata, genes, key=key, layer=layer, **options), ncols=2, look=Look(size))


def gene_maps(
    adata: "AnnData",
    genes: str | Sequence[str],
    *,
    key: str = keys.DENOISED,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    cmap: str = "viridis",
) -> list[Panel]:
    """Return panels in the order measured, denoised, by gene and in it by slide."""
    get_coords(adata, spatial_key)
    found = expression(adata, genes, key=key, layer=layer)
    options: dict[str, Any] = {"spatial_key": spatial_key, "library_key": library_key, "image": False}
    panels: list[Panel] = []
    for j, (name, position) in enumerate(zip(found.genes, found.positions, strict=True)):
        before, after = (
            make_panels(adata, [numbers(f"{name} · {side}", X[:, j], cmap=cmap)._replace(unit=UNIT)], **options)
            for side, X in (("measured", found.measured), ("denoised", found.denoised))
        )
        moran = _moran(adata, key, position, n_slides=len(after))
        for one, other in zip(before, after, strict=True):
            panels += [one._replace(legend=True, note=_seen(one)), other._replace(legend=True, note=moran)]
    return panels


def _seen(panel: Panel) -> str:
    assert isinstance(panel.values, Numbers)
    return f"seen in {np.mean(panel.values.values > 0):.1%} of the cells"


def _moran(adata: "AnnData", key: str, position: int, *, n_slides: int) -> str:
    """Second line of a denoised map's title, empty when Moran's I is not stored."""
    table = scores(adata, key)
    if table is None or not {"moran_before", "moran_after"} <= set(table.columns):
        return ""
    before, after = (float(table[f"moran_{when}"].iloc[position]) for when in ("before", "after"))
    of = " of all slides" if n_slides > 1 else ""
    return f"Moran's I{of} {change(before, after)}" if np.isfinite(before + after) else ""
