"""The only door between AnnData and arrays: reads what a verb needs, writes results all at once or not at all."""

import copy as _copy
import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from . import _keys as keys
from ._check import check_coords, check_counts, fail, listing
from ._settings import settings

if TYPE_CHECKING:
    from anndata import AnnData

logger = logging.getLogger("spotweave")


def get_table(data: Any, table_key: str = "table") -> "AnnData":
    """Return the AnnData itself, or the named table of a SpatialData object (recognised by its ``tables``)."""
    if hasattr(data, "obsm") and hasattr(data, "var_names"):
        return data
    tables = getattr(data, "tables", None)
    if tables is None:
        raise fail("an AnnData or SpatialData object", f"{type(data).__name__}", "Read a file with spotweave.io.read.")
    if table_key not in tables:
        raise fail(f"table {table_key!r} in the SpatialData object", f"tables {listing(tables)}", "Pass table_key=...")
    return tables[table_key]


def get_counts(adata: "AnnData", layer: str | None = None) -> Any:
    """Return the matrix of raw counts: `layer`, else ``layers["counts"]``, else ``X``; checked chunk by chunk."""
    X, where = get_matrix(adata, layer)
    for _, block in row_chunks(X):
        check_counts(block, where)
    return X


def get_matrix(adata: "AnnData", layer: str | None = None) -> tuple[Any, str]:
    """Return the matrix as it is stored (CSR, CSC, dense, backed or dask) and how to name it in a message."""
    if adata.n_obs == 0 or adata.n_vars == 0:
        raise fail("at least one cell and one gene", f"a table of {adata.n_obs} cells x {adata.n_vars} genes")
    if layer is None and keys.COUNTS in adata.layers:
        layer = keys.COUNTS
    if layer is not None:
        if layer not in adata.layers:
            available = [k for k in adata.layers if k is not None]  # anndata 0.13 lists X under None
            raise fail(f"counts in adata.layers[{layer!r}]", f"layers {listing(available)}")
        return adata.layers[layer], f"adata.layers[{layer!r}]"
    if adata.X is None:
        raise fail("counts in adata.X or adata.layers['counts']", "neither")
    return adata.X, "adata.X"


def row_chunks(X: Any, size: int | None = None) -> Iterator[tuple[slice, Any]]:
    """Yield ``(rows, block)`` with `block` CSR or a dense array, each row once, in order."""
    size = size or settings.chunk_size
    if sp.issparse(X) and X.format == "csc":
        X = X.tocsr()
    for start in range(0, X.shape[0], size):
        rows = slice(start, min(start + size, X.shape[0]))
        block = X[rows]
        if hasattr(block, "compute"):  # dask
            block = block.compute()
        yield rows, block.tocsr() if sp.issparse(block) else np.asarray(block)


def load(X: Any) -> Any:
    """Return a copy in memory: CSR, CSC or dense as it is stored; a backed or dask matrix is read by row chunks."""
    if sp.issparse(X) or isinstance(X, np.ndarray):
        return X.copy()
    blocks = [block for _, block in row_chunks(X)]
    return sp.vstack(blocks, format="csr") if sp.issparse(blocks[0]) else np.concatenate(blocks)


def get_coords(adata: "AnnData", spatial_key: str = keys.SPATIAL) -> np.ndarray:
    """Return coordinates ``[n, d]``, finite and float64."""
    if spatial_key not in adata.obsm:
        raise fail(
            f"coordinates in adata.obsm[{spatial_key!r}]",
            f"obsm keys {listing(adata.obsm)}",
            "Set adata.obsm['spatial'] or pass spatial_key=...",
        )
    return check_coords(adata.obsm[spatial_key], f"adata.obsm[{spatial_key!r}]")


def get_codes(adata: "AnnData", key: str | None, *, name: str = "library_key") -> np.ndarray | None:
    """Return whole-number codes ``[n]`` of an ``obs`` column (which slide, which batch), None when `key` is None."""
    if key is None:
        return None
    column = get_obs(adata, key, name=name)
    missing = column.isna().to_numpy()
    if missing.any():
        raise fail(
            f"a value of adata.obs[{key!r}] ({name}) for every cell",
            f"NaN in {missing.sum()} of {adata.n_obs} rows",
            "Fill the column or drop these rows.",
        )
    return pd.factorize(column, sort=True)[0]


def get_obs(adata: "AnnData", key: str, *, name: str = "key") -> pd.Series:
    """Return a column of ``obs``."""
    if key not in adata.obs:
        raise fail(f"{name}={key!r} in adata.obs", f"columns {listing(adata.obs.columns)}")
    return adata.obs[key]


def get_graph(adata: "AnnData", key: str = keys.SPATIAL_CONNECTIVITIES) -> sp.csr_matrix:
    """Return a graph from ``obsp`` as CSR."""
    if key not in adata.obsp:
        raise fail(
            f"a graph in adata.obsp[{key!r}]", f"obsp keys {listing(adata.obsp)}", "Run spotweave.gr.knn(adata) first."
        )
    return sp.csr_matrix(adata.obsp[key])


def write(adata: "AnnData", results: Mapping[tuple[str, str], Any]) -> None:
    """Write ``{(slot, key): value}`` all at once: when one assignment fails, all are undone.

    Logs each slot at INFO, as scanpy and squidpy do.
    """
    undo: list[tuple[str, str, bool, Any]] = []
    try:
        for (slot, key), value in results.items():
            store = getattr(adata, slot)
            had = key in store
            undo.append((slot, key, had, store[key] if had else None))
            store[key] = value
    except Exception:
        for slot, key, had, old in reversed(undo):
            store = getattr(adata, slot)
            if had:
                store[key] = old
            elif key in store:
                del store[key]
        raise
    for slot, key in results:
        logger.info("added adata.%s[%r]", slot, key)


def labels(codes: np.ndarray, n: int | None = None) -> "pd.Categorical[str]":
    """Turn codes 0..n-1 into scanpy's form of cluster labels: a categorical of strings, in numeric order."""
    n = int(codes.max()) + 1 if n is None else n
    return pd.Categorical.from_codes(codes.astype(np.intp), categories=pd.Index([str(i) for i in range(n)]))


def params(**values: Any) -> dict[str, Any]:
    """Run parameters for ``uns``: what h5ad can hold, and the package version."""
    from importlib.metadata import version

    kept = {k: _storable(v) for k, v in values.items() if v is not None}
    return {**kept, "spotweave_version": version("spotweave")}


def _storable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _storable(v) for k, v in value.items() if v is not None}
    if isinstance(value, str | bool | int | float | np.ndarray | np.generic):
        return value
    if isinstance(value, list | tuple):
        return [_storable(v) for v in value]
    return _copy.copy(str(value))
