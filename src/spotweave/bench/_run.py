"""The process of one run: ``python -m spotweave.bench._run RESULTS < JOB``; rows go to RESULTS, one JSON a line."""

import json
import pickle
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ._measure import Stopwatch, cpu_seconds, peak_mb
from ._task import Job

Row = dict[str, Any]


def main() -> None:
    """Read the job (written by `_process.run_job`, hence a pickle of our own), run it, write rows as they come."""
    started, job = pickle.load(sys.stdin.buffer)
    with Path(sys.argv[1]).open("a", encoding="utf-8") as file:

        def emit(row: Row) -> None:
            file.write(json.dumps(row, default=_plain) + "\n")
            file.flush()

        run(job, emit, started=started)


def run(job: Job, emit: Callable[[Row], None], *, started: float) -> None:
    """Do all seeds of `job`; a seed that fails becomes a row with the error.

    `started` is the time of day at which this process was asked for.
    """
    try:
        job.task.warm(job.settings)
        with Stopwatch() as reading:
            data = job.task.load(job.dataset, job.file)
    except Exception as error:  # noqa: BLE001 (any failure is a result of the benchmark)
        for seed in job.seeds:
            emit({"seed": seed, "error": said(error)})
        return
    for seed in job.seeds:
        try:
            for row in _one(job, data, seed, reading, started):
                emit({"seed": seed, **row})
        except Exception as error:  # noqa: BLE001
            emit({"seed": seed, "error": said(error)})


def _one(job: Job, data: Any, seed: int, reading: Stopwatch, started: float) -> list[Row]:
    data = job.task.prepare(data, job.settings, seed)
    with Stopwatch() as fitting:
        result = job.task.fit(data, job.settings, seed)
    costs = _costs(reading, fitting, started, fast=job.fast)
    return [{**costs, **scores} for scores in job.task.score(data, result)]  # scores may tell costs of their own


def _costs(reading: Stopwatch, fitting: Stopwatch, started: float, *, fast: bool) -> Row:
    """Cost columns; taken before scoring, so that scoring does not count."""
    fit = {"fit_s": fitting.wall, "fit_cpu_s": fitting.cpu, "peak_mb": peak_mb()}
    if fast:
        return {"wall_s": fitting.wall, "cpu_s": fitting.cpu, **fit}
    return {
        "wall_s": reading.wall + fitting.wall,
        "cpu_s": reading.cpu + fitting.cpu,
        **fit,
        "process_s": time.time() - started,
        "process_cpu_s": cpu_seconds(),
    }


def said(error: BaseException) -> str:
    """One line about an exception."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def _plain(value: Any) -> Any:
    """Numbers of numpy as those of Python."""
    if isinstance(value, np.generic):
        return value.item()
    msg = f"Expected scores to be numbers or text; found {type(value).__name__}."
    raise TypeError(msg)


if __name__ == "__main__":
    main()
