"""Section about genes in space: which vary, their modules on the tissue, and the map of genes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from .. import _keys as keys
from .._check import InputError
from ..pl._figure import Figure
from ..pl._gene_map import gene_embedding
from ..pl._module_maps import LEAST, SIDE, mean_panels
from ..pl._module_means import Modules, module_means, modules_of
from ..pl._panels import draw_grid
from ..pl._spatial import slides_in_row
from ..pl._volcano import GeneTests, gene_tests, significance
from ..pl._volcano import spatial_genes as volcano
from ._charts import line_chart
from ._context import Context, Section
from ._denoised import thin
from ._map import MAX_CELLS
from ._pictures import picture
from ._render import render

_ALPHA = 0.05
_TOP = 15  # genes in the table
_MODULES, _SLIDES, _COLUMNS = 24, 3, 3  # mapped, and maps in a row


def spatial_genes(context: Context) -> Section | None:
    """Return the test, its best genes, module maps and the embedding; None when none of them is there."""
    tests, modules = _tests(context), _modules(context)
    embedding = _embedding(context)
    if tests is None and modules is None and embedding is None:
        return None
    values = {
        "statement": " ".join([*_tested(context, tests), *_grouped(context, modules)]),
        "volcano": None if tests is None else picture(volcano(context.adata, alpha=_ALPHA), alt=_ALT),
        "rows": [] if tests is None else _rows(tests),
        "curve": None if modules is None else _curve(context),
        "maps": None if modules is None else _maps(context, modules),
        "caption": "" if modules is None else _caption(context, modules),
        "embedding": embedding,
    }
    return Section("spatial-genes", "Genes in space", render("spatial_genes.html.j2", **values))


_ALT = "Size of the spatial pattern against significance, a dot for each gene"


def _tests(context: Context) -> GeneTests | None:
    try:
        return gene_tests(context.adata, keys.SPATIAL_GENES)
    except InputError:  # no results, or no gene was tested
        return None


def _modules(context: Context) -> Modules | None:
    try:
        return modules_of(context.adata)
    except InputError:  # none, or none with genes
        return None


def _embedding(context: Context) -> Markup | None:
    try:
        figure = gene_embedding(context.adata)
    except InputError:  # none, or of one gene
        return None
    return picture(figure, alt="Map of the genes: like patterns lie together")


def _tested(context: Context, tests: GeneTests | None) -> list[str]:
    if tests is None:
        return []
    n, called = len(tests.table), int((tests.table["qvalue"] <= _ALPHA).sum())
    left_out = context.adata.n_vars - n
    beside = f" (not tested, as found on too few cells: {left_out:,})" if left_out else ""
    return [f"{called:,} of {n:,} genes vary in space at a false discovery rate of {_ALPHA:.0%}{beside}."]


def _grouped(context: Context, modules: Modules | None) -> list[str]:
    if modules is None:
        return []
    k, n = len(modules.names), int((modules.codes >= 0).sum())
    return [f"{n:,} genes form {k:,} {'module' if k == 1 else 'modules'} of like pattern."]


def _rows(tests: GeneTests) -> list[dict[str, Any]]:
    """The most significant called genes."""
    table = tests.table.assign(symbol=tests.genes, beyond=significance(tests.table, "qvalue")[1])
    called = table[table["qvalue"] <= _ALPHA]
    best = called.iloc[np.lexsort((-called["statistic"], called["qvalue"]))[:_TOP]]
    most = float(best["effect"].max()) if len(best) else 1.0
    moran = best["moran"] if "moran" in best else pd.Series(np.nan, index=best.index)
    return [
        {
            "symbol": symbol,
            "gene": gene,
            "effect": float(effect),
            "width": float(effect) / (most or 1.0),
            "q": "< 1e−300" if beyond else f"{q:.1e}".replace("-", "−"),
            "scale": f"{scale:,.3g}" if scale < 1e3 else f"{scale:,.0f}",
            "moran": None if pd.isna(value) else f"{value:.2f}".replace("-", "−"),
        }
        for gene, symbol, effect, q, beyond, scale, value in zip(
            best.index,
            best["symbol"],
            best["effect"],
            best["qvalue"],
            best["beyond"],
            best["scale"],
            moran,
            strict=True,
        )
    ]


def _result(context: Context) -> Mapping[str, Any]:
    found = context.adata.uns.get(keys.GENE_MODULE)
    return found if isinstance(found, Mapping) else {}


def _params(context: Context) -> Mapping[str, Any]:
    found = _result(context).get("params", {})
    return found if isinstance(found, Mapping) else {}


def _curve(context: Context) -> Markup | None:
    """Score against the number of modules, where it was chosen."""
    curve = _result(context).get("curve")
    if not isinstance(curve, Mapping) or not {"n_modules", "score"} <= set(curve):
        return None
    chosen = _result(context).get("n_modules", _params(context).get("n_modules"))
    mark = {} if chosen is None else {"mark": int(chosen)}
    options: dict[str, Any] = {"title": "Score by number of modules", "x_label": "number of modules", **mark}
    return line_chart(curve["n_modules"], [curve["score"]], **options)


def _slide_key(context: Context) -> str | None:
    own = _params(context).get("library_key")
    return context.slide_key or (str(own) if own is not None and str(own) in context.adata.obs else None)


def _maps(context: Context, modules: Modules) -> Markup | None:
    if context.spatial_key not in context.adata.obsm or context.depth is None:
        return None
    chosen = range(min(len(modules.names), _MODULES))
    return picture(_drawn(context, modules, chosen), alt=f"Mean expression of {len(chosen)} gene modules on the tissue")


def _drawn(context: Context, modules: Modules, chosen: range) -> Figure:
    """Draw the means, of the first slides only when there are many."""
    means = module_means(context.adata, modules)
    options: dict[str, Any] = {"spatial_key": context.spatial_key, "library_key": _slide_key(context)}
    panels = mean_panels(context.adata, modules, means, chosen, **options)
    step = len(panels) // len(chosen)
    shown = [thin(p) for i, p in enumerate(panels) if i % step < _SLIDES]
    return draw_grid(shown, ncols=slides_in_row(shown, len(chosen), _COLUMNS), side=SIDE, least=LEAST)


def _caption(context: Context, modules: Modules) -> str:
    parts = [
        "Mean of the module's genes, each standardised over the tissue and weighted by its probability, in each map on "
        "a scale of its own. Named are the genes that correlate best with the rest of their module."
    ]
    if len(modules.names) > _MODULES:
        parts.append(f"The first {_MODULES} of {len(modules.names):,} modules are shown.")
    key = _slide_key(context)
    n = 1 if key is None else context.adata.obs[key].nunique()
    if n > _SLIDES:
        parts.append(f"The first {_SLIDES} of {n:,} slides are shown.")
    if context.adata.n_obs > MAX_CELLS:
        parts.append(f"No more than {MAX_CELLS:,} cells of a slide are drawn.")
    return " ".join(parts)
