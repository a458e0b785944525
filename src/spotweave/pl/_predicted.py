"""Maps of expression that was predicted from a stained picture, beside the measured one and the picture."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .. import _keys as keys
from .._check import check_choice
from .._table import get_coords, get_table
from ._figure import Figure
from ._image import backdrop
from ._layout import Panel
from ._panels import Look
from ._predicted_draw import Shown, draw_shown
from ._predicted_values import (
    EVIDENCE,
    correlation,
    gene_positions,
    measured_expression,
    predictable,
    predicted_expression,
    prediction,
    slide_column,
    unit,
)
from ._spatial import make_panels, slide_rows
from ._values import Colours, Numbers, numbers, symbols

if TYPE_CHECKING:
    from anndata import AnnData

_MOST = 4  # genes to draw where none are named


def predicted(
    data: Any,
    measured: Any = None,
    genes: str | Sequence[str] | None = None,
    *,
    library_key: str | None = None,
    scale: Literal["own", "common"] = "own",
    image: bool = True,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    cmap: str = "viridis",
    size: float | None = None,
) -> Figure:
    """Draw predicted expression beside the measured one, and beside the slide's picture.

    Parameters
    ----------
    data
        What ``tl.Histology(...).predict(adata)`` returned.
    measured
        AnnData with counts of the same spots, which are transformed as the model's target was (over all of its genes).
        None: ``layers["measured"]`` of `data`, in units of the target, where it is there.
    genes
        A gene of the panel or a list of them: a row each. None: the predictable ones of highest held-out correlation,
        at most 4.
    library_key
        ``obs`` column that says which slide a row lies on: a row of maps for each gene and slide. None: the column that
        holds the names of the slides as they were predicted, where there is one.
    scale
        ``"own"``: from least to greatest of each map (0.5 % cut off at either end). Patterns can be compared, levels
        cannot: predictions are drawn to the mean, the more so the less the picture tells. ``"common"``: that of the
        measured values for both, which shows how much.
    image
        Draw the picture of ``uns["spatial"]``, of `data` or else of `measured`, where there is one.
    layer
        Counts in `measured`, found as by the verbs when left out.
    spatial_key
        Coordinates in ``obsm``.
    cmap
        Colormap.
    size
        Multiple of the marker's own size, as in :func:`spatial`.

    Returns
    -------
    The figure. Above a prediction stand its correlation over the spots of the slide, where it was measured, and the mean
    correlation that the gene reached on held-out training patients. Rings are around spots whose tile is unlike the
    training tiles (``obs["out_of_distribution"]``): nothing is known of predictions there.

    Raises
    ------
    InputError
        When `data` are no predictions, a gene was not predicted, or `measured` holds other spots.

    Examples
    --------
    >>> predicted = model.predict(slide)  # doctest: +SKIP
    >>> sw.pl.predicted(predicted, slide, ["ERBB2", "COL1A1"])  # doctest: +SKIP
    """
    adata = get_table(data)
    check_choice(scale, ["own", "common"], "scale")
    rows = predicted_maps(
        adata,
        genes,
        measured=measured,
        library_key=library_key,
        scale=scale,
        image=image,
        layer=layer,
        spatial_key=spatial_key,
        cmap=cmap,
    )
    return draw_shown([part for row in rows for part in row], ncols=max(map(len, rows)), look=Look(size))


def predicted_maps(
    adata: "AnnData",
    genes: str | Sequence[str] | None = None,
    *,
    measured: Any = None,
    library_key: str | None = None,
    scale: str = "own",
    image: bool = True,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    cmap: str = "viridis",
) -> list[list[Shown]]:
    """Return the axes of each gene and slide in the order measured, predicted, picture; without what is absent."""
    result = prediction(adata)
    get_coords(adata, spatial_key)
    positions = gene_positions(adata, genes, most=_MOST)
    slide = slide_column(adata, result, library_key)
    truth = measured_expression(adata, positions, measured=measured, layer=layer, slide=slide)
    guess = predicted_expression(adata, positions)
    place: dict[str, Any] = {"spatial_key": spatial_key, "library_key": slide, "image": False}
    pictures = _pictures(adata, measured, slide, spatial_key) if image else {}
    rows: list[list[Shown]] = []
    for j, name in enumerate(symbols(adata, list(adata.var_names[positions]))):
        y, q = None if truth is None else truth[:, j], guess[:, j]
        limits = numbers("", y).limits if scale == "common" and y is not None and np.isfinite(y).any() else None
        maps = make_panels(adata, [_numbers(f"{name} · predicted", q, cmap, limits, unit(result))], **place)
        seen = (
            []
            if y is None
            else make_panels(adata, [_numbers(f"{name} · measured", y, cmap, limits, unit(result))], **place)
        )
        for i, (label, at) in enumerate(slide_rows(adata, slide)):
            said = _scaled(scale, measured=y is not None)
            note = "; ".join([_worth(adata, positions[j], None if y is None else y[at], q[at]), *said])
            ringed = _strange(adata, at, spatial_key)
            row = [
                Shown(maps[i]._replace(legend=True, note=note + ("; ○ unlike training" if len(ringed) else "")), ringed)
            ]
            if y is not None:
                found = np.isfinite(y[at]).any()
                text = "; ".join(said) if found else "not measured"
                row.insert(0, Shown(seen[i]._replace(legend=bool(found), note=text), ringed[:0]))
            rows.append([*row, *([Shown(pictures[label], ringed, picture=True)] if label in pictures else [])])
    return _even(rows)


def _numbers(name: str, x: np.ndarray, cmap: str, limits: tuple[float, float] | None, said: str) -> Numbers:
    return numbers(name, x, cmap=cmap, limits=limits)._replace(unit=said)


def _scaled(scale: str, *, measured: bool) -> list[str]:
    """What to say of the colour scale, where there are two maps to compare."""
    if not measured:
        return []
    return ["own scale"] if scale == "own" else ["one scale"]


def _worth(adata: "AnnData", position: int, truth: np.ndarray | None, guess: np.ndarray) -> str:
    """Correlation here and on held-out patients."""
    held = _signed(float(adata.var[EVIDENCE].iloc[position]))
    doubt = "" if predictable(adata)[position] else ", not predictable"
    r = np.nan if truth is None else correlation(truth, guess)
    return f"r {_signed(r)} (held out {held}{doubt})" if np.isfinite(r) else f"held-out r {held}{doubt}"


def _signed(value: float) -> str:
    return "–" if not np.isfinite(value) else f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def _strange(adata: "AnnData", rows: np.ndarray, spatial_key: str) -> np.ndarray:
    """Places of spots out of distribution ``[k, 2]``."""
    xy = get_coords(adata, spatial_key)[rows, :2]
    if keys.OUT_OF_DISTRIBUTION not in adata.obs:
        return xy[:0]
    return xy[adata.obs[keys.OUT_OF_DISTRIBUTION].to_numpy(dtype=bool)[rows]]


def _pictures(adata: "AnnData", measured: Any, slide: str | None, spatial_key: str) -> dict[str | None, Panel]:
    """Picture of each slide that has one."""
    sources = [adata, *([] if measured is None else [get_table(measured)])]
    found = {}
    for label, rows in slide_rows(adata, slide):
        behind = next((b for b in (backdrop(source, label) for source in sources) if b is not None), None)
        if behind is not None:
            xy = get_coords(adata, spatial_key)[rows, :2]
            nothing = Colours("", np.ones((len(rows), 3)))
            found[label] = Panel(
                xy, nothing, "picture" if label is None else f"picture · {label}", behind, legend=False, note=""
            )
    return found


def _even(rows: list[list[Shown]]) -> list[list[Shown]]:
    """Leave pictures out unless all slides have one: columns must not shift."""
    if len({len(row) for row in rows}) == 1:
        return rows
    return [[part for part in row if not part.picture] for row in rows]
