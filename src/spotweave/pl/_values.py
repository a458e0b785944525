"""What a name means: a column of ``obs``, a gene, or an embedding; as categories, numbers or plain colours."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from matplotlib.colors import Colormap

from .. import _keys as keys
from .._check import fail, listing
from ..core.colors import domain_colors
from ._colors import Palette, given_colors, stored_colors

if TYPE_CHECKING:
    from anndata import AnnData


_SYMBOLS = ("symbol", "symbols", "gene_symbol", "gene_symbols", "gene_name", "gene_names")


class Categories(NamedTuple):
    """Labels as codes, negative where missing."""

    name: str
    codes: np.ndarray
    categories: list[str]
    colors: list[str]


class Numbers(NamedTuple):
    """Values, NaN where missing, and the limits of the colour scale."""

    name: str
    values: np.ndarray
    limits: tuple[float, float]
    cmap: str | Colormap = "viridis"
    unit: str = ""
    """Written beside the colour bar."""


class Colours(NamedTuple):
    """One colour a row ``[n, 3]``, within 0..1."""

    name: str
    rgb: np.ndarray


Values = Categories | Numbers | Colours


def look_up(
    adata: "AnnData",
    name: str,
    *,
    layer: str | None = None,
    cmap: str = "viridis",
    palette: Palette | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
) -> Values:
    """Find `name` in ``obs``, then among the genes, then in ``obsm`` (all of it, or one column as ``key:column``)."""
    if name in adata.obs:
        column = adata.obs[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            return numbers(name, column.to_numpy(dtype=float, na_value=np.nan), cmap=cmap)
        return categories(adata, name, palette=palette, spatial_key=spatial_key, library_key=library_key)
    if gene_position(adata, name) is not None:
        return numbers(name, gene(adata, name, layer=layer), cmap=cmap)
    key, _, part = name.rpartition(":")
    if name in adata.obsm:
        return Colours(name, leading_colours(np.asarray(adata.obsm[name], dtype=float)))
    if key in adata.obsm:
        return numbers(name, _column(adata.obsm[key], key, part), cmap=cmap)
    raise fail(
        f"color={name!r} among adata.obs, the genes or adata.obsm",
        f"obs columns {listing(adata.obs.columns)}, genes {listing(adata.var_names, most=3)}, "
        f"obsm keys {listing(adata.obsm)}",
    )


def categories(
    adata: "AnnData",
    key: str,
    *,
    palette: Palette | None = None,
    colors: Sequence[str] | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
) -> Categories:
    """Labels of an ``obs`` column with colours: `colors`, `palette`, ``uns``, or chosen for the map, in this order."""
    codes, names = label_codes(adata.obs[key])
    if colors is None:
        stored = stored_colors(adata.uns.get(keys.colors(key)), len(names)) if palette is None else None
        if palette is not None:
            colors = given_colors(palette, names)
        elif stored is not None:
            colors = stored
        else:
            library = None if library_key is None else pd.factorize(adata.obs[library_key])[0]
            colors = domain_colors(adata.obsm[spatial_key], codes, n_domains=len(names), library=library)
    return Categories(key, codes, names, list(colors))


def label_codes(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Codes ``[n]`` (negative: missing) and names of a column's labels, in the column's own order or sorted."""
    as_category = column if isinstance(column.dtype, pd.CategoricalDtype) else column.astype("category")
    return as_category.cat.codes.to_numpy(), [str(c) for c in as_category.cat.categories]


def numbers(
    name: str, values: np.ndarray, *, cmap: str | Colormap = "viridis", limits: tuple[float, float] | None = None
) -> Numbers:
    """Values with a colour scale that a few extreme ones cannot flatten: 0.5 % are cut off at either end."""
    finite = values[np.isfinite(values)]
    if limits is None:
        low, high = np.quantile(finite, [0.005, 0.995]) if finite.size else (0.0, 1.0)
        if low == high and finite.size:  # a gene seen in a handful of cells
            low, high = finite.min(), finite.max()
        limits = (float(low), float(high) if high > low else float(low) + 1.0)
    return Numbers(name, values, limits, cmap)


def gene(adata: "AnnData", name: str, *, layer: str | None = None) -> np.ndarray:
    """Values ``[n]`` of one gene in `layer`, else in ``X``."""
    if layer is not None and layer not in adata.layers:
        raise fail(f"values in adata.layers[{layer!r}]", f"layers {listing(k for k in adata.layers if k is not None)}")
    X: Any = adata.X if layer is None else adata.layers[layer]
    if X is None:
        raise fail("values in adata.X", "none", "Pass layer=...")
    column = X[:, [gene_position(adata, name)]]
    if hasattr(column, "compute"):  # dask
        column = column.compute()
    return np.asarray(column.toarray() if sp.issparse(column) else column, dtype=float).ravel()


def gene_position(adata: "AnnData", name: str) -> int | None:
    """Column of a gene, by ``var_names``, else by a column of symbols in ``var``; None when there is none."""
    columns = [adata.var_names, *(adata.var[c] for c in _SYMBOLS if c in adata.var)]
    for column in columns:
        found = np.flatnonzero(np.asarray(column) == name)
        if found.size:
            return int(found[0])
    return None


def symbols(adata: "AnnData", names: Sequence[str]) -> list[str]:
    """Return what readers call these genes: their symbols, where ``var`` has a column of them."""
    column = next((adata.var[c] for c in _SYMBOLS if c in adata.var), None)
    if column is None:
        return list(names)
    positions = adata.var_names.get_indexer(list(names)) if adata.var_names.is_unique else [-1] * len(names)
    found = [str(column.iloc[i]) if i >= 0 else "" for i in positions]
    return [n if f in {"", "nan", "None"} else f for n, f in zip(names, found, strict=True)]


def leading_colours(H: np.ndarray) -> np.ndarray:
    """Three leading principal components of an embedding ``[n, d]`` as red, green and blue ``[n, 3]``."""
    centred = H - H.mean(axis=0)
    vectors = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :3]
    vectors = vectors * np.where(vectors[np.abs(vectors).argmax(axis=0), range(vectors.shape[1])] < 0, -1, 1)
    scores = centred @ vectors
    low, high = np.quantile(scores, [0.02, 0.98], axis=0)
    span = np.maximum(high - low, 0.25 * (high - low).max(initial=0.0))  # a component of noise stays pale
    rgb = (0.5 + (scores - (low + high) / 2) / np.where(span > 0, span, 1)).clip(0, 1)
    return np.pad(rgb, ((0, 0), (0, 3 - rgb.shape[1])), constant_values=0.5)


def _column(values: Any, key: str, part: str) -> np.ndarray:
    """One column of an ``obsm`` table or array, by its name or number."""
    table = values if isinstance(values, pd.DataFrame) else pd.DataFrame(np.asarray(values))
    names = table.columns.astype(str)
    if part not in names:
        raise fail(f"column {part!r} of adata.obsm[{key!r}]", f"columns {listing(names)}")
    return table.iloc[:, np.flatnonzero(names == part)[0]].to_numpy(dtype=float)
