"""What is known of expression that was predicted from a picture: evidence, slides, measured values beside it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .. import _keys as keys
from .._check import check_counts, fail, listing
from .._table import get_matrix, get_obs, get_table, row_chunks
from ..core.histology.targets import expression_target
from ._values import gene_position

if TYPE_CHECKING:
    from anndata import AnnData

EVIDENCE = "held_out_pearson"
_UNITS = {"log_normalized": "log(1 + 10⁴ x / counts)", "log_counts": "log(1 + counts)"}


def prediction(adata: "AnnData") -> Mapping[str, Any]:
    """Return what ``tl.Histology`` says of its predictions; an error when they are none."""
    found = adata.uns.get(keys.HISTOLOGY)
    if not isinstance(found, Mapping) or EVIDENCE not in adata.var:
        raise fail(
            f"predictions, with adata.uns[{keys.HISTOLOGY!r}] and adata.var[{EVIDENCE!r}]",
            f"uns {listing(adata.uns)}, var {listing(adata.var.columns)}",
            "Pass what spotweave.tl.Histology(...).fit(...).predict(adata) returned.",
        )
    return found


def predictable(adata: "AnnData") -> np.ndarray:
    """Whether it was shown of a gene that the picture tells of it ``[g]``."""
    if "predictable" not in adata.var:
        return np.zeros(adata.n_vars, dtype=bool)
    return adata.var["predictable"].to_numpy(dtype=bool)


def best_predicted(adata: "AnnData", n: int) -> list[str]:
    """Return the predictable genes of highest held-out correlation; where none is, the highest of all."""
    shown = predictable(adata)
    table = adata.var[EVIDENCE][shown if shown.any() else slice(None)]
    return [str(name) for name in table.sort_values(ascending=False, kind="stable").index[:n]]


def unit(result: Mapping[str, Any]) -> str:
    """What predictions are in."""
    kind = target_kind(result)
    return _UNITS.get(kind, kind.replace("_", " "))


def target_kind(result: Mapping[str, Any]) -> str:
    """Return the name of the transform of counts that was predicted."""
    params = result.get("params", {})
    return str(params.get("target", "log_normalized")) if isinstance(params, Mapping) else "log_normalized"


def slide_column(adata: "AnnData", result: Mapping[str, Any], library_key: str | None) -> str | None:
    """Return the caller's column of slides, else the one that holds the names of the slides that were predicted."""
    if library_key is not None:
        get_obs(adata, library_key, name="library_key")
        return library_key
    names = set(map(str, result.get("slide_novelty", {})))
    for column in adata.obs:
        values = adata.obs[column]
        if names and not pd.api.types.is_numeric_dtype(values) and set(pd.unique(values.dropna().astype(str))) == names:
            return str(column)
    return None


def measured_expression(
    adata: "AnnData",
    positions: Sequence[int],
    *,
    measured: Any = None,
    layer: str | None = None,
    slide: str | None = None,
) -> np.ndarray | None:
    """Measured values of some genes ``[n, m]`` in units of the target, NaN where a gene was not measured.

    From counts of the same spots in `measured`, else from ``layers["measured"]``; None when there is neither.
    """
    if measured is not None:
        return _from_counts(adata, list(positions), get_table(measured), layer, slide)
    if keys.MEASURED not in adata.layers:
        return None
    return _columns(adata.layers[keys.MEASURED], list(positions))


def predicted_expression(adata: "AnnData", positions: Sequence[int]) -> np.ndarray:
    """Predicted values of some genes ``[n, m]``."""
    return _columns(adata.X, list(positions))


def gene_positions(adata: "AnnData", genes: str | Sequence[str] | None, *, most: int) -> list[int]:
    """Columns of the genes to draw: those named, else the best."""
    wanted = best_predicted(adata, most) if genes is None else [genes] if isinstance(genes, str) else list(genes)
    if not wanted:
        raise fail("at least one gene in `genes`", "none")
    found = {name: gene_position(adata, name) for name in wanted}
    absent = [name for name, position in found.items() if position is None]
    if absent:
        raise fail(
            "genes of the panel that was predicted", f"{listing(absent)} beside {listing(adata.var_names, most=3)}"
        )
    return [position for position in found.values() if position is not None]


def correlation(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Pearson correlation over spots where both are known; 0 for a constant prediction, NaN for a constant truth."""
    known = np.isfinite(truth) & np.isfinite(predicted)
    if known.sum() < 2:
        return np.nan
    y, q = (values[known] - values[known].mean() for values in (truth, predicted))
    if np.ptp(y) == 0:
        return np.nan
    size = float(np.sqrt((y @ y) * (q @ q)))
    return float(y @ q) / size if np.ptp(q) > 0 and size > 0 else 0.0


def _from_counts(
    adata: "AnnData", positions: list[int], table: "AnnData", layer: str | None, slide: str | None
) -> np.ndarray:
    """Transform counts as those that were trained on: over all genes of the spot, not only over the panel."""
    if not table.obs_names.equals(adata.obs_names):
        raise fail("the spots of the predictions in `measured`, in the same order", f"{table.n_obs:,} others")
    place = {str(name): j for j, name in reversed(list(enumerate(table.var_names)))}
    columns = np.array([place.get(str(name), -1) for name in adata.var_names])
    X, where = get_matrix(table, layer)
    parts, totals = [], []
    for _, block in row_chunks(X):
        check_counts(block, where)
        totals.append(np.asarray(block.sum(axis=1), dtype=float).ravel())
        parts.append(sp.csr_matrix(block[:, columns[columns >= 0]]))
    codes = None if slide is None else pd.factorize(adata.obs[slide].astype(str))[0]
    counts = sp.vstack(parts, format="csr")
    target = expression_target(counts, np.concatenate(totals), kind=target_kind(prediction(adata)), section=codes)
    values = np.full((adata.n_obs, len(positions)), np.nan)
    among = np.cumsum(columns >= 0) - 1  # column of the panel -> column of `counts`
    for k, j in enumerate(positions):
        if columns[j] >= 0:
            values[:, k] = np.asarray(target[:, [among[j]]].toarray(), dtype=float).ravel()
    return values


def _columns(X: Any, positions: list[int]) -> np.ndarray:
    parts = [block[:, positions] for _, block in row_chunks(X)]
    return np.concatenate([np.asarray(p.toarray() if sp.issparse(p) else p, dtype=float) for p in parts])
