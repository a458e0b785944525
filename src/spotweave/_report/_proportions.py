"""Section about the composition of spots: what was done, mean shares, maps, the types, which lie together."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from .. import _keys as keys
from .._check import InputError
from ..core.deconvolution.confusion import CONFUSED, confused_pairs
from ..pl._colocation import colocation
from ..pl._composition import composition
from ..pl._layout import plan
from ..pl._panels import draw_grid
from ..pl._proportions import proportions as pies
from ..pl._proportions import share_maps
from ..pl._shares import Shares, by_mean, shares_of, some_types
from ._context import Context, Section
from ._denoised import thin
from ._map import MAX_CELLS
from ._pictures import picture
from ._render import render
from ._trust import Check

_TYPES, _SLIDES = 8, 3  # mapped
_PIES = 1_500  # spots of a slide beyond which pies are too small for the page
_COLUMNS = 4
_SMALL = 0.75  # of the size that maps have elsewhere
_MUCH = 0.1  # mean share of the unknown, or of background, that needs an explanation
_PAIRED = 14  # types in the matrices


def proportions(context: Context) -> Section | None:
    """Return statement, checks, pies, maps, table and matrices; None when spots have no shares."""
    try:
        shares = shares_of(context.adata)
    except InputError:
        return None
    result = context.adata.uns.get(keys.DECONVOLVE)
    result = result if isinstance(result, Mapping) else {}
    types = result.get("types")
    types = types if isinstance(types, pd.DataFrame) else pd.DataFrame()
    rows = _rows(context, shares, types)
    values = {
        "statement": _statement(context, shares, result),
        "checks": _checks(result, types, shares),
        "bars": _bars(context),
        "pies": _pies(context),
        "maps": _maps(context, shares),
        "caption": _caption(context, shares),
        "rows": rows,
        "has": {name for row in rows for name, value in row.items() if value != ""},
        "matrices": _matrices(context, shares),
    }
    return Section("proportions", "Cell types in spots", render("proportions.html.j2", **values))


def _statement(context: Context, shares: Shares, result: Mapping[str, Any]) -> str:
    n = len(shares.names) - (keys.UNKNOWN in shares.names)
    params = result.get("params", {})
    method = params.get("method") if isinstance(params, Mapping) else None
    by = f", found by {method}" if method else ""
    source = f" from {result['n_shared']:,} shared genes" if "n_shared" in result else ""
    names = f" (names: {result['matched']})" if source and "matched" in result else ""
    cells = f" and {result['n_reference']:,} reference cells" if source and "n_reference" in result else ""
    return f"Shares of {n:,} cell types in {context.adata.n_obs:,} spots{by}{source}{names}{cells}."


def _checks(result: Mapping[str, Any], types: pd.DataFrame, shares: Shares) -> list[Check]:
    found = [_told_apart(types), _unknown(shares), _background(result), _platform(result)]
    if not result.get("converged", True):
        found.append(Check("warn", "The weights had not stopped moving", "Raise n_final."))
    return [check for check in found if check is not None]


def _told_apart(types: pd.DataFrame) -> Check:
    if not {"confused_with", "correlation"} <= set(types.columns):
        return Check("unknown", "How well types are told apart is not stored", "")
    pairs = sorted(map(" and ".join, confused_pairs(types.index, types["confused_with"], types["correlation"])))
    if not pairs:
        return Check("good", "All types can be told apart", "The errors of no two types trade places.")
    return Check("warn", f"Hard to tell apart: {'; '.join(pairs)}", "Trust the sum of each pair sooner than its parts.")


def _unknown(shares: Shares) -> Check | None:
    if keys.UNKNOWN not in shares.names:
        return None
    mean = float(np.nanmean(shares.values[:, shares.names.index(keys.UNKNOWN)]))
    claim = f"{mean:.1%} of the cells are of types that the reference lacks"
    if mean > _MUCH:
        return Check("warn", claim, "Look where they lie; programs of the tissue are taken for them as well.")
    return Check("good", claim, "")


def _background(result: Mapping[str, Any]) -> Check | None:
    share = float(result.get("background", np.nan))
    if not np.isfinite(share):
        return None
    claim = f"{share:.1%} of the counts are diffuse and belong to no type"
    return Check("warn" if share > _MUCH else "good", claim, "Does the reference fit?" if share > _MUCH else "")


def _platform(result: Mapping[str, Any]) -> Check | None:
    sd = float(result.get("platform_sd", np.nan))
    if not np.isfinite(sd) or sd == 0:
        return None
    claim = f"Genes are caught {np.exp(sd):.1f} times as well or as badly in the spots as in the reference"
    return Check("good", claim, "One standard deviation over genes; corrected for.")


def _bars(context: Context) -> Markup | None:
    """Composition of the domains, else of the slides, else of each spot."""
    groupby = context.key if context.domains is not None else context.slide_key
    try:
        figure = composition(context.adata, groupby)
    except InputError:  # no spot has shares, or none a label
        return None
    of = f"of each {groupby}" if groupby else "of each spot"
    return picture(figure, alt=f"Mean composition {of}" if groupby else f"Composition {of}")


def _pies(context: Context) -> Markup | None:
    sizes = [len(rows) for _, rows in context.slides]
    if context.spatial_key not in context.adata.obsm or max(sizes) > _PIES or len(sizes) > _SLIDES:
        return None
    figure = pies(
        context.adata, spatial_key=context.spatial_key, library_key=context.slide_key, ncols=_SLIDES, image=False
    )
    return picture(figure, alt="A pie at each spot: the cell types that it is made of")


def _maps(context: Context, shares: Shares) -> Markup | None:
    """The leading types, small, on one scale."""
    if context.spatial_key not in context.adata.obsm:
        return None
    chosen = some_types(shares, None, most=_TYPES, rest=False)
    place: dict[str, Any] = {"spatial_key": context.spatial_key, "library_key": context.slide_key, "image": False}
    panels = share_maps(context.adata, chosen, **place)
    n = len(context.slides)
    kept = [thin(panel) for i, panel in enumerate(panels) if i % n < _SLIDES]
    kept[-1] = kept[-1]._replace(legend=True)
    ncols = _COLUMNS if n == 1 else min(n, _SLIDES)
    grid = plan(kept, ncols=ncols)
    figure = draw_grid(kept, ncols=ncols, figsize=(_SMALL * grid.width, _SMALL * grid.height))
    return picture(figure, alt=f"Maps of the shares of {', '.join(chosen.names)}")


def _caption(context: Context, shares: Shares) -> str:
    n, parts = len(shares.names), []
    parts.append(f"The {_TYPES} most abundant of {n:,} types, on one scale." if n > _TYPES else "On one scale.")
    if len(context.slides) > _SLIDES:
        parts.append(f"The first {_SLIDES} of {len(context.slides):,} slides are shown.")
    if context.adata.n_obs > MAX_CELLS:
        parts.append(f"No more than {MAX_CELLS:,} spots of a slide are drawn.")
    return " ".join(parts)


def _rows(context: Context, shares: Shares, types: pd.DataFrame) -> list[dict[str, Any]]:
    """All types, the most abundant first."""
    sd = context.adata.obsm.get(keys.deviation(keys.PROPORTIONS))
    typical = sd.median().to_dict() if isinstance(sd, pd.DataFrame) else {}
    values = np.nan_to_num(shares.values)
    mean, most = values.mean(axis=0), values.max(axis=0)
    return [
        {
            "name": shares.names[j],
            "color": shares.colors[j],
            "width": float(mean[j] / max(mean.max(), 1e-9)),
            "mean": f"{mean[j]:.1%}",
            "greatest": f"{most[j]:.0%}",
            "sd": _number(typical.get(shares.names[j]), "{:.1%}"),
            **_reference(types, shares.names[j]),
        }
        for j in by_mean(values)
    ]


def _reference(types: pd.DataFrame, name: str) -> dict[str, str]:
    row: Any = types.loc[name].to_dict() if name in types.index else {}
    r = float(row.get("correlation", np.nan))
    return {
        "n_cells": _number(row.get("n_cells"), "{:,.0f}"),
        "depth": _number(row.get("depth"), "{:,.0f}"),
        "inflation": _number(row.get("inflation"), "{:.1f}"),
        "confused": f"{row['confused_with']} (−{-r:.2f})" if r < 0 else "",
        "hard": "yes" if r < CONFUSED else "",
    }


def _number(value: Any, form: str) -> str:
    return "" if value is None or not np.isfinite(float(value)) else form.format(float(value))


def _matrices(context: Context, shares: Shares) -> Markup | None:
    if len(shares.names) < 3:  # the sum of two says all
        return None
    try:
        figure = colocation(context.adata, types=some_types(shares, None, most=_PAIRED, rest=False).names)
    except InputError:  # too few spots
        return None
    return picture(figure, alt="Correlation of the shares of each two types, above what their fixed sum gives")
