"""Section about denoised expression: what was done, maps before and after, and what it did to all genes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from .. import _keys as keys
from .._check import InputError
from ..pl._denoised import gene_maps
from ..pl._expression import UNIT, denoised_genes, scores
from ..pl._figure import Figure
from ..pl._genes import top_markers
from ..pl._guard import SOURCES, denoised_guard
from ..pl._layout import Panel, plan
from ..pl._panels import draw_grid, rows_of
from ..pl._values import Numbers, symbols
from ..pl._violins import denoised_violin
from ._context import Context, Section
from ._map import MAX_CELLS
from ._pictures import picture
from ._render import render
from ._trust import Check

_GENES, _SLIDES = 6, 3  # mapped
_SMALL = 0.75  # of the size that maps have elsewhere
_VIOLINS = 8  # marker genes
_UNUSED = 0.005  # neighbours with a smaller mean share took no part, where the run does not say
_IN_WORDS = {
    "weight_latent": "the latent space",
    "weight_neighbors": "neighbours",
    "weight_own": "the cell's own counts",
}
_LIKELIHOODS = {"negative_binomial": "negative binomial", "poisson": "Poisson"}


def denoised(context: Context) -> Section | None:
    """Return statement, checks, maps, guard and violins; None when nothing was denoised."""
    result = context.adata.uns.get(keys.DENOISED)
    genes = denoised_genes(context.adata, keys.DENOISED)
    if not isinstance(result, Mapping) or genes is None:
        return None
    table = _table(context, genes)
    best = _best(table)
    values = {
        "statement": _statement(result, table),
        "checks": [_held_out(table), *_warning(result)],
        "maps": _maps(context, best, result),
        "caption": _caption(context, table, result),
        "guard": _guard(context),
        "violins": _violins(context, table, best),
    }
    return Section("denoised", "Denoised expression", render("denoised.html.j2", **values))


def _table(context: Context, genes: pd.Index) -> pd.DataFrame:
    """Scores of the denoised genes, without columns when there are none."""
    found = scores(context.adata, keys.DENOISED)
    rows = np.flatnonzero(context.adata.var_names.isin(genes))
    return pd.DataFrame(index=context.adata.var_names[rows]) if found is None else found.iloc[rows]


def _gain(table: pd.DataFrame) -> pd.DataFrame | None:
    """Deviance of the estimates and of the genes' means where both are known, None when nowhere."""
    if not {"deviance", "deviance_mean"} <= set(table.columns):
        return None
    kept = table[["deviance", "deviance_mean"]].astype(float).dropna()
    return None if kept.empty else kept


def _best(table: pd.DataFrame) -> list[str]:
    gain = _gain(table)
    if gain is None:
        return [str(name) for name in table.index[:_GENES]]
    order = (gain["deviance_mean"] - gain["deviance"]).sort_values(ascending=False, kind="stable")
    return [str(name) for name in order.index[:_GENES]]


def _statement(result: Mapping[str, Any], table: pd.DataFrame) -> str:
    method, likelihood = (_said(result, name) for name in ("method", "likelihood"))
    by = f", estimated by {method}" if method else ""
    under = f" with a {_LIKELIHOODS.get(likelihood, likelihood)} likelihood" if likelihood else ""
    return f"Expected counts of {len(table):,} genes at each cell's own depth{by}{under}. {_sources(result, table)}".strip()


def _said(result: Mapping[str, Any], name: str) -> str:
    """What the run says of itself, beside or among its parameters; empty when it does not."""
    params = result.get("params", {})
    value = result.get(name, params.get(name) if isinstance(params, Mapping) else None)
    return "" if value is None else str(value)


def _sources(result: Mapping[str, Any], table: pd.DataFrame) -> str:
    if not set(SOURCES) <= set(table.columns):
        return ""
    means = table[list(SOURCES)].astype(float).mean()
    if not np.isfinite(means.to_numpy()).all():
        return ""
    by_weight = bool(means["weight_neighbors"] >= _UNUSED)
    used = "was used" if result.get("graph_used", by_weight) else "was not used"
    shares = ", ".join(f"{means[name]:.0%} from {text}" for name, text in _IN_WORDS.items())
    return f"The spatial graph {used}: on average an estimate comes {shares}."


