"""Maps of genes that were not measured, as they were predicted."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _keys as keys
from .._check import fail, listing
from .._table import get_coords, get_obs, get_table, row_chunks
from ._expression import UNIT, measured_counts, some_columns
from ._figure import Figure
from ._layout import Panel
from ._panels import Look, draw_grid
from ._spatial import make_panels
from ._values import gene_position, numbers, symbols

if TYPE_CHECKING:
    from anndata import AnnData

_BEST = 3  # genes to draw where none are named
_WIDTH = "(upper − lower) / expected count"


def imputed(
    data: Any,
    genes: str | Sequence[str] | None = None,
    *,
    measured: Any = None,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    cmap: str = "viridis",
    size: float | None = None,
) -> Figure:
    """Draw predicted genes, and beside each how wide its interval is.

    Parameters
    ----------
    data
        What ``tl.impute`` returned.
    genes
        A predicted gene or a list of them: a row each. None: the three with the greatest expected correlation.
    measured
        Counts of the same cells. Where it holds all of `genes`, as in a trial with genes held back, they are drawn
        first.
    layer
        Counts in `measured`, found as by the verbs when left out.
    spatial_key
        Coordinates in ``obsm``.
    library_key
        ``obs`` column that says which slide a row lies on: a row of maps for each gene and slide.
    cmap
        Colormap.
    size
        Multiple of the marker's own size, as in :func:`spatial`.

    Returns
    -------
    The figure. Predictions are shown as ``log(1 + x m / s)``: x expected counts of the gene, s the panel's counts of
    the cell, m their median; measured counts in the same way, with all counts that `measured` has. The second map is the width of the interval
    relative to the expected count: low where the prediction says much. Each map has a colour scale of its own. Above
    the maps are the correlation with counts that held-out genes of this kind reached, and the interval of the median
    cell. Without intervals the second map is left out.

    Raises
    ------
    InputError
        When `data` does not come from ``tl.impute``, a gene was not predicted, or `measured` holds other cells.

    Examples
    --------
    >>> imputed = sw.tl.impute(adata, reference)  # doctest: +SKIP
    >>> sw.pl.imputed(imputed, ["PCP4", "MBP"], measured=adata)  # doctest: +SKIP
    """
    adata = get_table(data)
    options: dict[str, Any] = {"spatial_key": spatial_key, "library_key": library_key, "cmap": cmap}
    rows = imputed_maps(adata, genes, measured=measured, layer=layer, **options)
    return draw_grid([panel for row in rows for panel in row], ncols=len(rows[0]), look=Look(size))


def imputed_maps(
    adata: "AnnData",
    genes: str | Sequence[str] | None = None,
    *,
    measured: Any = None,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    cmap: str = "viridis",
) -> list[list[Panel]]:
    """Return the panels of each gene and slide in the order measured, predicted, interval; without what is absent."""
    result = imputation(adata)
    get_coords(adata, spatial_key)
    positions = _positions(adata, result, genes)
    found = _read(adata, positions, _truth(adata, positions, measured, layer))
    options: dict[str, Any] = {"spatial_key": spatial_key, "library_key": library_key, "image": False}
    rows: list[list[Panel]] = []
    for j, name in enumerate(symbols(adata, list(adata.var_names[positions]))):
        parts = [
            (f"{name} · {side}", X[:, j], unit, note, color)
            for side, X, unit, note, color in (
                ("measured", found.measured, UNIT, "", cmap),
                ("predicted", found.predicted, UNIT, _expected(adata, positions[j]), cmap),
                ("interval width", found.width, _WIDTH, _typical(result, found.ends, j), "cividis_r"),
            )
            if X is not None
        ]
        columns = [
            [
                panel._replace(legend=True, note=note)
                for panel in make_panels(adata, [numbers(title, x, cmap=color)._replace(unit=unit)], **options)
            ]
            for title, x, unit, note, color in parts
        ]
        rows += [list(row) for row in zip(*columns, strict=True)]
    return rows


def imputation(adata: "AnnData") -> Mapping[str, Any]:
    """Return what ``tl.impute`` says of its predictions; an error when they are none."""
    found = adata.uns.get(keys.IMPUTED)
    if not isinstance(found, Mapping) or "held_out" not in found or "expected_correlation" not in adata.var:
        raise fail(
            f"predictions, with adata.uns[{keys.IMPUTED!r}] and adata.var['expected_correlation']",
            f"uns {listing(adata.uns)}, var {listing(adata.var.columns)}",
            "Pass what spotweave.tl.impute(adata, reference) returned.",
        )
    return found


def best_imputed(adata: "AnnData", n: int) -> list[str]:
    """Return the genes with the greatest expected correlation, the best first."""
    order = adata.var["expected_correlation"].sort_values(ascending=False, kind="stable")
    return [str(name) for name in order.index[:n]]


class _Truth(NamedTuple):
    """What was measured of the same cells."""

    counts: np.ndarray | None
    """``[n, m]`` of the genes drawn, None when they were not measured."""
    depth: np.ndarray
    """``[n]``."""


class _Found(NamedTuple):
    """Values to draw ``[n, m]``, None where there are none."""

    measured: np.ndarray | None
    predicted: np.ndarray
    width: np.ndarray | None
    ends: tuple[np.ndarray, np.ndarray] | None


def _positions(adata: "AnnData", result: Mapping[str, Any], genes: str | Sequence[str] | None) -> list[int]:
    wanted = best_imputed(adata, _BEST) if genes is None else [genes] if isinstance(genes, str) else list(genes)
    if not wanted:
        raise fail("at least one gene in `genes`", "none")
    found = [gene_position(adata, name) for name in wanted]
    absent = [name for name, position in zip(wanted, found, strict=True) if position is None]
    if absent:
        panel = [name for name in absent if name in result["held_out"].index]
        hint = f"{listing(panel)}: measured, in the panel that the others were predicted from." if panel else ""
        raise fail("genes that were predicted", f"{listing(absent)} beside {listing(adata.var_names, most=3)}", hint)
    return [position for position in found if position is not None]


def _truth(adata: "AnnData", positions: list[int], measured: Any, layer: str | None) -> _Truth | None:
    if measured is None:
        return None
    table = get_table(measured)
    if not table.obs_names.equals(adata.obs_names):
        raise fail("the cells of the predictions in `measured`, in the same order", f"{table.n_obs:,} others")
    found = [gene_position(table, str(name)) for name in adata.var_names[positions]]
    known = [position for position in found if position is not None]
    counts, depth = measured_counts(table, known, layer)
    return _Truth(counts if len(known) == len(found) else None, depth)


def _read(adata: "AnnData", positions: list[int], truth: _Truth | None) -> _Found:
    means, ends = _values(adata.X, positions), None
    if keys.LOWER in adata.layers and keys.UPPER in adata.layers:
        ends = _values(adata.layers[keys.LOWER], positions), _values(adata.layers[keys.UPPER], positions)
    some = means > 0
    width = None if ends is None else np.divide(ends[1] - ends[0], means, out=np.full_like(means, np.nan), where=some)
    depth = get_obs(adata, keys.PANEL_COUNTS).to_numpy(np.float64)
    counts = None if truth is None or truth.counts is None else np.log1p(_factor(truth.depth) * truth.counts)
    return _Found(counts, np.log1p(_factor(depth) * means), width, ends)


def _factor(depth: np.ndarray) -> np.ndarray:
    """Median depth over depth ``[n, 1]``, NaN without counts."""
    seen = depth > 0
    middle = np.median(depth[seen]) if seen.any() else 1.0
    return np.divide(middle, depth, out=np.full(depth.size, np.nan), where=seen)[:, None]


def _values(X: Any, positions: list[int]) -> np.ndarray:
    """Some columns ``[n, m]``."""
    return np.concatenate([some_columns(block, positions) for _, block in row_chunks(X)])


def _expected(adata: "AnnData", position: int) -> str:
    """Second line of a prediction's title."""
    value = float(adata.var["expected_correlation"].iloc[position])
    return f"expected correlation {value:.2f}".replace("-", "−")


def _typical(result: Mapping[str, Any], ends: tuple[np.ndarray, np.ndarray] | None, j: int) -> str:
    """Second line of an interval's title."""
    if ends is None:
        return ""
    level = result.get("params", {}).get("interval")
    share = "" if level is None else f"{float(level):.0%} "
    low, high = (f"{x:.2g}" if x < 99.5 else f"{x:,.0f}" for x in (float(np.median(end[:, j])) for end in ends))
    return f"{share}interval of the median cell: {low} to {high}"
