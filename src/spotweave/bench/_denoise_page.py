"""The Markdown page of the denoising benchmark."""

from collections.abc import Sequence

import pandas as pd

from . import _summary as summary
from ._costs_table import cost_note, cost_table, failures, threads
from ._denoise_methods import ABLATIONS, BASE, METHODS, WHOLE
from ._denoise_sets import GROUPS, SETS
from ._denoise_tables import BY, leaders, over_sets, score_table
from ._domains_page import in_order
from ._host import host
from ._markdown import number, table

DEVIANCE = "Negative binomial deviance of a held-out count (lower is better).\n"
CORRELATION = "Correlation of held-out and expected residuals beyond depth (higher is better).\n"
TRUTH = "Correlation of log rates with the true ones, over cells, of genes that vary (higher is better).\n"
SPAN = (
    "from file to expected counts (rivals without training: to the factors that these are computed from, row by row, "
    "when they are judged; MAGIC and scVI: the fit alone, within their own process)"
)


def denoise_page(poisson: pd.DataFrame, nb: pd.DataFrame) -> str:
    """Return the summary of all rows of ``denoise.csv`` and ``denoise_nb.csv``."""
    parts = ["# Denoising judged by held-out molecules\n", *_said(poisson if len(poisson) else nb)]
    main, parted = _of(poisson, parts=False), _of(poisson, parts=True)
    for title, group in (("Measured tissues", "real"), ("Simulated tissues", "simulated")):
        parts += _section(title, main, GROUPS[group])
    parts += _second(_of(nb, parts=False))
    parts += _ablations(parted)
    both = pd.concat([table for table in (poisson, nb) if len(table)]) if len(poisson) or len(nb) else poisson
    return "\n".join([*parts, *failures(both), "---\n", f"Summed up on {host()}\n"])


def _of(rows: pd.DataFrame, *, parts: bool) -> pd.DataFrame:
    """Good rows: with `parts` those of the method and what it is without its parts, else all but the latter."""
    good = summary.succeeded(rows)
    chosen = good["method"].isin([WHOLE, *ABLATIONS]) if parts else ~good["method"].isin(list(ABLATIONS))
    return good[chosen]


def _said(rows: pd.DataFrame) -> list[str]:
    if "split" not in rows:
        return []
    n_splits, n_seeds = rows["split"].nunique(), rows["repeat"].nunique()
    return [
        f"Half of the molecules, drawn at random, are given; the other half judges. Mean ± standard deviation over "
        f"{n_splits} split{'s' * (n_splits > 1)} and, for methods that draw random numbers, {n_seeds} "
        f"seed{'s' * (n_seeds > 1)} each; {threads(rows)}. The dispersion of each gene is estimated once from all "
        "counts and is the same for all methods; genes of at least 20 counts are judged; no method's expectation "
        "counts as less than 1 % of what depth alone expects. Bold: the best of a row.\n"
    ]


def _section(title: str, rows: pd.DataFrame, names: Sequence[str]) -> list[str]:
    rows = rows[rows["dataset"].isin(names)]
    if not len(rows):
        return []
    methods = in_order(rows["method"], METHODS)
    parts = [f"## {title}\n", "Halves by Poisson thinning.\n", *_scores(rows, names, methods)]
    parts += ["Means over data sets.\n", _overview(rows, methods), "Times and memory.\n"]
    return [*parts, cost_note(rows, SPAN), cost_table(rows, names, methods)]


def _scores(rows: pd.DataFrame, names: Sequence[str], methods: list[str]) -> list[str]:
    parts = [DEVIANCE, score_table(rows, names, methods, "deviance", best="low", digits=4)]
    parts += [CORRELATION, score_table(rows, names, methods, "correlation", best="high")]
    if "truth_correlation" in rows and rows["truth_correlation"].notna().any():
        parts += [TRUTH, score_table(rows, names, methods, "truth_correlation", best="high")]
    return parts


def _overview(rows: pd.DataFrame, methods: Sequence[str]) -> str:
    """Means over sets; deviances also as a part of what depth alone leaves, as sets differ in scale."""
    rows = rows.assign(part=_parts_of_base(rows))
    columns = {"deviance": "low", "part": "low", "poisson_deviance": "low", "correlation": "high"}
    digits = {column: 4 if column.endswith("deviance") else 3 for column in columns}
    means = {column: over_sets(rows, methods, column) for column in columns}
    most = max(n for _, n in means["deviance"].values())
    best = {c: leaders({m: v for m, (v, n) in means[c].items() if n == most}, columns[c], digits[c]) for c in columns}
    wins, lines = _wins(rows), []
    for method in methods:
        cells = []
        for column in columns:
            text = number(means[column][method][0], digits[column]) if method in means[column] else ""
            cells.append(f"**{text}**" if method in best[column] else text)
        n_sets = means["deviance"][method][1] if method in means["deviance"] else 0
        lines.append([f"`{method}`", *cells, f"{wins.get(method, 0)} of {n_sets}"])
    head = ["NB deviance", f"as part of `{BASE}`'s", "Poisson deviance", "residual correlation", "lowest NB deviance"]
    return table(["method", *head], lines)


def _parts_of_base(rows: pd.DataFrame) -> pd.Series:
    base = rows[rows["method"] == BASE].groupby("dataset")["deviance"].mean()
    return rows["deviance"] / rows["dataset"].map(base)


def _wins(rows: pd.DataFrame) -> dict[str, int]:
    """On how many sets each method has the lowest deviance, as printed."""
    wins: dict[str, int] = {}
    for _, means in rows.groupby(list(BY))["deviance"].mean().groupby("dataset"):
        for method in leaders(means.droplevel("dataset").to_dict(), "low", 4):
            wins[method] = wins.get(method, 0) + 1
    return wins


def _second(rows: pd.DataFrame) -> list[str]:
    if not len(rows):
        return []
    methods = in_order(rows["method"], METHODS)
    said = (
        "Thinned halves of overdispersed counts share the cell's excess, and a method that copies it is rewarded. "
        "Halves made with the dispersions do not.\n"
    )
    return ["## Negative binomial splitting\n", said, *_scores(rows, list(SETS), methods)]


def _ablations(rows: pd.DataFrame) -> list[str]:
    if not rows["method"].isin(list(ABLATIONS)).any():
        return []
    # the whole method on the same sets and in the same runs
    runs = rows.loc[rows["method"] != WHOLE, ["dataset", "seed"]].drop_duplicates()
    rows = rows.merge(runs, on=["dataset", "seed"])
    methods = in_order(rows["method"], METHODS)
    return [f"## What the parts of {WHOLE} are worth\n", *_scores(rows, list(SETS), methods)]
