"""The Markdown page of the histology benchmark."""

from collections.abc import Iterable

import pandas as pd

from . import _summary as summary
from ._costs_table import cost_note, cost_table, failures, threads
from ._domains_page import in_order
from ._histology_compared import beside_floors, beside_published, detection
from ._histology_methods import METHODS
from ._histology_panels import CHOSEN, HONEST, LEGACY, PUBLISHED
from ._histology_sets import ENCODER, SETS
from ._histology_tables import margin_rows, method_rows
from ._host import host

SAID = (
    "Expression predicted from the picture of sections that were held out. Correlation of each gene over the spots "
    "of a section, mean over genes, then over sections; ± standard deviation over seeds; 95 % intervals by "
    "bootstrap over patients and then their sections where patients are held out, else over sections; they are too "
    "narrow where patients are few. R2 against the training mean of each gene. `mean`: that mean everywhere, whose "
    "correlation is 0 by definition; `depth`: an oracle that no picture can be, a line in the log of the true total "
    "counts of each spot. Neither sees a picture; bold is the best of those that do. Target `log_normalized`: "
    "counts of a spot divided by those of all its genes; the legacy targets are there to stand beside published "
    "figures alone. Margins: method of the line minus method of the column on the same sections, bold where the "
    "interval lies above 0. CPU seconds of all folds. Predictable genes: those of which the training sections could "
    "show that the picture tells.\n"
)
HELD_OUT = {
    "group": "Each patient held out.",
    "section": "Each section held out; other sections of its patient may be trained on, so that nothing is said about "
    "a new patient.",
}
NOT_SHIPPED = (
    f"The 785 genes of published figures are in `{PUBLISHED}` (data/ of biomed-AI/Hist2ST), which is not shipped: pass "
    f"it as `--panel NAME={PUBLISHED}`.\n"
)


def histology_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``histology.csv``."""
    good, parts = summary.succeeded(rows), ["# Expression from a stained image\n"]
    if len(good):
        good = good.assign(family=_with_encoder(good))
        parts += [SAID, f"{threads(good)}. {NOT_SHIPPED}"]
        for family in in_order(good["family"], dict.fromkeys(item.title for item in SETS.values())):
            parts += _of_set(family, good[good["family"] == family])
        parts += [*beside_floors(good), *beside_published(good), *detection(good), *_costs(good)]
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def _with_encoder(rows: pd.DataFrame) -> pd.Series:
    """Name of the set, and of its encoder where that is not the one without weights."""
    return rows["family"].where(rows["encoder"] == ENCODER, rows["family"] + " by " + rows["encoder"])


def _of_set(family: str, rows: pd.DataFrame) -> list[str]:
    """Tables of each panel and target of one set."""
    parts = [f"## {family}\n", f"{HELD_OUT[rows['split'].iloc[0]]} {_sizes(rows)}\n"]
    for panel in in_order(rows["panel"], CHOSEN):
        for target in in_order(rows.loc[rows["panel"] == panel, "target"], [HONEST, *LEGACY]):
            own = rows[(rows["panel"] == panel) & (rows["target"] == target)]
            methods = in_order(own["method"], METHODS)
            genes = _range(own["n_panel"])
            parts += [f"### {family}, {panel} ({genes} genes), `{target}`\n", method_rows(own, methods)]
            parts += ["Margins of correlation.\n", margin_rows(own, methods)] * (len(methods) > 1)
    return parts


def _sizes(rows: pd.DataFrame) -> str:
    sections = rows.drop_duplicates(["set", "section"])
    patients = sections[["set", "patient"]].drop_duplicates()
    scale = _range(sections["um_per_px"], 3)
    return (
        f"{len(sections)} sections of {len(patients)} patient{'s' * (len(patients) > 1)}, "
        f"{sections['n_spots'].sum():,.0f} spots; {scale} um per pixel."
    )


def _range(values: Iterable[float], digits: int = 0) -> str:
    """Lowest and highest, one number where they print alike."""
    ends = [f"{value:.{digits}f}" for value in (min(values), max(values))]
    return " to ".join(dict.fromkeys(ends))


def _costs(rows: pd.DataFrame) -> list[str]:
    sets = in_order(rows["dataset"], rows["dataset"].unique())
    methods = in_order(rows["method"], METHODS)
    note = cost_note(rows, "from a table with features of tiles to scores of all folds")
    return ["## Times and memory\n", note, cost_table(rows, sets, methods)]
