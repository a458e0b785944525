"""Pictures of genes: `spotweave.pp.gene_images`."""

from typing import TYPE_CHECKING, Any

import numpy as np

from . import _keys as keys
from ._check import fail, listing
from ._table import get_codes, get_coords, get_counts, get_matrix, get_obs, get_table, row_chunks
from .core.gene_images import Chunks, GeneImages, check_memory, described, paint
from .core.libraries import library_blocks
from .core.pixels import pixel_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData


def gene_images(
    adata: "AnnData",
    genes: "Sequence[str] | None" = None,
    *,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    pixel_size: float | None = None,
    patch: int = 1,
    library_key: str | None = None,
    normalized: bool = True,
    table_key: str = "table",
) -> GeneImages | list[GeneImages]:
    """Draw genes as pictures of the tissue; pixels without any cell or spot are told from those that measured 0.

    Spots on a square or hexagonal lattice, turned or not, get pixels of their own in which neighbours stay neighbours
    (`spotweave.core.pixels.pixel_grid`); of cells elsewhere, about four share a pixel. A pixel is the mean of its own.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    genes
        Names, in the order wanted; None for all.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    spatial_key
        Coordinates in ``adata.obsm``, ``[n, 2]``.
    pixel_size
        Edge of square pixels in the unit of the coordinates, instead of those that fit the points.
    patch
        Height and width are made multiples of this, with empty pixels at the lower and right edge.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on: one set of pictures each. None for one slide.
    normalized
        Scale each cell to the median count and take ``log(1 + x)``, as `normalize` does. If not, values are drawn as
        they are and need not be counts.
    table_key
        Name of the table in a SpatialData object.

    Returns
    -------
    NamedTuple of images ``[g, h, w]`` (float32, NaN without tissue), mask ``[h, w]`` and more; a list of them, in the
    sorted order of the slides, with `library_key`. Writes nothing.

    Raises
    ------
    InputError
        No or non-finite coordinates, unknown genes, counts or values that do not fit, or more than 2 GB of pictures.
    """
    adata = get_table(adata, table_key)
    columns = np.arange(adata.n_vars) if genes is None else _columns(adata, genes)
    xy, library = get_coords(adata, spatial_key), get_codes(adata, library_key)
    members = library_blocks(len(xy), library)
    grids = [pixel_grid(xy[rows], pixel_size=pixel_size, patch=patch) for rows in members]
    check_memory(grids, len(columns))
    X = get_counts(adata, layer) if normalized else get_matrix(adata, layer)[0]
    chunks: Chunks = lambda: ((rows, block[:, columns]) for rows, block in row_chunks(X))
    images = paint(chunks, grids, members, len(columns), _factor(X) if normalized else None)
    names = adata.var_names.to_numpy()[columns]
    results = [described(image, grid, names) for image, grid in zip(images, grids, strict=True)]
    if library_key is None:
        return results[0]
    slides = get_obs(adata, library_key).iloc[[rows[0] for rows in members]]
    return [result._replace(library=str(slide)) for result, slide in zip(results, slides, strict=True)]


def _columns(adata: "AnnData", genes: "Sequence[str]") -> np.ndarray:
    """Column numbers of genes in the order of their names."""
    unknown = sorted(set(genes) - set(adata.var_names))
    if unknown or not len(genes):
        raise fail("genes out of adata.var_names", listing(unknown) if unknown else "no gene")
    return np.asarray(adata.var_names.get_indexer_for(list(genes)))


def _factor(X: Any) -> np.ndarray:
    """What scales each cell to the median count ``[n]``; 0 for one without counts."""
    size = np.concatenate([np.asarray(block.sum(axis=1), np.float64).ravel() for _, block in row_chunks(X)])
    target = np.median(size[size > 0]) if size.any() else 1.0
    return np.divide(target, size, out=np.zeros(len(size)), where=size > 0)
