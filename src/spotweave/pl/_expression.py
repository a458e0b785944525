"""Measured counts and denoised expression of chosen genes, on one scale."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .. import _keys as keys
from .._check import check_counts, fail, listing
from .._table import get_matrix, row_chunks
from ._values import gene_position, symbols

if TYPE_CHECKING:
    from anndata import AnnData

UNIT = "log1p of counts per median depth"


class Expression(NamedTuple):
    """Some genes before and after."""

    genes: list[str]
    """What readers call them: symbols, where ``var`` has a column of them."""
    positions: list[int]
    """Their columns in the table."""
    measured: np.ndarray
    """``[n, len(genes)]`` on the scale that `UNIT` names, NaN in cells without counts."""
    denoised: np.ndarray
    """The same of the expected counts."""


def expression(adata: "AnnData", genes: str | Sequence[str], *, key: str, layer: str | None = None) -> Expression:
    """Return measured and denoised values of `genes`, both as ``log(1 + x m / s)``.

    Where: x counts, or expected counts at the cell's own depth; s counts of the cell over all genes; m median of s.
    """
    wanted = [genes] if isinstance(genes, str) else list(genes)
    result = _result(adata, key)
    positions = _positions(adata, wanted)
    denoised = _denoised(result, adata.var_names[positions], positions, key)
    measured, depth = measured_counts(adata, positions, layer)
    seen = depth > 0
    middle = np.median(depth[seen]) if seen.any() else 1.0
    factor = np.divide(middle, depth, out=np.full(depth.size, np.nan), where=seen)[:, None]
    names = symbols(adata, list(adata.var_names[positions]))
    return Expression(names, positions, np.log1p(factor * measured), np.log1p(factor * denoised))


def denoised_genes(adata: "AnnData", key: str) -> pd.Index | None:
    """Return the names of the genes that were denoised, None when there are no results."""
    if key in adata.layers:
        return adata.var_names
    table = adata.obsm.get(key)
    return table.columns if isinstance(table, pd.DataFrame) else None


def scores(adata: "AnnData", key: str) -> pd.DataFrame | None:
    """Return the table of scores by gene that ``tl.denoise`` wrote, None when there is none."""
    found = adata.varm.get(key)
    return found if isinstance(found, pd.DataFrame) else None


def measured_counts(adata: "AnnData", positions: list[int], layer: str | None) -> tuple[np.ndarray, np.ndarray]:
    """Return counts ``[n, m]`` of some genes and the depth ``[n]`` over all, in one pass."""
    X, where = get_matrix(adata, layer)
    values, depth = [], []
    for _, block in row_chunks(X):
        check_counts(block, where)
        values.append(some_columns(block, positions))
        depth.append(np.asarray(block.sum(axis=1), dtype=float).ravel())
    return np.concatenate(values), np.concatenate(depth)


def some_columns(block: Any, positions: list[int]) -> np.ndarray:
    """Return columns ``[n, m]`` of a block of rows, dense."""
    found = block[:, positions]
    return np.asarray(found.toarray() if sp.issparse(found) else found, dtype=float)


def change(before: float, after: float) -> str:
    """Two scores as text: ``−0.01 → 0.32``."""
    return " → ".join(f"{round(float(v), 2) + 0.0:.2f}".replace("-", "−") for v in (before, after))  # never −0.00


def not_denoised(adata: "AnnData", key: str, expected: str) -> Exception:
    """Return the error of an object without results."""
    found = {slot: listing(k for k in getattr(adata, slot) if k is not None) for slot in ("layers", "obsm", "varm")}
    where = ", ".join(f"{slot} {names}" for slot, names in found.items())
    return fail(expected, where, f"Run spotweave.tl.denoise(adata{_added(key)}) first.")


def _added(key: str) -> str:
    return "" if key == keys.DENOISED else f", key_added={key!r}"


def _result(adata: "AnnData", key: str) -> Any:
    """All genes in ``layers``, or a table of chosen ones in ``obsm``."""
    if denoised_genes(adata, key) is None:
        expected = f"denoised expression in adata.layers[{key!r}] or a table in adata.obsm[{key!r}]"
        raise not_denoised(adata, key, expected)
    return adata.layers[key] if key in adata.layers else adata.obsm[key]


def _positions(adata: "AnnData", wanted: Sequence[str]) -> list[int]:
    if not wanted:
        raise fail("at least one gene in `genes`", "none")
    found = {name: gene_position(adata, name) for name in wanted}
    unknown = [name for name, position in found.items() if position is None]
    if unknown:
        raise fail("genes that the data have", f"unknown {listing(unknown)} beside {listing(adata.var_names, most=3)}")
    return [position for name in wanted if (position := found[name]) is not None]


def _denoised(result: Any, names: pd.Index, positions: list[int], key: str) -> np.ndarray:
    if not isinstance(result, pd.DataFrame):
        return np.concatenate([some_columns(block, positions) for _, block in row_chunks(result)])
    absent = [name for name in names if name not in result.columns]
    if absent:
        raise fail(
            f"genes among the {result.shape[1]} that were denoised (columns of adata.obsm[{key!r}])",
            f"{listing(absent)} outside of {listing(result.columns, most=3)}",
            "Name them in spotweave.tl.denoise(adata, genes=[...]).",
        )
    return result[list(names)].to_numpy(dtype=float)
