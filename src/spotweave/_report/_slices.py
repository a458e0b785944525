"""Section about several slices: what integration did to them, which domains they share, how they lie upon each other."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from markupsafe import Markup

from .. import _keys as keys
from .._check import InputError
from ..pl._aligned import aligned
from ..pl._integrated import surroundings_figure
from ..pl._values import label_codes
from ._context import Context, Section
from ._pictures import picture
from ._render import render
from ._trust import Check

_APART = 0.3  # iLISI below which batches hardly mix
_KEPT = 0.5  # share of neighbours below which a correction has changed more than it left
_FAR = 1.6  # counterparts further apart than this seldom are the same tissue, see `core.integration.matches.apart`
_ALONE = 0.95  # share of a domain's cells on one slice that makes it this slice's own
_POOR = 0.3  # agreement of aligned slices below which they may not be the same place
_MOST_CELLS = 50_000  # drawn; more take long and hide each other
_FIT = ("via", "rotation", "agreement_before", "agreement", "overlap", "residual", "rival")


class _Pair(NamedTuple):
    """A row of the table of matches."""

    first: str
    second: str
    n_first: int
    n_second: int
    apart: float
    linked: bool


def slices(context: Context) -> Section | None:
    """Return checks, pictures and tables of what several slices share; None when they were not brought together."""
    integrated = _result(context, keys.integrate(keys.INTEGRATED))
    placed = _result(context, keys.align(keys.ALIGNED))
    if not integrated and not placed:
        return None
    key = _slide_key(context, integrated, placed)
    pairs = _pairs(integrated)
    composition = _composition(context, key)
    values = {
        "statement": _statement(integrated, placed),
        "checks": [
            *_mixing(integrated),
            *_matched(pairs),
            *_supported(integrated),
            *_own(composition),
            *_placed(placed),
        ],
        "views": _views(context, integrated, key),
        "overlay": _overlay(context, placed, key),
        "pairs": pairs,
        "columns": [] if composition is None else list(composition.columns),
        "rows": _rows(composition),
        "fit": _fit(placed),
    }
    return Section("slices", "Slices together", render("slices.html.j2", **values))


def _result(context: Context, key: str) -> Mapping[str, Any]:
    found = context.adata.uns.get(key)
    return found if isinstance(found, Mapping) else {}


def _slide_key(context: Context, *results: Mapping[str, Any]) -> str | None:
    named = [context.slide_key, *(_params(result).get("library_key") for result in results)]
    return next((str(name) for name in named if name is not None and str(name) in context.adata.obs), None)


def _params(result: Mapping[str, Any]) -> Mapping[str, Any]:
    found = result.get("params", {})
    return found if isinstance(found, Mapping) else {}


def _statement(integrated: Mapping[str, Any], placed: Mapping[str, Any]) -> str:
    parts = []
    if "batches" in integrated:
        method = _params(integrated).get("method")
        by = f" (method {method})" if method else ""
        parts.append(f"The effect of {len(integrated['batches']):,} batches was removed from the components{by}.")
    if "slices" in placed:
        parts.append(
            f"{len(placed['slices']):,} slices were brought into the frame of {placed.get('reference', 'one')}."
        )
    return " ".join(parts)


def _mixing(integrated: Mapping[str, Any]) -> list[Check]:
    found = []
    if {"ilisi_before", "ilisi_after"} <= set(integrated):
        before, after = (float(integrated[f"ilisi_{when}"]) for when in ("before", "after"))
        claim = f"Mixing of the batches (iLISI, 0 apart to 1 mixed) went from {before:.2f} to {after:.2f}"
        mixed = Check("good", claim, "Slices of unlike composition cannot reach 1.")
        alone = Check("warn", claim, "Batches hardly mix: domains may be those of single slices.")
        found.append(alone if after < _APART else mixed)
    if "neighbors_kept" in integrated:
        kept = float(integrated["neighbors_kept"])
        claim = f"Of the nearest surroundings on the own slide {kept:.0%} stayed the nearest"
        less = Check("warn", claim, "Tissue was changed more than it was left: compare with domains of single slices.")
        found.append(Check("good", claim, "What one slice shows by itself was kept.") if kept >= _KEPT else less)
    if not integrated.get("converged", True):
        found.append(Check("warn", "Batches still moved a little in the last round of matching", ""))
    return found


def _pairs(integrated: Mapping[str, Any]) -> list[_Pair]:
    if not {"batches", "n_matched", "apart", "linked"} <= set(integrated):
        return []
    names = [str(name) for name in integrated["batches"]]
    count, apart, linked = (np.asarray(integrated[key]) for key in ("n_matched", "apart", "linked"))
    return [
        _Pair(names[p], names[q], int(count[p, q]), int(count[q, p]), float(apart[p, q]), bool(linked[p, q]))
        for p, q in combinations(range(len(names)), 2)
    ]


def _matched(pairs: list[_Pair]) -> list[Check]:
    found = []
    for pair in pairs:
        if not pair.linked:
            claim = f"{pair.first} and {pair.second} share too little and were not matched to each other"
            found.append(Check("warn", claim, "Their labels need not mean the same."))
        elif pair.apart > _FAR:
            claim = (
                f"Counterparts of {pair.first} and {pair.second} are {pair.apart:.1f} times as far apart as like cells"
            )
            found.append(Check("warn", claim, "They may not be the same tissue."))
    if pairs and not found:
        found.append(Check("good", "All pairs of batches have counterparts in each other", ""))
    return found


def _supported(integrated: Mapping[str, Any]) -> list[Check]:
    if not {"batches", "support"} <= set(integrated):
        return []
    support = np.asarray(integrated["support"], dtype=float)
    least = int(support.argmin())
    claim = f"Least supported is {integrated['batches'][least]}: {support[least]:.0%} of its cells have counterparts"
    if support[least] < _KEPT:
        return [Check("warn", claim, "The others only moved with their slice; see the support in obs.")]
    return [Check("good", claim, "")]


def _composition(context: Context, key: str | None) -> pd.DataFrame | None:
    """Cells of each domain (rows) on each slice (columns), with colours in ``attrs``."""
    if context.domains is None or key is None:
        return None
    codes, names = label_codes(context.adata.obs[key])
    table = np.zeros((len(context.domains.categories), len(names)), dtype=int)
    both = (codes >= 0) & (context.domains.codes >= 0)
    np.add.at(table, (context.domains.codes[both], codes[both]), 1)
    found = pd.DataFrame(table, index=context.domains.categories, columns=names)
    found.attrs["colors"] = context.domains.colors
    return found


def _rows(composition: pd.DataFrame | None) -> list[tuple[str, str, list[tuple[int, float]]]]:
    """Name and colour of each domain; its cells on each slice, and their share of the slice."""
    if composition is None:
        return []
    share = composition.div(composition.sum(axis=0).clip(lower=1), axis=1).to_numpy()
    pairs = [list(zip(n, s, strict=True)) for n, s in zip(composition.to_numpy().tolist(), share.tolist(), strict=True)]
    return list(zip(composition.index, composition.attrs["colors"], pairs, strict=True))


def _own(composition: pd.DataFrame | None) -> list[Check]:
    """Domains that lie on one slice alone."""
    if composition is None or composition.shape[1] < 2:
        return []
    share = composition.div(composition.sum(axis=1).clip(lower=1), axis=0)
    alone = share[share.max(axis=1) >= _ALONE]
    if alone.empty:
        return [Check("good", "Every domain lies on more than one slice", "")]
    named = ", ".join(f"{name} ({row.idxmax()})" for name, row in alone.iterrows())
    return [
        Check("warn", f"On one slice only: domain {named}", "Tissue that the others lack, or an effect that is left.")
    ]


def _placed(placed: Mapping[str, Any]) -> list[Check]:
    table = placed.get("fit")
    if not isinstance(table, pd.DataFrame) or not {"agreement_before", "agreement"} <= set(table):
        return []
    warnings = table.get("warning", pd.Series("", index=table.index)).fillna("").astype(str)
    found = [Check("warn", f"Slice {name}: {text}".removesuffix("."), "") for name, text in warnings.items() if text]
    before, after = (float(table[column].mean()) for column in ("agreement_before", "agreement"))
    if np.isfinite(after):
        start = f"{before:.2f} as they were" if np.isfinite(before) else "unknown as they were"
        claim = f"Features of overlapping slices correlate at {after:.2f}, {start}"
        found.append(Check("warn" if after < _POOR else "good", claim, "Noise keeps it below 1."))
    return found


def _fit(placed: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Name of each slice and its row, in words."""
    table = placed.get("fit")
    if not isinstance(table, pd.DataFrame):
        return []
    table = table.reindex(columns=list(_FIT))
    return [(str(name), [_cell(column, row[column]) for column in _FIT]) for name, row in table.iterrows()]


def _cell(column: str, value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None or not np.isfinite(value):
        return ""
    if column == "overlap":
        return f"{value:.0%}"
    return (f"{round(value, 1) + 0.0:.1f}°" if column == "rotation" else f"{value:.2f}").replace("-", "−")


def _views(context: Context, integrated: Mapping[str, Any], key: str | None) -> Markup | None:
    if not integrated or key is None:
        return None
    try:
        figure = surroundings_figure(_fewer(context), library_key=key)
    except InputError:  # from a table that holds the numbers only
        return None
    return picture(figure, alt="Surroundings of cells before and after integration, by batch")


def _overlay(context: Context, placed: Mapping[str, Any], key: str | None) -> Markup | None:
    if not placed or key is None:
        return None
    try:
        figure = aligned(_fewer(context), library_key=key)
    except InputError:  # the places are not there
        return None
    return picture(figure, alt="Slices upon each other, as measured and aligned")


def _fewer(context: Context) -> Any:
    """The table, or a sample of its cells where there are many."""
    n = context.adata.n_obs
    if n <= _MOST_CELLS:
        return context.adata
    return context.adata[np.sort(np.random.default_rng(0).choice(n, _MOST_CELLS, replace=False))]
