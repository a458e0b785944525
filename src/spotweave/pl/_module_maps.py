"""Maps of gene modules: the mean of each, and one beside its genes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _keys as keys
from .._check import check_range, fail, listing
from .._table import get_coords, get_table
from ._figure import Figure
from ._layout import Panel
from ._module_means import ModuleMeans, Modules, log_expression, module_means, modules_of, top_genes
from ._names import shortened
from ._panels import Look, draw_grid
from ._spatial import make_panels, slides_in_row
from ._values import numbers, symbols

if TYPE_CHECKING:
    from anndata import AnnData

SIDE, LEAST = 2.4, 2.2  # inches of a map's longer side (many are compared), and of its title
MEAN_UNIT, GENE_UNIT = "mean z score", "log expression"
_TITLE, _NOTE = 23, 32  # letters
_NAMED = 3  # genes


def gene_modules(
    data: Any,
    modules: Sequence[str | int] | None = None,
    *,
    key: str = keys.GENE_MODULE,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    cmap: str = "viridis",
    ncols: int = 4,
    size: float | None = None,
) -> Figure:
    """Draw where on the tissue each module of genes is high.

    Parameters
    ----------
    data
        AnnData with the results of ``tl.gene_modules``, or SpatialData with such a table.
    modules
        Names of the modules to draw, all when left out.
    key
        Modules in ``var``; their probabilities, where stored, in ``varm``.
    layer
        Raw counts, found as by the verbs when left out.
    spatial_key, library_key, size
        As in :func:`spatial`.
    cmap
        Colormap. Each map has a scale of its own, which leaves out the 0.5 % most extreme values at either end.
    ncols
        Maps in a row.

    Returns
    -------
    The figure. A map shows the mean over the module's genes, weighted by probability, of the standardised
    ``log(1 + x m / s)``: x counts of the gene, s all counts of the cell, m their median; grey are cells without
    counts. Above it are the number of genes and those that correlate best with the rest of the module.

    Raises
    ------
    InputError
        When there are no modules, one is unknown, or the counts or coordinates are not found.

    Examples
    --------
    >>> sw.tl.gene_modules(adata)  # doctest: +SKIP
    >>> sw.pl.gene_modules(adata)  # doctest: +SKIP
    """
    adata = get_table(data)
    get_coords(adata, spatial_key)
    found = modules_of(adata, key)
    chosen = list(range(len(found.names))) if modules is None else _numbers_of(found, modules)
    means = module_means(adata, found, layer=layer)
    options: dict[str, Any] = {"spatial_key": spatial_key, "library_key": library_key, "cmap": cmap}
    panels = mean_panels(adata, found, means, chosen, **options)
    return draw_grid(panels, ncols=slides_in_row(panels, len(chosen), ncols), look=Look(size), side=SIDE, least=LEAST)


def module_genes(
    data: Any,
    module: str | int,
    *,
    n_genes: int = 7,
    key: str = keys.GENE_MODULE,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    cmap: str = "viridis",
    ncols: int = 4,
    size: float | None = None,
) -> Figure:
    """Draw a module's mean, and beside it the genes that follow it most closely.

    Parameters
    ----------
    data
        AnnData with the results of ``tl.gene_modules``, or SpatialData with such a table.
    module
        Name of the module.
    n_genes
        Genes to draw: those that correlate best with the mean of the rest of the module.
    key, layer, spatial_key, library_key, cmap, ncols, size
        As in :func:`gene_modules`.

    Returns
    -------
    The figure: the mean as in :func:`gene_modules`, then the genes as ``log(1 + x m / s)``, each on a scale of its own,
    with their correlation with the rest of the module.

    Raises
    ------
    InputError
        When there are no modules, `module` is unknown, or the counts or coordinates are not found.

    Examples
    --------
    >>> sw.pl.module_genes(adata, 3)  # doctest: +SKIP
    """
    check_range(n_genes, "n_genes", low=1, integer=True)
    adata = get_table(data)
    get_coords(adata, spatial_key)
    found = modules_of(adata, key)
    (k,) = _numbers_of(found, [module])
    means = module_means(adata, found, layer=layer)
    options: dict[str, Any] = {"spatial_key": spatial_key, "library_key": library_key, "cmap": cmap}
    panels = mean_panels(adata, found, means, [k], **options)
    columns = top_genes(found, means, k)[:n_genes]
    Y = log_expression(adata, columns, layer=layer)
    for j, name in enumerate(symbols(adata, [str(n) for n in adata.var_names[columns]])):
        r = means.agreement[columns[j]]
        note = "" if np.isnan(r) else f"r = {r:.2f} with the rest".replace("-", "−")
        panels += _panels(adata, shortened(name, _TITLE), Y[:, j], unit=GENE_UNIT, note=note, **options)
    return draw_grid(
        panels, ncols=slides_in_row(panels, 1 + columns.size, ncols), look=Look(size), side=SIDE, least=LEAST
    )


def mean_panels(
    adata: "AnnData",
    modules: Modules,
    means: ModuleMeans,
    chosen: Sequence[int],
    *,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    cmap: str = "viridis",
) -> list[Panel]:
    """Return panels of module means, by module and in it by slide."""
    options: dict[str, Any] = {"spatial_key": spatial_key, "library_key": library_key, "cmap": cmap}
    panels: list[Panel] = []
    for k in chosen:
        members = top_genes(modules, means, k)
        names = symbols(adata, [str(name) for name in adata.var_names[members[:_NAMED]]])
        title = f"{_called(modules.names[k])} · {members.size:,} {'gene' if members.size == 1 else 'genes'}"
        panels += _panels(adata, title, means.values[:, k], unit=MEAN_UNIT, note=_fitting(names), **options)
    return panels


def _panels(
    adata: "AnnData", title: str, values: np.ndarray, *, unit: str, note: str, cmap: str, **options: Any
) -> list[Panel]:
    shown = numbers(title, values, cmap=cmap)._replace(unit=unit)
    panels = make_panels(adata, [shown], image=False, **options)
    return [p._replace(legend=True, note=note if i == 0 else "") for i, p in enumerate(panels)]


def _called(name: str) -> str:
    """A bare number is not a title."""
    return f"module {name}" if name.isdigit() else shortened(name)


def _fitting(names: Sequence[str]) -> str:
    """As many of the names as fit into a line, at least one."""
    line = shortened(names[0], _NOTE)
    for name in names[1:]:
        if len(line) + 2 + len(name) > _NOTE:
            break
        line = f"{line}, {name}"
    return line


def _numbers_of(found: Modules, wanted: Sequence[str | int]) -> list[int]:
    asked = [wanted] if isinstance(wanted, str | int) else list(wanted)
    number = {name: k for k, name in enumerate(found.names)}
    unknown = [name for name in asked if str(name) not in number]
    if unknown or not asked:
        raise fail(f"modules among {listing(found.names)}", listing(unknown))
    return [number[str(name)] for name in asked]
