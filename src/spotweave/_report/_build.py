"""The page: sections in order, each left out when the object has nothing for it."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from .. import _keys as keys
from .._check import fail
from .._table import get_obs, get_table
from .._whole import check_target, write_whole
from ._context import Context, Section
from ._data import depth, summary
from ._denoised import denoised
from ._domains import agreement, choice, markers, tissue, training
from ._histology import histology
from ._imputed import imputed
from ._proportions import proportions
from ._render import asset, render
from ._slices import slices
from ._spatial_genes import spatial_genes
from ._trust import parameters, trust

# A new verb adds its section here: a function of the context, None when the object has nothing to show.
SECTIONS: list[Callable[[Context], Section | None]] = [
    summary,
    tissue,
    trust,
    agreement,
    slices,
    choice,
    markers,
    proportions,
    spatial_genes,
    denoised,
    imputed,
    histology,
    training,
    depth,
    parameters,
]


def report(
    data: Any,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    truth: str | None = None,
    key: str = keys.DOMAIN,
    markers: pd.DataFrame | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
) -> Path:
    """Write one self-contained HTML page about what the object holds.

    The page needs no network: style, script and data are inside. Above 20,000 cells its map shows a sample and says
    so; all numbers are of all cells. It appears whole or not at all.

    Parameters
    ----------
    data
        AnnData, or SpatialData with a table. Sections are written only for what is there: a summary and the depth of
        the data; with the results of :func:`spotweave.tl.domains` their map, sizes, trustworthiness, choice of K,
        training and parameters; with those of ``tl.spatial_genes``, ``tl.gene_embedding`` and ``tl.gene_modules`` the
        genes that vary in space, their modules on the tissue and their map; with those of ``tl.denoise`` maps of genes
        before and after, and what it did to all genes; with those of ``tl.deconvolve`` which cell types spots are made
        of; of what ``tl.impute`` returned what it is worth, and maps; of what
        ``tl.Histology.predict`` returned which genes can be believed, and maps (measured values beside them from
        ``layers["measured"]``, a table of methods from ``uns["histology_scores"]``); with those of ``tl.integrate`` and ``tl.align`` how slices mix, which domains they share and how they lie.
    path
        Where to write; ends in ``.html``.
    title
        Heading of the page.
    truth
        ``obs`` column of known labels to compare the domains with.
    key
        ``obs`` column and ``uns`` key of the domains.
    markers
        Table of :func:`spotweave.tl.domain_markers`; ``uns[f"{key}_markers"]`` when left out.
    spatial_key
        Coordinates in ``obsm``.
    library_key
        ``obs`` column of the slide; that of the run when left out.

    Returns
    -------
    Path of the page.

    Raises
    ------
    InputError
        When `truth` or `library_key` is not found, or nothing can be written at `path`.

    Examples
    --------
    >>> sw.report(adata, "report.html", truth="layer")  # doctest: +SKIP
    """
    adata = get_table(data)
    target = check_target(path, ".html", ".htm")
    for name, column in (("truth", truth), ("library_key", library_key)):
        if column is not None:
            get_obs(adata, column, name=name)
    if truth is not None and key not in adata.obs:
        raise fail(
            f"domains in adata.obs[{key!r}] to compare {truth!r} with", "none", "Run spotweave.tl.domains first."
        )
    context = Context(adata, key, truth, library_key, spatial_key, markers)
    return write_whole(target, page(context, title or "Spatial transcriptomics report").encode())


def page(context: Context, title: str) -> str:
    """Return the page's HTML."""
    sections = [s for s in (make(context) for make in SECTIONS) if s is not None]
    return render(
        "page.html.j2",
        title=title,
        method=context.params.get("method"),
        n_obs=context.adata.n_obs,
        n_vars=context.adata.n_vars,
        sections=sections,
        date=datetime.now(tz=UTC).strftime("%Y-%m-%d"),
        version=_version(),
        style=asset("style.css"),
        script=asset("map.js"),
    )


def _version() -> str:
    from importlib.metadata import version

    return version("spotweave")
