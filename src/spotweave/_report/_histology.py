"""Section about expression from a picture: what it was learned on, which genes can be believed, maps, cross-validation."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from .. import _keys as keys
from .._check import InputError
from ..metrics import expression_scores
from ..pl._histology_scores import TRIVIAL, histology_scores, ordered_methods
from ..pl._layout import plan
from ..pl._predicted import predicted_maps
from ..pl._predicted_draw import Shown, draw_shown
from ..pl._predicted_values import (
    EVIDENCE,
    best_predicted,
    measured_expression,
    predictable,
    predicted_expression,
    prediction,
    unit,
)
from ..pl._values import Numbers, symbols
from ._context import Context, Section
from ._denoised import thin
from ._histology_checks import checks, signed
from ._map import MAX_CELLS
from ._pictures import picture
from ._render import render

_TOP = 15  # genes in the table
_GENES, _SLIDES = 4, 3  # mapped
_SMALL = 0.75  # of the size that maps have elsewhere
_NAMED = 12  # training sections to name
_BLOCK = 500  # genes scored at a time


def histology(context: Context) -> Section | None:
    """Return statement, checks, maps, evidence by gene, slides and cross-validation; None without predictions."""
    try:
        result = prediction(context.adata)
    except InputError:
        return None
    here = _here(context)
    scores = context.adata.uns.get(keys.HISTOLOGY_SCORES)
    maps, slide = _maps(context)
    values = {
        "statement": _statement(context, result),
        "checks": checks(context, result, here),
        "maps": maps,
        "slide": slide,
        "caption": _caption(context, result),
        "rows": _rows(context, here),
        "measured": here is not None,
        "slides": _slides(context, result),
        "sources": _sources(context),
        "scores": _scores(scores),
        "methods": _methods(scores),
    }
    return Section("histology", "Expression from the picture", render("histology.html.j2", **values))


def _statement(context: Context, result: Mapping[str, Any]) -> str:
    params = result.get("params", {})
    method = params.get("method") if isinstance(params, Mapping) else None
    by = f" (method {method})" if method else ""
    sections, groups = (list(map(str, np.atleast_1d(result.get(key, [])))) for key in ("trained_on", "groups"))
    named = ", ".join(sections[:_NAMED]) + (", ..." if len(sections) > _NAMED else "")
    source = f" It was trained on {len(sections):,} {_plural('section', sections)} ({named})" if sections else ""
    people = f" of {len(groups):,} {_plural('patient', groups)}" if groups and groups != sections else ""
    n, g = context.adata.shape
    return f"Expression of {g:,} genes in {n:,} spots, predicted from the stained picture{by}.{source}{people}{'.' if source else ''}"


def _plural(word: str, things: list[str]) -> str:
    return word if len(things) == 1 else f"{word}s"


def _here(context: Context) -> np.ndarray | None:
    """Correlation of each gene with what was measured, mean over slides ``[g]``; None when nothing was."""
    adata = context.adata
    if keys.MEASURED not in adata.layers:
        return None
    found = np.full((len(context.slides), adata.n_vars), np.nan)
    for start in range(0, adata.n_vars, _BLOCK):
        columns = list(range(start, min(start + _BLOCK, adata.n_vars)))
        truth, guess = measured_expression(adata, columns), predicted_expression(adata, columns)
        assert truth is not None
        known = np.isfinite(truth).all(axis=0)
        for i, (_, rows) in enumerate(context.slides):
            if len(rows) > 1 and known.any():
                scores = expression_scores(
                    truth[rows][:, known], guess[rows][:, known], train_mean=np.zeros(known.sum())
                )
                found[i, np.array(columns)[known]] = scores.pearson
    seen = np.isfinite(found)
    return np.divide(
        np.where(seen, found, 0).sum(axis=0),
        seen.sum(axis=0),
        out=np.full(adata.n_vars, np.nan),
        where=seen.any(axis=0),
    )


def _rows(context: Context, here: np.ndarray | None) -> list[dict[str, Any]]:
    """The genes of highest held-out correlation."""
    var = context.adata.var.assign(here=np.nan if here is None else here, shown=predictable(context.adata))
    best = var.sort_values(EVIDENCE, ascending=False, kind="stable").iloc[:_TOP]
    most = max(float(best[EVIDENCE].max()), 0.0) or 1.0
    columns = best.reindex(columns=[EVIDENCE, "held_out_r2", "q", "here"]).astype(float).to_numpy()
    return [
        {
            "gene": gene,
            "symbol": symbol,
            "held": signed(held),
            "width": max(held, 0.0) / most,
            "r2": signed(r2),
            "q": "–" if not np.isfinite(q) else f"{q:.2g}" if q >= 1e-3 else f"{q:.0e}".replace("-", "−"),
            "here": signed(r),
            "shown": bool(shown),
        }
        for gene, symbol, shown, (held, r2, q, r) in zip(
            best.index, symbols(context.adata, [str(g) for g in best.index]), best["shown"], columns, strict=True
        )
    ]


def _slides(context: Context, result: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Name, spots, novelty and share out of distribution of each slide, when there are several."""
    novelty = dict(result.get("slide_novelty", {}))
    if len(context.slides) < 2 or keys.OUT_OF_DISTRIBUTION not in context.adata.obs:
        return []
    odd = context.adata.obs[keys.OUT_OF_DISTRIBUTION].to_numpy(dtype=bool)
    return [
        (str(name), f"{len(rows):,}", f"{float(novelty.get(str(name), np.nan)):.2f}", f"{odd[rows].mean():.1%}")
        for name, rows in context.slides
    ]


