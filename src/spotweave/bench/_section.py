"""Cost of one tissue section from file to domains."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pandas as pd

from .._check import check_range
from .._whole import write_whole
from . import _methods as methods_of
from . import _summary as summary
from ._costs_table import failures, threads
from ._domains import DOMAINS
from ._domains_page import in_order
from ._host import host
from ._markdown import number, seconds, table
from ._methods import RIVAL
from ._names import chosen
from ._runner import Running, run_task
from ._scaling import ratio
from ._sets import SETS

SECTION = replace(DOMAINS, name="section")
VISIUM = "dlpfc_151673"
HEAD = ["method", "runs", "wall s", "CPU s", "fit alone s", "with start of Python s", "peak MB", "ARI"]


def section(
    methods: str | Iterable[str] = ("smooth", "fusion"),
    *,
    dataset: str = VISIUM,
    repeats: int = 3,
    running: Running | None = None,
) -> pd.DataFrame:
    """Measure time and memory of one Visium section (3,639 spots), from file to domains.

    Writes ``section.csv`` and ``section.md`` into ``running.output``. Methods take turns, so that whatever else the
    machine does strikes them alike; the page gives medians and the ratio to the training-free method.

    Parameters
    ----------
    methods
        As in `domains`.
    dataset
        Another data set of `domains` to measure.
    repeats
        Runs of each method, with seeds 0, 1, ...
    running
        As in `domains`; each run has a process of its own, whatever ``fast`` says.

    Returns
    -------
    All rows of ``section.csv``, columns as in `domains`.

    Raises
    ------
    InputError
        When a name is unknown, or the file is not there.
    """
    check_range(repeats, "repeats", low=1, high=1_000, integer=True)
    running = replace(running or Running(), fast=False)
    settings = chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods")
    sets = chosen([dataset], SETS, {}, "data sets")
    rows = run_task(SECTION, list(sets.values()), settings, range(repeats), running)
    write_whole(running.output / "section.md", section_page(rows).encode())
    return rows


def section_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``section.csv``."""
    parts, good = ["# One section from file to domains\n"], summary.succeeded(rows)
    if len(good):
        parts += _tables(good)
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def _tables(rows: pd.DataFrame) -> list[str]:
    found, parts = summary.entries(summary.costs(rows)), []
    counted = summary.first_truths(rows, {item.name: item.truths[0].column for item in SETS.values()})
    scores = summary.entries(summary.mean_over_seeds(counted, ["ari"]))
    methods = in_order(rows["method"])
    for name, of_set in rows.groupby("dataset", sort=False):
        size = f"{int(of_set['n_obs'].iloc[0]):,} spots x {int(of_set['n_genes'].iloc[0]):,} genes"
        parts.append(f"{name}, {size}, {threads(of_set)}. Median over runs, greatest memory.\n")
        lines = [_line(found, scores, str(name), m) for m in methods if (name, m) in found]
        parts.append(table([*HEAD, f"times {RIVAL} (wall · CPU)"], lines))
    return parts


def _line(found: dict[Any, dict[str, Any]], scores: dict[Any, dict[str, Any]], dataset: str, method: str) -> list[str]:
    row = found[dataset, method]
    times = [seconds(row[name]) for name in ("wall_s", "cpu_s", "fit_s", "process_s")]
    end = [f"{row['peak_mb']:.0f}", number(scores[dataset, method]["ari"])]
    return [f"`{method}`", f"{row['n']:.0f}", *times, *end, ratio(found, dataset, method)]
