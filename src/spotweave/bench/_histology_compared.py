"""Tables that set figures beside those from elsewhere, or beside the truth of simulated cohorts."""

import pandas as pd

from . import _summary as summary
from ._denoise_tables import leaders
from ._domains_page import in_order
from ._histology_methods import BLIND, METHODS
from ._histology_panels import CHOSEN, LEGACY
from ._histology_published import FLOOR_SETS, FLOORS, MEDIANS, NAMED, SECTIONS, Floor
from ._histology_sets import ENCODER
from ._histology_tables import section_means
from ._markdown import number, table

SAID_FLOORS = (
    "Mean correlation that 233 colour and texture features reach by the plainest means on these sections, measured "
    "apart from this package; ours: the method named after the stroke; best: of all that see the picture. The floor's "
    "50 genes were chosen by another rule, so that the last row compares genes as well.\n"
)
SAID_PUBLISHED = (
    f"Median over the 785 genes, `{LEGACY[0]}`, each section held out. Published models were trained on 31 sections "
    "with deep encoders, ours on the others of the table. `depth` is no model.\n"
)
SAID_DETECTION = (
    "Share of genes called predictable by the training sections, of those whose expression follows cell types (which "
    "the picture shows) and of all others (false calls); false: share of others among all that were called.\n"
)


def beside_floors(rows: pd.DataFrame) -> list[str]:
    """Floors of real sections and what was reached here."""
    rows = rows[rows["set"].isin(FLOOR_SETS) & (rows["encoder"] == ENCODER)]
    if rows.empty:
        return []
    lines = []
    for floor in FLOORS:
        cells = [
            _floor(rows[rows["set"] == name], floor, value)
            for name, value in zip(FLOOR_SETS, floor.values, strict=True)
        ]
        if any(cell[2] for cell in cells):
            panel = "785 genes" if floor.panel == NAMED else floor.panel
            lines.append(
                [f"{floor.what} / `{floor.method}`, {panel}, `{floor.target}`", *(c for cell in cells for c in cell)]
            )
    heads = [head for name in FLOOR_SETS for head in (f"{name}: floor", "ours", "best")]
    return ["## Floors\n", SAID_FLOORS, table(["what", *heads], lines)] if lines else []


def _floor(rows: pd.DataFrame, floor: Floor, value: float) -> list[str]:
    """The floor, the like of it here, and the best here."""
    in_panel = rows["published_panel"] == 1 if floor.panel == NAMED else rows["panel"] == floor.panel
    own = rows[in_panel & (rows["target"] == floor.target) & ~rows["method"].isin(BLIND)]
    if own.empty:
        return [number(value), "", ""]
    means = section_means(own, "pearson").mean()
    same = number(means.get(floor.method))
    return [number(value), same, f"{number(means.max())} `{means.idxmax()}`"]


def beside_published(rows: pd.DataFrame) -> list[str]:
    """Medians over genes of each section beside published ones."""
    rows = rows[(rows["set"] == FLOOR_SETS[0]) & (rows["published_panel"] == 1) & (rows["target"] == LEGACY[0])]
    rows = rows[rows["section"].isin(SECTIONS)]
    if rows.empty:
        return []
    ours = (
        rows.groupby(["method", "encoder", "section"])["pearson_median"]
        .mean()
        .unstack("section")
        .reindex(columns=SECTIONS)
    )
    values = {name: dict(zip(SECTIONS, medians, strict=True)) for name, medians in MEDIANS.items()}
    for method in in_order(rows["method"], METHODS):
        for encoder, line in ours.loc[method].iterrows():
            values[f"`{method}`" + ("" if encoder == ENCODER else f", {encoder}")] = {
                section: float(line[section]) for section in SECTIONS
            }
    means = {name: pd.Series(line).mean(skipna=False) for name, line in values.items()}
    seeing = [name for name in values if name.strip("`") not in BLIND]
    best = {section: leaders({name: values[name][section] for name in seeing}, "high") for section in SECTIONS}
    best_mean = leaders({name: means[name] for name in seeing}, "high")
    lines = [
        [name, *(_bold(line[s], name in best[s]) for s in SECTIONS), _bold(means[name], name in best_mean)]
        for name, line in values.items()
    ]
    return ["## Beside published figures\n", SAID_PUBLISHED, table(["median over genes", *SECTIONS, "mean"], lines)]


def _bold(value: float, leads: bool) -> str:  # noqa: FBT001 (of a cell)
    return f"**{number(value)}**" if leads else number(value)


def detection(rows: pd.DataFrame) -> list[str]:
    """How well genes of which the picture tells are told from others, on simulated cohorts."""
    if "n_true" not in rows or rows["n_true"].isna().all():
        return []
    rows = rows[rows["n_true"].notna() & ~rows["method"].isin(BLIND)]
    sums = rows.groupby(["family", "panel", "method"])[["n_true", "called_true", "n_other", "called_other"]].sum()
    found = summary.entries(sums)
    lines = []
    for family in in_order(rows["family"], []):
        for panel in in_order(rows["panel"], CHOSEN):
            for method in in_order(rows["method"], METHODS):
                if (family, panel, method) in found:
                    lines.append([f"{family}, {panel}", f"`{method}`", *_shares(found[family, panel, method])])
    heads = ["set", "method", "of genes that follow the picture", "of others", "false"]
    return ["## Genes called predictable\n", SAID_DETECTION, table(heads, lines)]


def _shares(sums: dict[str, float]) -> list[str]:
    called = sums["called_true"] + sums["called_other"]
    parts = [
        (sums["called_true"], sums["n_true"]),
        (sums["called_other"], sums["n_other"]),
        (sums["called_other"], called),
    ]
    return [number(part / whole) if whole else "" for part, whole in parts]
