"""Cost of denoising against the number of cells."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from . import _denoise_methods as methods_of
from . import _summary as summary
from ._costs_table import cost_note, cost_table, failures, threads
from ._denoise import runnable
from ._denoise_counts import Counts, read_counts
from ._denoise_fit import Denoised, run_method, warm
from ._denoise_methods import METHODS, Settings
from ._domains_page import in_order
from ._host import host
from ._markdown import seconds, table
from ._names import chosen
from ._runner import Running
from ._scaling import by_size, exponents, run_sizes, tissue
from ._task import Task

GOAL = ("cells_100000", 600.0, 4_000.0)  # name, seconds, MB


def fit(counts: Counts, settings: Settings, seed: int) -> Denoised:
    """Fit the method to all counts."""
    return run_method(counts.X, counts.xy, settings, seed)


def score(counts: Counts, result: Denoised) -> list[dict[str, Any]]:
    """Sizes alone."""
    return [{"n_obs": counts.X.shape[0], "n_genes": counts.X.shape[1], **result.costs}]


DENOISE_SCALING = Task("denoise_scaling", read_counts, fit, score, warm)


def denoise_scaling(
    sizes: Sequence[int] = (3_000, 10_000, 30_000, 100_000),
    methods: str | Iterable[str] = "ours",
    *,
    repeats: int = 1,
    running: Running | None = None,
) -> pd.DataFrame:
    """Measure time and memory of denoising against the number of cells, on simulated single cells (500 genes).

    Writes ``denoise_scaling.csv`` and ``denoise_scaling.md`` into ``running.output``, as `scaling` does.

    Parameters
    ----------
    sizes
        Numbers of cells.
    methods
        As in `denoise`.
    repeats
        Runs of each size and method, with seeds 0, 1, ...
    running
        As in `denoise`; each run has a process of its own, whatever ``fast`` says.

    Returns
    -------
    All rows of ``denoise_scaling.csv``.

    Raises
    ------
    InputError
        When a method is unknown or cannot be run, or a size is out of range.
    """
    settings = runnable(chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods"))
    return run_sizes(DENOISE_SCALING, tissue, sizes, settings, denoise_scaling_page, repeats=repeats, running=running)


def denoise_scaling_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``denoise_scaling.csv``."""
    good = summary.succeeded(rows)
    parts = ["# Cost of denoising against the number of cells\n"]
    parts.append(f"Simulated single cells, 500 genes; {threads(rows)}.\n")
    if len(good):
        methods = in_order(good["method"], METHODS)
        parts += [cost_note(good, "from file to expected counts"), cost_table(good, by_size(good), methods)]
        parts += [*exponents(good, methods), *_goal(good, methods)]
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])


def _goal(rows: pd.DataFrame, methods: Sequence[str]) -> list[str]:
    """Whether the goal is reached, where its size was run."""
    name, most_s, most_mb = GOAL
    found = summary.entries(summary.costs(rows))
    lines = []
    for method in methods:
        entry = found.get((name, method))
        if entry:
            reached = entry["wall_s"] <= most_s and entry["peak_mb"] <= most_mb
            told = [seconds(entry["wall_s"]), f"{entry['peak_mb']:.0f}", "yes" if reached else "no"]
            lines.append([f"`{method}`", *told])
    said = f"Goal: 100,000 cells within {most_s / 60:.0f} minutes and {most_mb / 1_000:.0f} GB.\n"
    return [said, table(["method", "wall s", "peak MB", "reached"], lines)] if lines else []
