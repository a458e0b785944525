"""Composition of spots from a reference: the task, and its summary."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from .._check import check_range
from .._whole import write_whole
from . import _deconvolve_methods as methods_of
from . import _deconvolve_sets as sets_of
from ._deconvolve_data import read_spots
from ._deconvolve_fit import missing, run_method, warm
from ._deconvolve_methods import repeated
from ._deconvolve_page import deconvolve_page
from ._deconvolve_score import score
from ._denoise import runnable
from ._details import gather
from ._names import chosen
from ._runner import Running, run_task
from ._task import Task

DECONVOLVE = Task("deconvolve", read_spots, run_method, score, warm, headline="rmse")
TYPES = "deconvolve_types.csv"


def deconvolve(
    sets: str | Iterable[str] = "all",
    methods: str | Iterable[str] = "all",
    *,
    seeds: int = 5,
    running: Running | None = None,
) -> pd.DataFrame:
    """Score the composition of spots, found with a reference of single cells, against the cells that are in them.

    Scores are those of `metrics.deconvolution_scores`; where the reference lacks a type, the share that a method calls
    unknown is compared with the share of missing cells. Where no truth is known (``pdac``), the shares of types are
    correlated with those of their marker genes, which no method was given. Writes ``deconvolve.csv`` (a row for each
    run), ``deconvolve_types.csv`` (a row for each cell type, first seed) and ``deconvolve.md`` (the summary of all
    rows) into ``running.output``.

    Parameters
    ----------
    sets
        Data sets: names, or groups ``"known"`` (those with a truth), ``"real"``, ``"simulated"``, ``"all"``; a
        sequence, or one string with commas.
    methods
        Methods: names, or groups ``"trivial"``, ``"ours"``, ``"peers"``, ``"all"``. Those of other packages are left
        out, with a warning, unless ``SPOTWEAVE_PEER_CELL2LOCATION``, ``_RCTD``, ``_FLASHDECONV``, ``_TANGRAM`` and
        ``_SCVI`` (Stereoscope) name a Python that has them.
    seeds
        How often methods that draw random numbers are run, with seeds 0, 1, ...; others once.
    running
        Where results go, threads, whether seeds share a process, whether runs that are there are done again.

    Returns
    -------
    All rows of ``deconvolve.csv``. Columns: see `domains` for costs, which are sums over held-out parts.

    Raises
    ------
    InputError
        When a name is unknown, no method can be run, or the files of no data set are there.
    """
    check_range(seeds, "seeds", low=1, high=1_000, integer=True)
    running = running or Running()
    wanted = chosen(sets, sets_of.SETS, sets_of.GROUPS, "data sets")
    settings = runnable(chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods"), missing)
    numbers = {name: range(seeds if repeated(own) else 1) for name, own in settings.items()}
    named = {name: {**own, "name": name} for name, own in settings.items()}
    with TemporaryDirectory(prefix="spotweave-deconvolve-") as folder:
        items = [replace(item, details=Path(folder)) for item in wanted.values()]
        try:
            rows = run_task(DECONVOLVE, items, named, numbers, running)
        finally:  # what was run before an interruption is in the other table as well
            gather(Path(folder), running.output / TYPES, ["type"])
    details = running.output / TYPES
    page = deconvolve_page(rows, pd.read_csv(details) if details.exists() else None)
    write_whole(running.output / "deconvolve.md", page.encode())
    return rows
