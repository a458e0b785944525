"""The Markdown page of the alignment benchmark."""

import pandas as pd

from . import _summary as summary
from ._align_data import SETS
from ._align_fit import METHODS
from ._costs_table import cost_note, cost_table, failures, threads
from ._denoise_tables import score_table
from ._domains_page import in_order
from ._host import host
from ._markdown import number

SCORES = {  # title, which is best
    "distance": ("Mean distance to the true place, in distances between neighbours", "low"),
    "angle": ("Error of the angle, degrees", "low"),
    "same_label": ("Share of labelled rows whose nearest row of the first slice has the same label", "high"),
}


def align_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``align.csv``."""
    good, parts = summary.succeeded(rows), ["# Alignment of slices\n"]
    if len(good):
        methods, sets = in_order(good["method"], METHODS), in_order(good["dataset"], SETS)
        parts.append(_said(good))
        for column, (title, best) in SCORES.items():
            scored = good[good[column].notna()] if column in good else good[:0]
            if len(scored):
                parts += [f"{title}.\n", score_table(scored, sets, methods, column, best=best)]
        parts += [*_at_true_places(good), "Times and memory.\n", cost_note(good, "from file to places")]
        parts.append(cost_table(good, sets, methods))
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def _said(rows: pd.DataFrame) -> str:
    n_seeds = rows["seed"].nunique()
    return (
        f"All slices but the first are turned by a random angle and shifted (`sim_bent`: bent as well), mean ± standard "
        f"deviation over {n_seeds} seed{'s' * (n_seeds > 1)}, {threads(rows)}. `align`, `align-warp`, `align-fgw`: `tl.align`; "
        "`moments`: means and principal axes, the way round by expression. Bold: the best of a row.\n"
    )


def _at_true_places(rows: pd.DataFrame) -> list[str]:
    """Line on what share of like labels perfect alignment has."""
    if "same_label_true" not in rows:
        return []
    best = rows.groupby("dataset")["same_label_true"].mean().dropna()
    parts = [f"`{name}` {number(float(best[name]))}" for name in in_order(map(str, best.index), SETS)]
    return [f"The same at the true places: {', '.join(parts)}.\n"] if parts else []
