"""The Markdown page of the domains benchmark."""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from . import _summary as summary
from ._costs_table import cost_note, cost_table, failures, threads
from ._host import host
from ._markdown import mean_sd, number, table
from ._methods import METHODS, RIVAL
from ._sets import SETS, DataSet

SCORES = {"ari": "ARI", "nmi": "NMI", "homogeneity": "homogeneity", "chaos": "CHAOS", "pas": "PAS"}


def domains_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``domains.csv``."""
    parts = ["# Domains against known labels\n", _said(rows)]
    good = summary.succeeded(rows)
    for title, real in (("Measured tissues", True), ("Simulated tissues", False)):
        sets = [item for item in SETS.values() if item.real is real and (good["dataset"] == item.name).any()]
        if sets:
            parts += [f"## {title}\n", *_group(good[good["dataset"].isin([s.name for s in sets])], sets)]
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def _said(rows: pd.DataFrame) -> str:
    n_seeds = rows["seed"].nunique()
    return (
        f"Mean ± standard deviation over {n_seeds} seed{'s' * (n_seeds > 1)}, {threads(rows)}, the true number of "
        "domains given. Bold: at or above the goal, the best figure known from elsewhere. CHAOS and PAS: lower is "
        "smoother.\n"
    )


def _group(rows: pd.DataFrame, sets: list[DataSet]) -> list[str]:
    names = in_order(rows["method"])
    counted = summary.first_truths(rows, {item.name: item.truths[0].column for item in sets})
    return [
        "ARI of each data set; its first truth counts in the mean.\n",
        _ari(rows, counted, sets, names),
        f"Means over data sets, and differences to `{RIVAL}` on the same sets.\n",
        _overview(rows, counted, sets, names),
        "Times and memory.\n",
        cost_note(rows),
        cost_table(rows, [item.name for item in sets], names),
    ]


def in_order(methods: Iterable[str], registry: Iterable[str] = METHODS) -> list[str]:
    """Names in the order of the registry, unknown ones last."""
    known, present = list(registry), set(methods)
    return [m for m in known if m in present] + sorted(present - set(known))


def _ari(rows: pd.DataFrame, counted: pd.DataFrame, sets: list[DataSet], methods: list[str]) -> str:
    found = summary.entries(summary.spread(rows, "ari"))
    most = max((entry["n"] for entry in found.values()), default=0)
    lines = []
    for item in sets:
        for truth in item.truths:
            cells = [_cell(found.get((item.name, truth.column, method)), truth.goal, most) for method in methods]
            lines.append([f"{item.name} (`{truth.column}`)", number(truth.goal), *cells])
    return table(["data set (truth)", "goal", *methods], [*lines, _mean_line(counted, sets, methods)])


def _cell(entry: dict[str, Any] | None, goal: float | None, most: int) -> str:
    """Mean and spread; the number of runs where other cells have more."""
    if entry is None:
        return ""
    text = mean_sd(entry["mean"], entry["sd"])
    text = f"**{text}**" if reaches(entry["mean"], goal) else text
    return text if entry["n"] == most else f"{text} (n = {entry['n']})"


def reaches(mean: float, goal: float | None) -> bool:
    """Whether the mean, as printed, is at or above the goal."""
    return goal is not None and round(mean, 3) >= goal


def _mean_line(counted: pd.DataFrame, sets: list[DataSet], methods: list[str]) -> list[str]:
    means = summary.over_sets(counted, ["ari"])["ari"].to_dict()
    n_sets = summary.succeeded(counted).groupby("method")["dataset"].nunique().to_dict()
    goals = [goal for goal in (item.truths[0].goal for item in sets) if goal is not None]
    cells = []
    for method in methods:
        part = f" ({n_sets[method]} of {len(sets)} sets)" if n_sets.get(method, len(sets)) < len(sets) else ""
        cells.append(number(means.get(method)) + part)
    return ["**mean over sets**", number(sum(goals) / len(goals) if goals else None), *cells]


def _overview(rows: pd.DataFrame, counted: pd.DataFrame, sets: list[DataSet], methods: list[str]) -> str:
    means, gaps = summary.entries(summary.over_sets(counted, SCORES)), summary.differences(counted, "ari", RIVAL)
    found = summary.entries(summary.spread(rows, "ari"))
    head = ["method", *SCORES.values(), f"ARI - {RIVAL}", "lowest (set)", "largest sd (set)", "goals reached"]
    lines = []
    for method in (m for m in methods if m in means):
        gap = {str(name): float(value) for name, value in gaps[method].dropna().items()} if method in gaps else {}
        own = {(name, truth): entry for (name, truth, m), entry in found.items() if m == method}
        scores = [number(means[method][score]) for score in SCORES]
        lines.append([f"`{method}`", *scores, *_gap(gap), _largest_sd(own), _reached(own, sets)])
    return table(head, lines)


def _gap(gap: dict[str, float]) -> list[str]:
    if not gap:
        return ["", ""]
    lowest = min(gap, key=lambda name: gap[name])
    return [signed(sum(gap.values()) / len(gap)), f"{signed(gap[lowest])} ({lowest})"]


def signed(value: float) -> str:
    """With a sign, and no minus before zero."""
    return f"{round(value, 3) + 0.0:+.3f}"


def _largest_sd(own: dict[tuple[str, str], dict[str, Any]]) -> str:
    spreads = {key: entry["sd"] for key, entry in own.items() if entry["n"] > 1}
    largest = max(spreads, key=lambda key: spreads[key], default=None)
    return f"{spreads[largest]:.3f} ({largest[0]})" if largest else ""


def _reached(own: dict[tuple[str, str], dict[str, Any]], sets: list[DataSet]) -> str:
    """How many goals are reached, of those of data sets that were run."""
    goals = {(item.name, truth.column): truth.goal for item in sets for truth in item.truths if truth.goal is not None}
    won = [reaches(own[key]["mean"], goal) for key, goal in goals.items() if key in own]
    return f"{sum(won)} of {len(won)}" if won else ""
