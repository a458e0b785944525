"""Counts -> checked counts, normalised expression, chosen genes, pictures of genes; tiles of a stain -> features."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from scipy.stats import rankdata

from . import _keys as keys
from ._check import check_range, fail, listing
from ._gene_images import GeneImages, gene_images
from ._table import get_counts, get_table, load, params, row_chunks, write
from ._tile_features import TileFeatures, tile_features
from .core.expression import Components, principal_components
from .core.gene_moments import Chunks, GeneMoments, batch_moments, gene_moments, overdispersion

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

__all__ = ["GeneImages", "TileFeatures", "counts", "gene_images", "normalize", "select_genes", "tile_features"]


def counts(adata: "AnnData", *, layer: str | None = None, table_key: str = "table", copy: bool = False) -> Any:
    """Check the raw counts and keep them in ``adata.layers["counts"]``.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    table_key
        Name of the table in a SpatialData object.
    copy
        Return the counts and leave `adata` alone.

    Returns
    -------
    None, writes ``adata.layers["counts"]``; the matrix with ``copy=True``.

    Raises
    ------
    InputError
        When a value is not a finite, non-negative whole number.
    """
    adata = get_table(adata, table_key)
    X = get_counts(adata, layer)
    if copy:
        return load(X)
    if layer != keys.COUNTS and (layer is not None or keys.COUNTS not in adata.layers):
        write(adata, {("layers", keys.COUNTS): load(X)})
    return None


def normalize(
    adata: "AnnData",
    *,
    layer: str | None = None,
    target_sum: float | None = None,
    key_added: str = "lognorm",
    table_key: str = "table",
    copy: bool = False,
) -> sp.csr_matrix | None:
    """Scale each cell to the same count and take ``log(1 + x)``, as ``sc.pp.normalize_total`` and ``log1p`` do.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    target_sum
        Counts of each cell afterwards; None: the median of the cells that have any.
    key_added
        Layer written; `X` is not touched.
    table_key
        Name of the table in a SpatialData object.
    copy
        Return the matrix and leave `adata` alone.

    Returns
    -------
    None, writes ``adata.layers[key_added]`` (CSR, float32); the matrix with ``copy=True``.
    """
    adata = get_table(adata, table_key)
    X = sp.csr_matrix(load(get_counts(adata, layer)), dtype=np.float32)
    size = np.asarray(X.sum(axis=1)).ravel()
    if not size.any():
        raise fail("at least one cell with counts", "none")
    target = float(np.median(size[size > 0])) if target_sum is None else target_sum
    factor = np.divide(target, size, out=np.zeros_like(size), where=size > 0)
    X.data = np.log1p(X.data * np.repeat(factor, np.diff(X.indptr)))
    if copy:
        return X
    write(adata, {("layers", key_added): X})
    return None


def select_genes(
    adata: "AnnData", *, n_top: int = 3_000, layer: str | None = None, table_key: str = "table", copy: bool = False
) -> pd.DataFrame | None:
    """Choose the genes whose variance lies furthest above that of pure counting noise.

    The score is `spotweave.core.expression.overdispersion`: one pass, no smoothing curve to fit.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    n_top
        Number of genes; all that have counts when there are fewer.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    table_key
        Name of the table in a SpatialData object.
    copy
        Return the table and leave `adata` alone.

    Returns
    -------
    None, writes ``adata.var["highly_variable"]`` (bool) and ``adata.var["overdispersion"]``; a DataFrame of both
    with ``copy=True``.
    """
    adata = get_table(adata, table_key)
    X = get_counts(adata, layer)
    moments = gene_moments(lambda: row_chunks(X))
    table = pd.DataFrame(
        {keys.HIGHLY_VARIABLE: top_genes(moments, n_top), "overdispersion": overdispersion(moments)},
        index=adata.var_names,
    )
    if copy:
        return table
    results: dict[tuple[str, str], Any] = {("var", str(name)): table[name] for name in table}
    write(adata, {**results, ("uns", "select_genes"): params(n_top=n_top, layer=layer)})
    return None


def top_genes(moments: GeneMoments, n_top: int) -> np.ndarray:
    """Mask ``[g]`` of the `n_top` most overdispersed genes that are seen in at least 3 cells (in any, if few are)."""
    check_range(n_top, "n_top", low=1, integer=True)
    score = overdispersion(moments)
    enough = moments.detected >= min(3, moments.detected.max(initial=0))
    allowed = np.flatnonzero(enough & (moments.total > 0))
    if not allowed.size:
        raise fail("at least one gene with counts", "only zeros", "Pass raw counts.")
    chosen = np.zeros(len(score), bool)
    chosen[allowed[np.argsort(-score[allowed], kind="stable")[:n_top]]] = True
    return chosen


class Prepared(NamedTuple):
    """What the domain methods start from."""

    components: Components
    genes: np.ndarray
    """Mask of the chosen genes [g]."""
    n_empty: int
    """Cells without any count."""
    chunks: "Chunks"
    """Row chunks of the counts of the chosen genes."""
    size: np.ndarray
    """Counts of each cell [n]."""


def prepare(
    adata: "AnnData",
    *,
    layer: str | None,
    n_top: int,
    n_components: int,
    rng: np.random.Generator,
    genes: "Sequence[str] | None" = None,
    batch: np.ndarray | None = None,
) -> Prepared:
    """Check counts, choose genes and take principal components, streaming; writes nothing.

    With `batch` (codes ``[n]``) genes are those that vary within batches, and so are the components.
    """
    X = get_counts(adata, layer)
    parts = batch_moments(lambda: row_chunks(X), batch)
    chosen = _chosen(parts, n_top) if genes is None else _named(adata, genes)
    _check_seen(parts, chosen)
    size = _sizes(parts, batch)
    columns = np.flatnonzero(chosen)
    if isinstance(X, sp.csr_matrix | sp.csr_array | np.ndarray):
        X = X[:, columns]  # once, where it fits; a stored matrix is cut chunk by chunk
        chunks: Chunks = lambda: row_chunks(X)
    else:
        chunks = lambda: ((rows, block[:, columns]) for rows, block in row_chunks(X))
    components = principal_components(chunks, size, n_components, batch=batch, rng=rng)
    return Prepared(components, chosen, int((size == 0).sum()), chunks, size)


def _chosen(parts: "list[GeneMoments]", n_top: int) -> np.ndarray:
    """Mask ``[g]`` of the genes that rank highest in the mean over batches, out of those that every batch has."""
    if len(parts) == 1:
        return top_genes(parts[0], n_top)
    check_range(n_top, "n_top", low=1, integer=True)
    everywhere = np.all([part.total > 0 for part in parts], axis=0)
    if not everywhere.any():
        raise fail("at least one gene with counts in every batch", "none", "Leave out slices of another gene panel.")
    ranks = [rankdata(-np.where(part.detected >= 3, overdispersion(part), -np.inf)) for part in parts]
    order = np.flatnonzero(everywhere)[np.argsort(np.sum(ranks, axis=0)[everywhere], kind="stable")]
    chosen = np.zeros(len(everywhere), bool)
    chosen[order[:n_top]] = True
    return chosen


def _check_seen(parts: "list[GeneMoments]", chosen: np.ndarray) -> None:
    for number, part in enumerate(parts):
        if len(parts) > 1 and not part.total[chosen].any():
            raise fail("counts of the chosen genes in every batch", f"zeros only in batch {number} (in sorted order)")


def _sizes(parts: "list[GeneMoments]", batch: np.ndarray | None) -> np.ndarray:
    if batch is None:
        return parts[0].size
    size = np.empty(len(batch))
    for number, part in enumerate(parts):
        size[batch == number] = part.size
    return size


def _named(adata: "AnnData", genes: "Sequence[str]") -> np.ndarray:
    unknown = sorted(set(genes) - set(adata.var_names))
    if unknown or not len(genes):
        raise fail("genes out of adata.var_names", listing(unknown) if unknown else "no gene")
    return np.asarray(adata.var_names.isin(list(genes)))
