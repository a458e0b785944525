"""Deconvolution: which cell types the counts of each spot come from."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._check import check_choice, check_range, fail, listing
from .._gene_names import match_genes
from .._table import get_codes, get_coords, get_table, logger, write
from .._table import params as run_params
from ..core.deconvolution.confusion import confused_pairs
from ..core.deconvolution.nb import NbParams
from ..core.imputation.pair import sizes, totals
from ._deconvolve_methods import METHODS, Found
from ._domain_methods import configured
from ._labelled_reference import read_labels, sample_by_type
from ._tissue import read_graph
from ._two_tables import read_role, with_counts

if TYPE_CHECKING:
    from anndata import AnnData

REGRESSIONS = ("nb", "combined")
"""Methods that have settings."""


class Proportions(NamedTuple):
    """What ``tl.deconvolve(..., copy=True)`` returns."""

    proportions: pd.DataFrame
    """Shares of cells, spots x types; rows sum to 1."""
    sd: pd.DataFrame | None
    """Their standard deviations, of methods that have them."""
    report: dict[str, Any]
    """What ``uns["deconvolve"]`` would hold."""


def deconvolve(  # noqa: PLR0913 (keyword-only options of one verb)
    adata: "AnnData",
    reference: "AnnData",
    *,
    labels_key: str,
    method: Literal["nb", "combined", "mapping", "poisson", "nnls"] = "nb",
    unknown: bool = False,
    smoothness: float = 0.0,
    layer: str | None = None,
    reference_layer: str | None = None,
    min_cells: int = 2,
    max_cells: int = 1_000,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    graph_key: str | None = None,
    key_added: str = keys.PROPORTIONS,
    table_key: str = "table",
    rng: int | np.random.Generator = 0,
    copy: bool = False,
    params: NbParams | None = None,
    **options: Any,
) -> Proportions | None:
    r"""Find the shares of cell types in each spot.

    * ``"nb"``: negative binomial regression of a spot's counts on signatures of the types: a factor for each gene
      between the technologies, variation of cells within a type, diffuse background, weights that are never negative.
      Signatures borrow from related types where cells are few. See `core.deconvolution.nb`.
    * ``"mapping"``: the sparse map of cells to spots of `map_cells`, summed by type. Some four times slower.
    * ``"combined"``: the mean of both, whose errors are of different kinds; standard deviations are those of ``"nb"``.
    * ``"poisson"``, ``"nnls"``: Poisson regression and non-negative least squares on mean shares, as rivals.

    Parameters
    ----------
    adata
        Spots with raw counts: AnnData, or a SpatialData object with this table.
    reference
        Cells with raw counts and their types. Genes are matched by ids or symbols of any case; what differs is said.
    labels_key
        Column of ``reference.obs`` with the type of each cell.
    method
        See above.
    unknown
        Learn one more profile, for cells that the reference lacks, from what its types leave unexplained (``"nb"``
        and ``"combined"``); it gets the column ``"unknown"``. Gene programs of the tissue are taken for it as well:
        use it where you have reason to think that a type is missing.
    smoothness
        How much the neighbours of a spot count beside its own counts (``"nb"``): 0 not at all, 1 as much as the
        counts of a typical spot. It shows gradients; it blurs borders and rare cells, and costs
        accuracy on every set measured.
    layer, reference_layer
        Layers of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    min_cells
        Cells that each type must have.
    max_cells
        Cells of each type that are used at most, drawn at random.
    spatial_key
        Coordinates in ``adata.obsm``, for `smoothness`.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on; no neighbour is on another slide.
    graph_key
        Use this graph from ``adata.obsp`` (symmetrised) instead of 6 nearest neighbours.
    key_added
        Where the results go.
    table_key
        Name of the table in SpatialData objects.
    rng
        Seed or generator. The same seed gives the same result on one machine.
    copy
        Return the results and leave `adata` alone.
    params
        Settings of ``"nb"`` and ``"combined"``; the defaults when None.
    **options
        Single fields of these settings.

    Returns
    -------
    None, or `Proportions` with ``copy=True``. Writes

    * ``adata.obsm[key_added]``: DataFrame spots x types, float32, rows sum to 1. A spot without counts gets the mean
      of all others, with a warning;
    * ``adata.obsm[key_added + "_sd"]`` (``"nb"``): standard deviations from perturbed fits. They hold the noise of
      counts, not that of signatures: a type that is told from another by few genes is less sure than they say;
    * ``adata.uns["deconvolve"]`` (or ``uns[key_added]`` under another key): parameters, ``types`` (a table: cells,
      depth, ``inflation`` of the variance by the other types, the type that it is ``confused_with``, ``correlation``
      of their errors, mean share), numbers of shared and used genes, spread of platform factors, background,
      convergence.

    Shares are of cells as far as the depth of reference cells tells how much RNA a type has, which is half taken
    (``size_exponent``): see `core.deconvolution.nb.NbParams`.

    Raises
    ------
    InputError
        When labels, identifiers, counts or arguments do not fit: a cell without a type, a type of one cell, one type
        only, few or no shared genes, another species, transformed counts.

    Examples
    --------
    >>> import spotweave as sw
    >>> tissue = sw.datasets.simulate_tissue(200, n_genes=150, n_types=4)
    >>> cells = sw.datasets.simulate_reference(tissue, 300)
    >>> sw.tl.deconvolve(tissue, cells, labels_key="cell_type")
    >>> tissue.obsm["proportions"].shape
    (200, 4)
    """
    adata, reference = get_table(adata, table_key), get_table(reference, table_key)
    generator = np.random.default_rng(rng)
    check_choice(method, list(METHODS), "method")
    check_range(smoothness, "smoothness", low=0, high=1e6)
    check_range(min_cells, "min_cells", low=1, integer=True)
    check_range(max_cells, "max_cells", low=2, integer=True)
    if method not in REGRESSIONS and (unknown or smoothness or params is not None or options):
        raise fail(f"`unknown`, `smoothness` and settings with {listing(REGRESSIONS)} only", f"method={method!r}")
    settings = configured(params or NbParams(), options)
    codes, types = read_labels(reference, labels_key, min_cells)
    if unknown and keys.UNKNOWN in types:
        raise fail(f"no type called {keys.UNKNOWN!r} beside unknown=True", f"types {listing(types)}", "Rename it.")
    X, R = read_role(adata, layer, "target", warn=False), read_role(reference, reference_layer, "reference")
    match = match_genes(adata.var, reference.var, target_totals=totals(X), reference_totals=totals(R))
    match = with_counts(match, totals(X), totals(R))
    graph = None
    if smoothness:
        library = get_codes(adata, library_key)
        graph = read_graph(adata, graph_key, get_coords(adata, spatial_key), library)
    X, R = X[:, match.target].tocsr(), R[:, match.reference].tocsr()
    rows = sample_by_type(R, codes, types, max_cells, generator)
    with threadpool_limits(1):  # sums in the same order whatever the machine
        found = METHODS[method](
            X, R[rows], codes[rows], len(types), graph=graph, smoothness=smoothness, unknown=unknown, params=settings,
            rng=generator,
        )  # fmt: skip
    columns = pd.Index([*types, keys.UNKNOWN] if unknown else types)
    result = _result(found, adata.obs_names, columns)
    result.report.update(_said(found, columns, np.bincount(codes, minlength=len(types)), sizes(R), codes))
    used = run_params(
        labels_key=labels_key,
        method=method,
        unknown=unknown,
        smoothness=smoothness,
        layer=layer,
        reference_layer=reference_layer,
        min_cells=min_cells,
        max_cells=max_cells,
        spatial_key=spatial_key,
        library_key=library_key,
        graph_key=graph_key,
        rng=rng if isinstance(rng, int | np.integer) else "generator",
        settings=asdict(settings) if method in REGRESSIONS else None,
    )
    result.report.update(n_shared=len(match.names), matched=match.how, n_reference=len(rows), params=used)
    _warn(result.report["types"], int((sizes(X) == 0).sum()))
    if copy:
        return result
    report_key = keys.DECONVOLVE if key_added == keys.PROPORTIONS else key_added
    slots: dict[tuple[str, str], Any] = {("obsm", key_added): result.proportions, ("uns", report_key): result.report}
    if result.sd is not None:
        slots["obsm", keys.deviation(key_added)] = result.sd
    write(adata, slots)
    return None


def _result(found: Found, index: pd.Index, columns: pd.Index) -> Proportions:
    frame = lambda A: pd.DataFrame(np.asarray(A, np.float32), index=index, columns=columns)
    return Proportions(frame(found.shares), None if found.sd is None else frame(found.sd), dict(found.report))


def _said(
    found: Found, columns: pd.Index, n_cells: np.ndarray, depth: np.ndarray, codes: np.ndarray
) -> dict[str, pd.DataFrame]:
    """Table of the types: what the reference has of them, and how well they are told apart."""
    t = len(n_cells)
    table = pd.DataFrame({"n_cells": n_cells, "depth": np.bincount(codes, weights=depth) / n_cells}, index=columns[:t])
    if found.confusion is not None:
        table["inflation"] = found.confusion.inflation
        table["confused_with"] = columns[found.confusion.nearest].to_numpy(str)
        table["correlation"] = found.confusion.correlation
    table["mean_share"] = found.shares[:, :t].mean(axis=0)
    return {"types": table}


def _warn(types: pd.DataFrame, n_empty: int) -> None:
    """Say aloud what the table says of types that cannot be told apart."""
    if n_empty:
        logger.warning("%d spots have no counts of shared genes; they get the mean proportions of all others", n_empty)
    if "correlation" not in types:
        return
    pairs = confused_pairs(types.index, types["confused_with"], types["correlation"])
    if pairs:
        said = listing(sorted(map(" and ".join, pairs)))
        logger.warning("hard to tell apart, trust their sum sooner than each: %s", said)