def _held_out(table: pd.DataFrame) -> Check:
    gain = _gain(table)
    if gain is None:
        return Check("unknown", "No deviance of held-out counts is stored", "Whether denoising helped is not known.")
    ours, of_mean = (float(gain[name].mean()) for name in ("deviance", "deviance_mean"))
    numbers = f"{ours:.4g} per cell and gene, {of_mean:.4g} by the genes' means"
    better = int((gain["deviance"] < gain["deviance_mean"]).sum())
    if ours >= of_mean:
        return Check("warn", f"Held-out counts are not predicted better than by the genes' means: {numbers}", "")
    claim = f"Deviance of held-out counts: {numbers}, {1 - ours / of_mean:.1%} less"
    return Check("good", claim, f"It is less for {better:,} of {len(gain):,} genes.")


def _warning(result: Mapping[str, Any]) -> list[Check]:
    text = _said(result, "warning").strip()
    return [Check("warn", text.removesuffix("."), "")] if text else []


def _slide_key(context: Context, result: Mapping[str, Any]) -> str | None:
    own = _said(result, "library_key")
    return context.slide_key or (own if own in context.adata.obs else None)


def _maps(context: Context, genes: list[str], result: Mapping[str, Any]) -> list[Markup]:
    """A picture for each gene: measured and denoised side by side, a row for each slide."""
    if context.spatial_key not in context.adata.obsm or context.depth is None or not genes:
        return []
    key = _slide_key(context, result)
    panels = gene_maps(context.adata, genes, spatial_key=context.spatial_key, library_key=key)
    step = len(panels) // len(genes)
    rows = [panels[i : i + step][: 2 * _SLIDES] for i in range(0, len(panels), step)]
    names = symbols(context.adata, genes)
    return [
        picture(_drawn([thin(p) for p in row]), alt=f"Maps of {name}, measured and denoised")
        for name, row in zip(names, rows, strict=True)
    ]


def _drawn(panels: list[Panel]) -> Figure:
    """Draw two maps in a row, small, so that their text can be read at half the width of the page."""
    plain = [p._replace(values=p.values._replace(unit="")) if isinstance(p.values, Numbers) else p for p in panels]
    grid = plan(plain, ncols=2)
    return draw_grid(plain, ncols=2, figsize=(_SMALL * grid.width, _SMALL * grid.height))


def thin(panel: Panel) -> Panel:
    """Draw no more cells than on the interactive map."""
    if len(panel.xy) <= MAX_CELLS:
        return panel
    rows = np.sort(np.random.default_rng(0).choice(len(panel.xy), MAX_CELLS, replace=False))
    return panel._replace(xy=panel.xy[rows], values=rows_of(panel.values, rows))


def _caption(context: Context, table: pd.DataFrame, result: Mapping[str, Any]) -> str:
    first = "The genes whose held-out deviance fell most" if _gain(table) is not None else "The first genes"
    parts = [f"{first}. Colour is {UNIT}, in each map on a scale of its own."]
    key = _slide_key(context, result)
    n = 1 if key is None else context.adata.obs[key].nunique()
    if n > _SLIDES:
        parts.append(f"The first {_SLIDES} of {n:,} slides are shown.")
    if context.adata.n_obs > MAX_CELLS:
        parts.append(f"No more than {MAX_CELLS:,} cells of a slide are drawn.")
    return " ".join(parts)


def _guard(context: Context) -> Markup | None:
    try:
        figure = denoised_guard(context.adata)
    except InputError:  # no scores
        return None
    return picture(figure, alt="Moran's I before and after, sources of the estimates, and held-out deviance, by gene")


def _violins(context: Context, table: pd.DataFrame, best: list[str]) -> Markup | None:
    """Markers of the domains, or the genes on the maps when there are none."""
    found = context.domains
    if found is None or context.depth is None or not best:
        return None
    genes = _markers(context, table) or best
    colors = dict(zip(found.categories, found.colors, strict=True))
    figure = denoised_violin(context.adata, genes[:_VIOLINS], context.key, colors=colors)
    return picture(figure, alt=f"Expression of {', '.join(genes[:_VIOLINS])} by domain, measured and denoised")


def _markers(context: Context, table: pd.DataFrame) -> list[str]:
    markers = context.marker_table
    if markers is None or context.domains is None:
        return []
    best = top_markers(markers[markers["gene"].isin(table.index)], 1, context.domains.categories)
    return list(dict.fromkeys(best["gene"].astype(str)))
