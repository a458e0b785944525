"""Cost against the number of cells."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from .._check import check_range
from .._whole import write_whole
from . import _methods as methods_of
from . import _summary as summary
from ._costs_table import cost_note, cost_table, failures, threads
from ._domains import DOMAINS
from ._domains_page import in_order
from ._host import host
from ._markdown import number, table
from ._methods import RIVAL
from ._names import chosen
from ._runner import Running, run_task
from ._sets import DataSet, simulated
from ._task import Task

SCALING = replace(DOMAINS, name="scaling")


def tissue(n_obs: int) -> DataSet:
    """Single cells of 500 genes in 6 layers."""
    return simulated(f"cells_{n_obs}", n_obs=n_obs, n_genes=500, n_domains=6, resolution="cell", rng=0)


def scaling(
    sizes: Sequence[int] = (3_000, 30_000, 100_000),
    methods: str | Iterable[str] = ("smooth", "fusion"),
    *,
    repeats: int = 1,
    running: Running | None = None,
) -> pd.DataFrame:
    """Measure time and memory against the number of cells, on simulated single cells (500 genes, 6 domains).

    Writes ``scaling.csv`` and ``scaling.md`` into ``running.output``; the latter with the exponent ``b`` of
    ``CPU time ~ cells^b`` by least squares on logarithms. The simulated files are kept in a temporary folder.

    Parameters
    ----------
    sizes
        Numbers of cells.
    methods
        As in `domains`.
    repeats
        Runs of each size and method, with seeds 0, 1, ...
    running
        As in `domains`; each run has a process of its own, whatever ``fast`` says.

    Returns
    -------
    All rows of ``scaling.csv``, columns as in `domains`.

    Raises
    ------
    InputError
        When a method is unknown or a size out of range.
    """
    settings = chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods")
    return run_sizes(SCALING, tissue, sizes, settings, scaling_page, repeats=repeats, running=running)


def run_sizes(
    task: Task,
    target: Callable[[int], Any],
    sizes: Sequence[int],
    settings: Mapping[str, Mapping[str, Any]],
    page: Callable[[pd.DataFrame], str],
    *,
    repeats: int,
    running: Running | None,
) -> pd.DataFrame:
    """Run methods on a data set of each size, each run in a process of its own; write the table and its `page`."""
    for size in sizes:
        check_range(size, "sizes", low=100, high=100_000_000, integer=True)
    check_range(repeats, "repeats", low=1, high=1_000, integer=True)
    running = replace(running or Running(), fast=False)
    rows = run_task(task, [target(size) for size in sorted(set(sizes))], settings, range(repeats), running)
    write_whole(running.output / f"{task.name}.md", page(rows).encode())
    return rows


def scaling_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``scaling.csv``."""
    good = summary.succeeded(rows)
    methods = in_order(good["method"])
    sets = by_size(good)
    parts = [
        "# Cost against the number of cells\n",
        f"Simulated single cells, 500 genes, 6 domains; {threads(rows)}.\n",
        *(_tables(good, sets, methods) if sets else []),
    ]
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def sized_page(rows: pd.DataFrame, title: str, said: str, span: str, registry: Iterable[str]) -> str:
    """Return the summary of a table of costs: what was run is `said`, over which `span` times go; methods in order."""
    good = summary.succeeded(rows)
    parts = [f"# {title}\n", f"{said}; {threads(rows)}.\n"]
    if len(good):
        methods = in_order(good["method"], registry)
        parts += [cost_note(good, span), cost_table(good, by_size(good), methods), *exponents(good, methods)]
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def by_size(rows: pd.DataFrame) -> list[str]:
    """Names of the simulated tissues, in the order of their size."""
    return sorted(rows["dataset"].unique(), key=lambda name: int(name.rsplit("_", 1)[1]))


def _tables(rows: pd.DataFrame, sets: list[str], methods: list[str]) -> list[str]:
    parts = [cost_note(rows), cost_table(rows, sets, methods), *exponents(rows, methods)]
    if RIVAL in methods and len(methods) > 1:
        parts += [f"Times that of `{RIVAL}`, wall · CPU.\n", _ratios(rows, sets, methods)]
    return parts


def exponents(rows: pd.DataFrame, methods: list[str]) -> list[str]:
    """How CPU time grows with the number of cells: what it is, and the table."""
    said = (
        "Exponent b of CPU seconds ~ cells^b (1 is linear): least squares over all sizes, and between the two largest "
        "alone, where fixed costs weigh least.\n"
    )
    lines = []
    for method in methods:
        cost = rows[rows["method"] == method].groupby("n_obs")["cpu_s"].median().sort_index()
        n, cpu = cost.index.to_numpy(), cost.to_numpy()
        lines.append([f"`{method}`", *(number(summary.exponent(n[i:], cpu[i:]), 2) for i in (0, -2))])
    return [said, table(["method", "all sizes", "two largest"], lines)]


def _ratios(rows: pd.DataFrame, sets: list[str], methods: list[str]) -> str:
    found = summary.entries(summary.costs(rows))
    others = [method for method in methods if method != RIVAL]
    return table(["data set", *others], [[name, *(ratio(found, name, m) for m in others)] for name in sets])


def ratio(found: Mapping[Any, Mapping[str, Any]], dataset: str, method: str) -> str:
    """Wall and CPU seconds of `method` over those of the training-free one, nothing where either is missing."""
    own, rival = found.get((dataset, method)), found.get((dataset, RIVAL))
    return "" if own is None or rival is None else " · ".join(f"{own[c] / rival[c]:.1f}" for c in ("wall_s", "cpu_s"))