def _sources(context: Context) -> list[tuple[str, str, float]]:
    """Training section, share of the weight of retrieved spots, relative size; none of methods that do not retrieve."""
    names, weights = (context.adata.obsm.get(key) for key in ("retrieved", "retrieved_weight"))
    if not isinstance(names, pd.DataFrame) or weights is None:
        return []
    section = names.astype(str).stack().str.rpartition(":")[0].to_numpy()
    weight = pd.Series(np.asarray(weights, dtype=float).ravel()).groupby(section).sum().sort_values(ascending=False)
    share = weight / max(float(weight.sum()), 1e-12)
    return [(str(n), f"{s:.0%}", float(s / share.max())) for n, s in share.iloc[:_NAMED].items()]


def _maps(context: Context) -> tuple[list[Markup], Markup | None]:
    """A picture for each gene, measured beside predicted, a row for each slide; and the slides themselves."""
    genes = best_predicted(context.adata, _GENES)
    if context.spatial_key not in context.adata.obsm or not genes:
        return [], None
    rows = predicted_maps(context.adata, genes, spatial_key=context.spatial_key, library_key=context.slide_key)
    step = len(rows) // len(genes)
    groups = [rows[i : i + step][:_SLIDES] for i in range(0, len(rows), step)]
    pictures = [
        _picture([part for row in group for part in row if not part.picture], f"Maps of {name} as predicted")
        for name, group in zip(symbols(context.adata, genes), groups, strict=True)
    ]
    slides = [part for row in groups[0] for part in row if part.picture]
    return pictures, _picture(slides, "The stained picture; spots unlike training are ringed") if slides else None


def _picture(parts: list[Shown], alt: str) -> Markup:
    """Draw small, so that text can be read at half the width of the page."""
    plain = []
    for part in parts:
        panel = thin(part.panel)
        values = panel.values._replace(unit="") if isinstance(panel.values, Numbers) else panel.values
        plain.append(part._replace(panel=panel._replace(values=values)))
    ncols = len(plain) if plain[0].picture else 1 + any(" · measured" in p.panel.title for p in plain)
    grid = plan([part.panel for part in plain], ncols=ncols)
    figure = draw_shown(plain, ncols=ncols, figsize=(_SMALL * grid.width, _SMALL * grid.height))
    return picture(figure, alt=alt, rare=True)


def _caption(context: Context, result: Mapping[str, Any]) -> str:
    parts = [
        f"The genes of clearest evidence: {unit(result)}, each map on a scale of its own, so that patterns can be compared and levels cannot."
    ]
    if len(context.slides) > _SLIDES:
        parts.append(f"The first {_SLIDES} of {len(context.slides):,} slides are shown.")
    if context.adata.n_obs > MAX_CELLS:
        parts.append(f"No more than {MAX_CELLS:,} spots of a slide are drawn.")
    return " ".join(parts)


def _scores(scores: Any) -> Markup | None:
    try:
        figure = histology_scores(scores)
    except InputError:  # none, or a summary alone
        return None
    return picture(figure, alt="Correlation and r2 on patients that were left out, by method")


def _methods(scores: Any) -> list[dict[str, Any]]:
    """Rows of the summary of a cross-validation."""
    table = scores.get("summary") if isinstance(scores, Mapping) else scores
    if not isinstance(table, pd.DataFrame) or not {"pearson", "lower", "upper", "r2"} <= set(table.columns):
        return []
    cells: dict[Any, Any] = table.to_dict("index")
    extra = [c for c in ("pearson_predictable", "n_predictable", "margin_depth") if c in table]
    return [
        {
            "name": TRIVIAL.get(method, method),
            "cells": [
                *(signed(float(cells[method][c]), 3) for c in ("pearson", "lower", "upper", "r2")),
            ],
            "extra": {c: signed(float(cells[method][c]), 1 if c == "n_predictable" else 3) for c in extra},
            "trivial": method in TRIVIAL,
        }
        for method in ordered_methods(table)
    ]
