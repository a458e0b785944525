"""Sections about the data: what is in the object, and how deep it was sequenced."""

import numpy as np
import pandas as pd

from ._charts import histogram
from ._context import Context, Section
from ._render import render


def summary(context: Context) -> Section:
    """Key figures in one row."""
    facts = [("cells or spots", f"{context.adata.n_obs:,}"), ("genes", f"{context.adata.n_vars:,}")]
    if len(context.slides) > 1:
        facts.append(("slides", f"{len(context.slides):,}"))
    if context.depth is not None:
        facts.append(("median counts", f"{np.median(context.depth.counts):,.0f}"))
        facts.append(("median genes", f"{np.median(context.depth.genes):,.0f}"))
    if context.domains is not None:
        facts.append(("domains", f"{len(context.domains.categories):,}"))
    return Section("summary", "At a glance", render("summary.html.j2", facts=facts))


def depth(context: Context) -> Section | None:
    """Counts and genes of a cell, and a table of slides."""
    found = context.depth
    if found is None:
        return None
    charts = [
        histogram(found.counts, title="Counts per cell", x_label="counts, logarithmic; dashed: median"),
        histogram(found.genes, title="Genes per cell", x_label="genes, logarithmic; dashed: median"),
    ]
    rows = [
        (name, rows.size, np.median(found.counts[rows]), np.median(found.genes[rows]))
        for name, rows in context.slides
        if name is not None
    ]
    notes = _notes(context, found.counts)
    return Section("data", "The data", render("data.html.j2", charts=charts, slides=rows, notes=notes))


def _notes(context: Context, counts: np.ndarray) -> list[str]:
    """What a reader should know before believing anything below."""
    notes, n = [], context.adata.n_obs
    empty = int((counts == 0).sum())
    if empty:
        notes.append(
            f"{empty:,} of {n:,} cells hold no counts at all; a domain given to one rests on its neighbours alone."
        )
    if context.spatial_key in context.adata.obsm:
        xy = pd.DataFrame(np.asarray(context.adata.obsm[context.spatial_key]))
        xy["slide"] = context.slide_codes
        same = int(xy.duplicated().sum())
        if same:
            notes.append(f"{same:,} of {n:,} cells lie exactly on another cell of their slide.")
    return notes
