"""Maps of labels, values and genes on the tissue."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys as keys
from .._check import fail
from .._table import get_coords, get_obs, get_table
from ._colors import Palette
from ._image import backdrop
from ._layout import Panel
from ._panels import Look, draw_grid, draw_panel, rows_of
from ._values import Values, label_codes, look_up

if TYPE_CHECKING:
    from anndata import AnnData
    from matplotlib.axes import Axes


def spatial(  # noqa: PLR0913 (drawing options; all have defaults)
    data: Any,
    color: str | Sequence[str],
    *,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    layer: str | None = None,
    size: float | None = None,
    cmap: str = "viridis",
    palette: Palette | None = None,
    alpha: float | None = None,
    ncols: int = 4,
    title: str | Sequence[str] | None = None,
    legend: bool = True,
    image: bool = True,
    ax: "Axes | None" = None,
    figsize: tuple[float, float] | None = None,
) -> Any:
    """Draw labels, values or genes where they lie on the tissue.

    Parameters
    ----------
    data
        AnnData, or SpatialData with a table.
    color
        A column of ``obs``, a gene, an ``obsm`` key (its three leading components as red, green and blue), one of its
        columns as ``"key:column"``, or a list of such names: a panel each.
    spatial_key
        Coordinates in ``obsm``; the first two columns are drawn, y downwards as in an image.
    library_key
        ``obs`` column that says which slide a row lies on: a panel for each slide.
    layer
        Where genes are read, ``X`` when left out.
    size
        Multiple of the marker's own size. That follows from the points: on a square or hexagonal lattice tiles which
        fill it, elsewhere discs of the area that a cell has; on an image the spots' diameter.
    cmap
        Colormap of numbers. The scale leaves out the 0.5 % most extreme values at either end.
    palette
        Colours of labels: a colormap's name, a list, or a dict by label. When left out ``uns[f"{color}_colors"]``, else
        a choice that gives touching labels colours far apart.
    alpha
        Opacity.
    ncols
        Panels in a row; with several slides, when there are no more of them than this, one row for each colour.
    title
        Of the panels; the name of the colour, and of the slide, when left out.
    legend
        Explain the colours beside the panels.
    image
        Draw the image of ``uns["spatial"]`` behind the spots, where there is one.
    ax
        Draw a single panel into these axes.
    figsize
        Inches; from the shape of the tissue when left out.

    Returns
    -------
    The figure (nothing is shown or kept by pyplot), or `ax` when given.

    Raises
    ------
    InputError
        When a name or the coordinates are not found, or `ax` is given for several panels.

    Examples
    --------
    >>> import spotweave as sw
    >>> figure = sw.pl.spatial(adata, ["domain", "PCP4"])  # doctest: +SKIP
    >>> figure.savefig("domains.png")  # doctest: +SKIP
    """
    adata = get_table(data)
    names = [color] if isinstance(color, str) else list(color)
    get_coords(adata, spatial_key)
    values = [
        look_up(
            adata,
            name,
            layer=layer,
            cmap=cmap,
            palette=palette,
            spatial_key=spatial_key,
            library_key=library_key,
        )
        for name in names
    ]
    panels = make_panels(
        adata, values, spatial_key=spatial_key, library_key=library_key, title=title, legend=legend, image=image
    )
    look = Look(size, alpha)
    if ax is None:
        return draw_grid(panels, ncols=slides_in_row(panels, len(values), ncols), look=look, figsize=figsize)
    if len(panels) != 1:
        raise fail("one panel for `ax`", f"{len(panels)} panels", "Leave `ax` out, or draw one colour of one slide.")
    draw_panel(ax, panels[0], look)
    return ax


def make_panels(
    adata: "AnnData",
    values: Sequence[Values],
    *,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    title: str | Sequence[str] | None = None,
    legend: bool = True,
    image: bool = True,
) -> list[Panel]:
    """Return a panel for each of `values` and slide, slides of one colour side by side, the legend at the last."""
    xy = get_coords(adata, spatial_key)[:, :2]
    slides = slide_rows(adata, library_key)
    titles = _titles(title, values, slides)
    panels: list[Panel] = []
    for value in values:
        for i, (slide, rows) in enumerate(slides):
            behind = backdrop(adata, slide) if image else None
            explained = legend and i == len(slides) - 1
            panels.append(Panel(xy[rows], rows_of(value, rows), titles[len(panels)], behind, explained))
    return panels


def slide_rows(adata: "AnnData", library_key: str | None) -> list[tuple[str | None, np.ndarray]]:
    """Return name and row numbers of each slide that has rows; without `library_key` all rows under None."""
    if adata.n_obs == 0:
        raise fail("at least one cell", "a table without rows")
    if library_key is None:
        return [(None, np.arange(adata.n_obs))]
    codes, names = label_codes(get_obs(adata, library_key, name="library_key"))
    rows = [(name, np.flatnonzero(codes == i)) for i, name in enumerate(names)]
    named: list[tuple[str | None, np.ndarray]] = [(name, found) for name, found in rows if found.size]
    if not named:
        raise fail(f"names of slides in adata.obs[{library_key!r}]", "missing values only")
    return named


def slides_in_row(panels: Sequence[Panel], n_values: int, ncols: int) -> int:
    """Return the number of columns: one row for each colour, when its slides fit into one."""
    n_slides = len(panels) // max(n_values, 1)
    return n_slides if 1 < n_slides <= ncols else ncols


def _titles(title: str | Sequence[str] | None, values: Sequence[Values], slides: Sequence[tuple]) -> list[str]:
    n = len(values) * len(slides)
    if title is None:
        return [v.name if s is None else f"{v.name} · {s}" for v in values for s, _ in slides]
    given = [title] * n if isinstance(title, str) else list(title)
    if len(given) != n:
        raise fail(f"{n} titles, one for each panel", str(len(given)))
    return given
