"""The Markdown page of the deconvolution benchmark."""

import pandas as pd

from . import _summary as summary
from ._costs_table import failures, threads
from ._deconvolve_methods import EPOCHS, METHODS
from ._deconvolve_sets import SETS
from ._denoise_tables import over_sets
from ._domains_page import in_order
from ._host import host
from ._markdown import number, table
from ._method_table import method_table, plain

COLUMNS = {  # score: head of its column, which is best
    "rmse": ("RMSE", "low"),
    "jsd": ("JSD", "low"),
    "pcc_type": ("PCC of types", "high"),
    "pcc_spot": ("PCC of spots", "high"),
    "aupr": ("AUPR", "high"),
    "r2": ("R2", "high"),
    "false_mass": ("false mass", "low"),
}
UNKNOWN = {"unknown_rmse": ("unknown RMSE", "low"), "unknown_r": ("unknown r", "high")}
MARKED = {"marker_r": ("marker r", "high")}
RIVAL = "cell2location"
"""Whose seconds are divided by those of the others."""
SAID = (
    "Shares of cell types in spots against the cells that are in them, types of the reference alone. RMSE over types, "
    "mean over spots; JSD: Jensen-Shannon divergence, base 2, mean over spots; PCC: Pearson correlation of each type "
    "over spots (mean over types), and of each spot over types; AUPR of presence over all spots and types; R2 of each "
    "type over spots; false mass: share given to types that are not in the spot. Unknown: the share that a method "
    "gives to no type, against the share of cells whose type the reference lacks. Marker r (no truth): correlation of "
    "the share of types with that of their marker genes, which no method was given. CPU seconds of the method alone, "
    "sums over held-out parts. Bold: the best of a column. "
)
SAID_OF_RIVAL = (
    f"cell2location ran for {EPOCHS:,} epochs, not 30,000, and was told the mean number of cells in a spot. "
)


def deconvolve_page(rows: pd.DataFrame, types: pd.DataFrame | None = None) -> str:
    """Return the summary of all rows of ``deconvolve.csv``, and of its types."""
    good, parts = summary.succeeded(rows), ["# Composition of spots\n"]
    if len(good):
        told = SAID_OF_RIVAL if _rival(good) else ""
        parts += [f"{SAID}{told}Means over seeds; {threads(good)}.\n"]
        parts += _overview(good)
        for name in (name for name in SETS if (good["dataset"] == name).any()):
            parts += _section(name, good[good["dataset"] == name], types)
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def _rival(rows: pd.DataFrame) -> str | None:
    """The method whose seconds are compared, where it was run."""
    return RIVAL if (rows["method"] == RIVAL).any() else None


def _overview(rows: pd.DataFrame) -> list[str]:
    """Means over data sets with a truth, of methods that were run on all of them."""
    rows = rows[rows["dataset"].isin([name for name, item in SETS.items() if item.truth])]
    n_sets = rows["dataset"].nunique()
    if n_sets < 2:
        return []
    names = in_order(rows["method"], METHODS)
    means = {column: over_sets(rows, names, column) for column in COLUMNS}
    complete = [name for name in names if means["rmse"].get(name, (0.0, 0))[1] == n_sets]
    values = {column: {name: means[column][name][0] for name in complete} for column in COLUMNS}
    cpu = rows.groupby(["dataset", "method"])["fit_cpu_s"].median().groupby("method").mean()
    return [f"## Mean of {n_sets} sets\n", method_table(values, complete, COLUMNS, plain(cpu), _rival(rows))]


def _section(name: str, rows: pd.DataFrame, types: pd.DataFrame | None) -> list[str]:
    """Tables of one data set."""
    first = rows.iloc[0]
    parts = f", {first['n_parts']:.0f} parts held out in turn" if first["n_parts"] > 1 else ""
    said = (
        f"{first['n_obs']:,.0f} spots, {first['n_genes']:,.0f} genes, reference of {first['n_reference']:,.0f} cells, "
        f"{first['n_types']:.0f} types{parts}.\n"
    )
    all_columns = {**COLUMNS, **UNKNOWN, **MARKED}
    columns = {key: head for key, head in all_columns.items() if key in rows and rows[key].notna().any()}
    values = {column: plain(rows.groupby("method")[column].mean()) for column in columns}
    methods, cpu = in_order(rows["method"], METHODS), plain(rows.groupby("method")["fit_cpu_s"].median())
    own = [] if types is None else _types(types[types["dataset"] == name])
    return [f"## {name}\n", said, method_table(values, methods, columns, cpu, _rival(rows)), *own]


def _types(types: pd.DataFrame) -> list[str]:
    """Correlation of each type over spots by method, or its mean share where no truth is known."""
    if types.empty:
        return []
    methods = [name for name in in_order(types["method"], METHODS) if name not in {"uniform", "reference"}]
    known = "pcc" in types and types["pcc"].notna().any()
    value = "pcc" if known else "found_mean"
    wide = types.pivot_table(index="type", columns="method", values=value)
    methods = [name for name in methods if name in wide]
    if not methods:
        return []
    present = types.groupby("type")["truth_mean"].first() if known else pd.Series(dtype=float)
    order = present[present > 0].sort_values(ascending=False).index if known else wide.index
    lines = [
        [str(kind), *([number(present[kind])] if known else []), *(number(wide.loc[kind].get(m)) for m in methods)]
        for kind in order
        if kind in wide.index
    ]
    said = "PCC of each type, first seed; types by their mean share:\n" if known else "Mean share of each type:\n"
    return [said, table(["type", *(["true share"] if known else []), *methods], lines)]
