"""What an object holds, in lines of text."""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import _keys as keys
from ._check import InputError, check_counts, listing
from ._table import row_chunks

if TYPE_CHECKING:
    from anndata import AnnData


def describe(adata: "AnnData") -> Iterator[str]:
    """Yield ``name: value`` lines, aligned; one pass over the matrix, in chunks."""
    yield _line("shape", f"{adata.n_obs:,} cells or spots x {adata.n_vars:,} genes")
    yield _line("X", _matrix(adata.X, "X"))
    for name in adata.layers:
        if name is not None:  # anndata 0.13 lists X under None
            yield _line(f"layer {name}", _matrix(adata.layers[name], name))
    yield _line("spatial", _coordinates(adata))
    if slides := _slides(adata):
        yield _line("images", slides)
    for slot in ("obs", "var", "obsm", "varm", "obsp", "uns"):
        names = [str(n) for n in getattr(adata, slot)]
        if names:
            yield _line(slot, ", ".join(names))
    for key in adata.uns:
        if line := _result(key, adata.uns[key]):
            yield _line("spotweave", line)


def _line(name: str, value: str) -> str:
    return f"{name + ':':<14} {value}"


def _matrix(X: Any, where: str) -> str:
    """Kind of matrix, and whether it holds counts."""
    if X is None:
        return "none"
    stored, total, largest, verdict = 0, 0.0, 0.0, "counts"
    for _, block in row_chunks(X):
        values = block.data if hasattr(block, "nnz") else block.ravel()
        if values.size and values.dtype.kind in "fiub":
            stored += int(np.count_nonzero(values))
            total += float(np.nansum(values, dtype=float))
            largest = max(largest, float(np.nanmax(values)))
        if verdict == "counts":
            try:
                check_counts(block, where)
            except InputError as error:
                verdict = "no counts: " + str(error).split("; found ")[1].split(". ")[0]
    cells = max(X.shape[0], 1)
    filled = stored / max(X.shape[0] * X.shape[1], 1)
    return (
        f"{verdict}; {X.dtype}, {filled:.1%} non-zero, mean total {total / cells:,.6g} per cell, largest {largest:,.6g}"
    )


def _coordinates(adata: "AnnData") -> str:
    if keys.SPATIAL not in adata.obsm:
        return f"none in obsm (obsm has {listing(adata.obsm)})"
    xy = np.asarray(adata.obsm[keys.SPATIAL], dtype=float)
    ranges = ", ".join(f"{n} {np.nanmin(c):,.6g} to {np.nanmax(c):,.6g}" for n, c in zip("xyz", xy.T, strict=False))
    same = int(pd.DataFrame(xy).duplicated().sum())
    missing = int((~np.isfinite(xy)).any(axis=1).sum())
    odd = [f"{n:,} rows {what}" for n, what in ((missing, "without a number"), (same, "on another row's place")) if n]
    return "; ".join([ranges, *odd])


def _slides(adata: "AnnData") -> str:
    slides = adata.uns.get(keys.SPATIAL, {})
    if not isinstance(slides, Mapping):
        return ""
    shapes = [
        f"{slide} {name} {'x'.join(str(s) for s in np.shape(image)[:2])}"
        for slide, content in slides.items()
        for name, image in dict(content.get("images", {})).items()
    ]
    return ", ".join(shapes)


def _result(key: str, value: Any) -> str:
    """One line on what a verb wrote, empty for anything else."""
    params = value.get("params", {}) if isinstance(value, Mapping) else {}
    if not isinstance(params, Mapping) or "spotweave_version" not in params:
        return ""
    facts = [f"{k} {_short(value[k])}" for k in ("n_domains", "converged", "stability", "log_likelihood") if k in value]
    method = params.get("method", params.get("encoder", ""))
    return f"{key}: {', '.join([str(method), *facts] if method else facts)} (version {params['spotweave_version']})"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
