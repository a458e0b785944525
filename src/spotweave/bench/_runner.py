"""Runs a task: data set x method x seed, each in a process of its own, into a table that grows run by run."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from .._check import check_range, fail, listing
from ._process import run_job
from ._results import Run, finished, read_results, replaced, write_results
from ._source import cache_folder, data_folder
from ._task import Job, Named, Task

logger = logging.getLogger("spotweave")


@dataclass(frozen=True)
class Running:
    """How a benchmark is run."""

    output: Path = Path("benchmarks/results")
    """Folder of the results, made when missing."""
    data: Path | None = None
    """Folder of the real data sets; None: ``SPOTWEAVE_DATA``, else ``../shared/data``."""
    threads: int = 2
    """Threads of the numeric libraries in each process."""
    fast: bool = False
    """One process for all seeds of a data set and method, which reads the file once; costs are then of fits alone."""
    resume: bool = False
    """Leave out runs that are in the results without error (fast ones only when `fast`)."""
    timeout_s: float | None = None
    """Seconds after which a process is ended and its runs count as failed."""
    say: Callable[[str], None] = logger.info
    """Gets a line after each run."""

    def __post_init__(self) -> None:
        check_range(self.threads, "threads", low=1, high=1024, integer=True)
        if self.timeout_s is not None:
            check_range(self.timeout_s, "timeout_s", low=0.01)


def run_task(
    task: Task,
    sets: Sequence[Named],
    methods: Mapping[str, Mapping[str, Any]],
    seeds: Sequence[int] | Mapping[str, Sequence[int]],
    running: Running,
) -> pd.DataFrame:
    """Run a task on each data set, with each method and seed, into ``<output>/<task>.csv``.

    Rows of other runs in that file stay. It is written anew after each process, so that nothing is lost when the
    benchmark is interrupted. A run that fails is a row with its error.

    Parameters
    ----------
    task
        How one run is done; its functions have to be importable by a new process.
    sets
        Data sets: anything with a ``name`` and a ``source``. Those whose file is absent are left out, with a warning.
    methods
        Settings of each method by its name.
    seeds
        Whole numbers; by the method's name where methods have seeds of their own.
    running
        How it is done.

    Returns
    -------
    All rows of the file: ``dataset``, ``method``, ``seed``, what the task scores, costs, ``error``.

    Raises
    ------
    InputError
        When the file of no data set is there, or results cannot be written or read back.
    """
    data = data_folder(running.data)
    files = [(item, item.source.locate(data, cache_folder())) for item in available(sets, data)]
    path = _made(running.output) / f"{task.name}.csv"
    table = read_results(path)
    seeds_of = seeds if isinstance(seeds, Mapping) else dict.fromkeys(methods, seeds)
    wanted = {(item.name, method, seed) for item, _ in files for method in methods for seed in seeds_of[method]}
    done = wanted & finished(table, fast=running.fast) if running.resume else set()
    jobs = list(_jobs(task, files, methods, wanted - done, running))
    for i, job in enumerate(jobs):
        rows = [{**row, "version": version("spotweave")} for row in run_job(job, timeout_s=running.timeout_s)]
        for row in rows:
            running.say(f"[{i + 1}/{len(jobs)}] {_told(row, task.headline)}")
        table = replaced(table, rows)
        write_results(path, table)
    running.say(_ended(table, len(jobs), done))
    return table


def _ended(table: pd.DataFrame, n_processes: int, done: set[Run]) -> str:
    failed = int((table["error"] != "").sum())
    kept = f"; {len(done)} runs were there already" if done else ""
    return f"{n_processes} processes{kept}" + (f"; {failed} rows are of failed runs" if failed else "")


def available(sets: Sequence[Named], data: Path) -> list[Named]:
    """Drop data sets whose file is absent, with a warning; none left is an error."""
    reasons = {item.name: item.source.missing(data) for item in sets}
    kept = [item for item in sets if not reasons[item.name]]
    if not kept:
        found = f"none of {listing(reasons)}" if data.is_dir() else "no such folder"
        raise fail(f"data sets in {data}", found, "Set SPOTWEAVE_DATA to their folder.")
    for name, reason in reasons.items():
        if reason:
            logger.warning("%s left out: %s", name, reason)
    return kept


def _made(folder: Path) -> Path:
    if folder.exists() and not folder.is_dir():
        raise fail(f"a folder {folder} for the results", "a file of that name", "Choose another name.")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _jobs(
    task: Task,
    files: Sequence[tuple[Named, Path]],
    methods: Mapping[str, Mapping[str, Any]],
    todo: set[Run],
    running: Running,
) -> Iterator[Job]:
    """Yield jobs; methods change fastest, so that whatever else the machine does strikes all of them alike."""
    seeds = tuple(sorted({seed for _, _, seed in todo}))
    groups = [seeds] if running.fast else [(seed,) for seed in seeds]
    for item, file in files:
        for group in groups:
            for method, settings in methods.items():
                left = tuple(seed for seed in group if (item.name, method, seed) in todo)
                if left:
                    yield Job(task, item, file, method, settings, left, running.threads, running.fast)


def _told(row: Mapping[str, Any], headline: str) -> str:
    """One line about a row."""
    name = (
        " ".join(str(row[key]) for key in ("dataset", "slice", "section", "truth", "method") if key in row)
        + f" seed {row['seed']}"
    )
    if row.get("error"):
        return f"{name}: failed: {row['error']}"
    score = f"{headline} {row[headline]:.3f}, " if headline in row else ""
    return f"{name}: {score}{row['wall_s']:.1f} s ({row['cpu_s']:.1f} s CPU), {row['peak_mb']:.0f} MB"
