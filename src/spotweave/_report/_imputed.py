"""Section about imputed genes: what was predicted from what, what held-out genes say of it, maps of the best."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from .. import _keys as keys
from .._check import InputError
from ..pl._imputed import best_imputed, imputation, imputed_maps
from ..pl._imputed_scores import coverage_table, held_out_scores, imputed_scores
from ..pl._layout import Panel, plan
from ..pl._panels import draw_grid
from ..pl._values import Numbers, symbols
from ._context import Context, Section
from ._denoised import thin
from ._map import MAX_CELLS
from ._pictures import picture
from ._render import render
from ._trust import Check

_TOP = 15  # genes in the table
_GENES, _SLIDES = 4, 3  # mapped
_SMALL = 0.75  # of the size that maps have elsewhere
_NEAR = 0.03  # difference of found and asked coverage that is none
_CHANCE, _MANY = 0.05, 0.15  # shares of false patterns: what the test itself finds, and what is too many
_FORESEEN = 0.3  # correlation of expected and found scores below which the order of genes says little
_IN_WORDS = {
    "factor": "principal components of the reference",
    "ridge": "ridge regression on the panel",
    "neighbors": "reference cells alike in the panel",
    "mixture": "clusters of the reference",
    "gene_kernel": "vectors of genes",
    "principal_vectors": "principal vectors",
    "mapping": "cells mapped to reference cells",
    "depth": "the cell's own depth",
    "neighbors_depth": "depth of its neighbours",
}


def imputed(context: Context) -> Section | None:
    """Return statement, checks, best genes, held-out scores, weights and maps; None when nothing was imputed."""
    try:
        result = imputation(context.adata)
    except InputError:
        return None
    held = held_out_scores(result)
    values = {
        "statement": _statement(context, result),
        "checks": _checks(result, held),
        "rows": _rows(context),
        "scores": _scores(context),
        "coverage": [(f"{level:g}%", *row) for level, row in zip(*_coverage(held), strict=True)],
        "weights": _weights(result),
        "maps": _maps(context, result),
        "caption": _caption(context, result),
    }
    return Section("imputed", "Imputed genes", render("imputed.html.j2", **values))


def _statement(context: Context, result: Mapping[str, Any]) -> str:
    method = result.get("params", {}).get("method")
    by = f", predicted (method {method})" if method else ", predicted"
    source = f" from {result['n_shared']:,} shared genes" if "n_shared" in result else ""
    names = f" (names: {result['matched']})" if source and "matched" in result else ""
    cells = f" and {result['n_reference']:,} reference cells" if source and "n_reference" in result else ""
    return f"Expected counts of {context.adata.n_vars:,} genes that were not measured{by}{source}{names}{cells}."


def _checks(result: Mapping[str, Any], held: pd.DataFrame) -> list[Check]:
    found = [_held_out(held), _foreseen(result), _covered(result, held), _false(result), _level(result)]
    if not result.get("converged", True):
        found.append(Check("warn", "The fit of the weights did not converge", ""))
    note = str(result.get("note", "")).strip()
    if note:
        found.append(Check("warn", note.removesuffix("."), ""))
    return [check for check in found if check is not None]


def _held_out(held: pd.DataFrame) -> Check:
    r = held["residual_r"].dropna().to_numpy(float) if "residual_r" in held else np.empty(0)
    if not r.size:
        return Check("unknown", "No scores of held-out genes are stored", "What predictions are worth is not known.")
    middle, above = float(np.median(r)), int((r > 0).sum())
    claim = (
        f"Panel genes that were held out correlate with their counts, beyond depth, at a median of {_signed(middle)}; "
        f"above 0 are {above:,} of {r.size:,}"
    )
    if middle <= 0:
        return Check("warn", claim, "Predictions tell cells apart no better than their depth does.")
    return Check("good", claim, "Counting noise keeps this far below 1, the more so the fewer the counts.")


def _foreseen(result: Mapping[str, Any]) -> Check | None:
    value = float(result.get("quality_correlation", np.nan))
    if not np.isfinite(value):
        return None
    claim = f"Expected and found correlations of held-out genes correlate at {_signed(value)}"
    if value < _FORESEEN:
        return Check("warn", claim, "Which genes are predicted well could hardly be foreseen: mind the order little.")
    return Check("good", claim, "Genes that are expected to be predicted well mostly are.")


def _covered(result: Mapping[str, Any], held: pd.DataFrame) -> Check | None:
    level = result.get("params", {}).get("interval")
    levels, found = _coverage(held)
    if level is None or not levels:
        return None
    nearest = int(np.argmin([abs(known - 100 * float(level)) for known in levels]))
    asked, (mean, low, high) = levels[nearest] / 100, found[nearest]
    claim = f"Intervals for {asked:.0%} of the cells hold {mean:.1%} of the counts of held-out genes"
    reason = f"Of single genes less or more: of the middle 80% of genes {low:.0%} to {high:.0%}."
    return Check("good" if abs(mean - asked) <= _NEAR else "warn", claim, reason)


def _coverage(held: pd.DataFrame) -> tuple[list[float], list[tuple[float, float, float]]]:
    """Nominal levels in percent; mean and range of the shares that were found."""
    table = coverage_table(held)
    return [float(level) for level in table.index], [(float(a), float(b), float(c)) for a, b, c in table.to_numpy()]


def _false(result: Mapping[str, Any]) -> Check | None:
    found = result.get("false_patterns")
    if not isinstance(found, Mapping):
        return None
    flat, patterned = int(found["n_flat"]), int(found["n_patterned"])
    if not flat:
        return Check("unknown", "No held-out gene is flat", "Whether predictions invent patterns is not known.")
    claim = f"Of {flat:,} held-out genes whose counts show no pattern, {patterned:,} were given one"
    reason = f"By chance it would be {_CHANCE:.0%}; found are {patterned / flat:.0%}."
    return Check("good" if patterned / flat <= _MANY else "warn", claim, reason)


def _level(result: Mapping[str, Any]) -> Check | None:
    found = result.get("level")
    error = float(found.get("error", np.nan)) if isinstance(found, Mapping) else np.nan
    if not np.isfinite(error):
        return None
    claim = f"The level of a gene is known to a factor of about {np.exp(error):.1f}"
    return Check("warn" if error > np.log(1.5) else "good", claim, "Trust its pattern sooner.")


def _rows(context: Context) -> list[dict[str, Any]]:
    """The genes of greatest expected correlation."""
    best = best_imputed(context.adata, _TOP)
    table = context.adata.var[~context.adata.var_names.duplicated()].loc[best]
    most = max(float(table["expected_correlation"].max()), 0.0) or 1.0
    found = table.reindex(columns=["expected_correlation", "pattern", "mean", "moran"]).astype(float)
    return [
        {
            "gene": gene,
            "symbol": symbol,
            "expected": _signed(expected),
            "width": max(expected, 0.0) / most,
            "pattern": f"{pattern:.2f}",
            "mean": f"{mean:#.3g}".removesuffix("."),
            "moran": _signed(moran),
        }
        for gene, symbol, (expected, pattern, mean, moran) in zip(
            best, symbols(context.adata, best), found.to_numpy(), strict=True
        )
    ]


def _scores(context: Context) -> Markup | None:
    try:
        figure = imputed_scores(context.adata)
    except InputError:  # no scores
        return None
    return picture(figure, alt="Held-out genes: correlation beyond depth, Moran's I, and coverage of the intervals")


def _weights(result: Mapping[str, Any]) -> list[tuple[str, str, float]]:
    """Name, number and relative size of each weight."""
    found = {str(name): float(value) for name, value in dict(result.get("weights", {})).items()}
    most = max((abs(value) for value in found.values()), default=1.0) or 1.0
    order = sorted(found, key=lambda name: -abs(found[name]))
    return [(_in_words(name), _signed(found[name]), abs(found[name]) / most) for name in order]


def _in_words(name: str) -> str:
    hops = name.removeprefix("neighbors_").removesuffix("_hops")
    if hops.isdigit():
        return f"averaged over neighbours, {hops} {'step' if hops == '1' else 'steps'}"
    return _IN_WORDS.get(name, name)


def _signed(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def _slide_key(context: Context, result: Mapping[str, Any]) -> str | None:
    own = result.get("params", {}).get("library_key")
    return context.slide_key or (str(own) if own is not None and str(own) in context.adata.obs else None)


def _maps(context: Context, result: Mapping[str, Any]) -> list[Markup]:
    """A picture for each gene: prediction and interval side by side, a row for each slide."""
    genes = best_imputed(context.adata, _GENES)
    if context.spatial_key not in context.adata.obsm or not genes:
        return []
    key = _slide_key(context, result)
    rows = imputed_maps(context.adata, genes, spatial_key=context.spatial_key, library_key=key)
    step = len(rows) // len(genes)
    groups = [rows[i : i + step][:_SLIDES] for i in range(0, len(rows), step)]
    return [
        _picture([thin(panel) for row in group for panel in row], len(group[0]), name)
        for name, group in zip(symbols(context.adata, genes), groups, strict=True)
    ]


def _picture(panels: list[Panel], ncols: int, name: str) -> Markup:
    """Maps side by side, small, so that their text can be read at half the width of the page."""
    plain = [p._replace(values=p.values._replace(unit="")) if isinstance(p.values, Numbers) else p for p in panels]
    grid = plan(plain, ncols=ncols)
    figure = draw_grid(plain, ncols=ncols, figsize=(_SMALL * grid.width, _SMALL * grid.height))
    return picture(figure, alt=f"Maps of {name} as predicted")


def _caption(context: Context, result: Mapping[str, Any]) -> str:
    parts = ["The genes of greatest expected correlation: log1p of expected counts, each on a scale of its own."]
    if keys.LOWER in context.adata.layers and keys.UPPER in context.adata.layers:
        parts.append("Beside them the width of the interval relative to the expected count: low is sure.")
    key = _slide_key(context, result)
    n = 1 if key is None else context.adata.obs[key].nunique()
    if n > _SLIDES:
        parts.append(f"The first {_SLIDES} of {n:,} slides are shown.")
    if context.adata.n_obs > MAX_CELLS:
        parts.append(f"No more than {MAX_CELLS:,} cells of a slide are drawn.")
    return " ".join(parts)
