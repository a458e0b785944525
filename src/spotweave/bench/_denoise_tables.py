"""Tables of data sets x methods with the best of each row marked."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from . import _summary as summary
from ._markdown import mean_sd, number, table

BY = ("dataset", "method")


def score_table(
    rows: pd.DataFrame,
    sets: Sequence[str],
    methods: Sequence[str],
    value: str,
    *,
    best: str,
    digits: int = 3,
    over: str = "sets",
) -> str:
    """Mean ± standard deviation of a score, and its mean over sets, or `over` what else the lines are.

    `best` is ``"low"``, ``"high"`` or ``""`` (nothing is marked); equal is what prints alike.
    """
    found = summary.entries(summary.spread(rows, value, BY))
    present = [name for name in sets if any((name, method) in found for method in methods)]
    lines = []
    for name in present:
        own = {method: found[name, method] for method in methods if (name, method) in found}
        winners = leaders({method: entry["mean"] for method, entry in own.items()}, best, digits)
        lines.append([name, *(_cell(own.get(method), digits, marked=method in winners) for method in methods)])
    means = over_sets(rows, methods, value)
    winners = leaders({method: mean for method, (mean, n) in means.items() if n == len(present)}, best, digits)
    cells = [_mean_cell(means.get(method), len(present), digits, over, marked=method in winners) for method in methods]
    return table(["data set", *methods], [*lines, [f"**mean over {over}**", *cells]])


def leaders(means: Mapping[Any, float], best: str, digits: int = 3) -> set[Any]:
    """Methods with the best mean, as printed: several when they print alike, none when there is nothing to compare."""
    known = {method: round(mean, digits) for method, mean in means.items() if not math.isnan(mean)}
    if not best or len(known) < 2:
        return set()
    top = (min if best == "low" else max)(known.values())
    return {method for method, mean in known.items() if mean == top}


def over_sets(rows: pd.DataFrame, methods: Sequence[str], value: str) -> dict[str, tuple[float, int]]:
    """Mean over data sets of the mean over runs, and over how many sets, for each method that has any."""
    means = summary.mean_over_seeds(rows, [value])[value].dropna()
    groups = means.groupby("method")
    average, n_sets = groups.mean().to_dict(), groups.size().to_dict()
    return {method: (float(average[method]), int(n_sets[method])) for method in methods if method in average}


def _cell(entry: dict[str, Any] | None, digits: int, *, marked: bool) -> str:
    if entry is None or math.isnan(entry["mean"]):
        return ""
    text = mean_sd(entry["mean"], entry["sd"], digits)
    return f"**{text}**" if marked else text


def _mean_cell(entry: tuple[float, int] | None, n_sets: int, digits: int, over: str, *, marked: bool) -> str:
    if entry is None:
        return ""
    mean, n = entry
    text = number(mean, digits) if n == n_sets else f"{number(mean, digits)} ({n} of {n_sets} {over})"
    return f"**{text}**" if marked else text
