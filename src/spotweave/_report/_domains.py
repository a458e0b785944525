"""Sections about domains: map and sizes, agreement with a truth, how K was chosen, training, markers."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from ..pl._genes import top_markers
from ..pl._results import chosen_number
from ..pl._values import Categories, symbols
from ._charts import line_chart
from ._context import Context, Section
from ._map import map_data
from ._render import render

_MARKERS = 8  # genes shown for each domain


def tissue(context: Context) -> Section | None:
    """Interactive map, and what its legend cannot say: a table of sizes."""
    if context.spatial_key not in context.adata.obsm:
        return None
    data = map_data(context)
    if not data["layers"]:
        return None
    title = "Domains on the tissue" if context.domains is not None else "The tissue"
    return Section("map", title, render("map.html.j2", data=data, sizes=_sizes(context), slides=context.slides))


def _sizes(context: Context) -> list[dict[str, Any]]:
    found = context.domains
    if found is None:
        return []
    rows = []
    for i, (name, colour) in enumerate(zip(found.categories, found.colors, strict=True)):
        inside = found.codes == i
        sure = None
        if context.confidence is not None and inside.any():
            sure = float(context.confidence[inside].mean())
        by_slide = [int((inside & (context.slide_codes == s)).sum()) for s in range(len(context.slides))]
        share = float(inside.mean())
        rows.append(
            {
                "name": name,
                "color": colour,
                "cells": int(inside.sum()),
                "share": share,
                "sure": sure,
                "slides": by_slide,
            }
        )
    return rows


def agreement(context: Context) -> Section | None:
    """Scores against a truth, and which label went where."""
    found, known = context.domains, context.known
    if found is None or known is None:
        return None
    from .. import metrics

    both = (known.codes >= 0) & (found.codes >= 0)
    pair = known.codes[both], found.codes[both]
    scores = [
        ("ARI", "adjusted Rand index: 1 is the same partition, 0 is chance", metrics.ari(*pair)),
        ("NMI", "normalised mutual information, 0 to 1", metrics.nmi(*pair)),
        ("homogeneity", "1 when each domain holds one label only", metrics.homogeneity(*pair)),
        ("completeness", "1 when each label lies in one domain only", metrics.completeness(*pair)),
    ]
    table = np.zeros((len(known.categories), len(found.categories)), dtype=int)
    np.add.at(table, pair, 1)
    shares = table / table.sum(axis=1, keepdims=True).clip(min=1)
    values = {
        "truth": context.truth,
        "scores": scores,
        "rows": list(zip(known.categories, known.colors, table.tolist(), shares.tolist(), strict=True)),
        "columns": list(zip(found.categories, found.colors, strict=True)),
        "n_known": int(both.sum()),
        "n_cells": context.adata.n_obs,
    }
    return Section("truth", f"Against the known labels “{context.truth}”", render("agreement.html.j2", **values))


def choice(context: Context) -> Section | None:
    """Stability and held-out likelihood against K."""
    curve = context.result.get("curve")
    if not isinstance(curve, Mapping) or "n_domains" not in curve:
        return None
    chosen = chosen_number(context.result)
    names = {
        "stability": "Stability: ARI between two halves of the counts",
        "held_out": "Held-out log-likelihood per cell, above that of one domain",
    }
    options: dict[str, Any] = {"x_label": "number of domains", "mark": chosen}
    charts = [
        line_chart(curve["n_domains"], [curve[k]], title=title, errors=curve.get(f"{k}_se"), **options)
        for k, title in names.items()
        if k in curve
    ]
    return Section("choice", "How the number of domains was chosen", render("choice.html.j2", charts=charts, k=chosen))


def training(context: Context) -> Section | None:
    """Losses by epoch."""
    history = context.result.get("history")
    if not isinstance(history, Mapping):
        return None
    charts = []
    for name, values in history.items():
        lines = np.atleast_2d(np.asarray(values, dtype=float))
        if lines.size and lines.ndim == 2:
            steps = range(1, lines.shape[1] + 1)
            charts.append(line_chart(steps, list(lines), title=str(name).replace("_", " "), x_label="epoch"))
    if not charts:
        return None
    return Section("training", "Training", render("charts.html.j2", charts=charts))


def markers(context: Context) -> Section | None:
    """Genes that set each domain apart."""
    table = context.marker_table
    if context.domains is None or table is None:
        return None
    best = top_markers(table, _MARKERS, context.domains.categories)
    most = float(best["effect"].abs().max()) or 1.0
    best = best.assign(symbol=symbols(context.adata, best["gene"].astype(str).tolist()))
    groups = [(*pair, _genes(best[best["domain"] == pair[0]], most)) for pair in _named(context.domains)]
    return Section("markers", "Marker genes", render("markers.html.j2", groups=[g for g in groups if g[2]]))


def _named(found: Categories) -> list[tuple[str, str]]:
    return list(zip(found.categories, found.colors, strict=True))


def _genes(rows: pd.DataFrame, most: float) -> list[dict[str, Any]]:
    q = rows["q"] if "q" in rows else pd.Series(np.nan, index=rows.index)
    return [
        {
            "symbol": symbol,
            "gene": gene,
            "effect": float(effect),
            "width": abs(float(effect)) / most,
            "q": None if pd.isna(value) else float(value),
        }
        for symbol, gene, effect, value in zip(rows["symbol"], rows["gene"], rows["effect"], q, strict=True)
    ]
