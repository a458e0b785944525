"""Slices integrated: the task, and its summary."""

from collections.abc import Iterable

import pandas as pd

from .._check import check_range
from .._whole import write_whole
from . import _integrate_methods as methods_of
from . import _integrate_sets as sets_of
from ._denoise import runnable
from ._integrate_fit import fit, load, missing, warm
from ._integrate_page import integrate_page
from ._integrate_score import score
from ._names import chosen
from ._runner import Running, run_task
from ._task import Task

INTEGRATE = Task("integrate", load, fit, score, warm, headline="ari")


def integrate(
    sets: str | Iterable[str] = "all",
    methods: str | Iterable[str] = "ours",
    *,
    seeds: int = 5,
    running: Running | None = None,
) -> pd.DataFrame:
    """Score domains that are found on several slices at once, and how well the slices are mixed.

    Slices are integrated on the genes that all of them have, and domains are found on all together, as many as there
    are labels. Compared with each slice taken alone (``"alone"``), and with components that nothing was done to
    (``"none"``). Writes ``integrate.csv`` (for each run a row of all slices together, with the scores of mixing, and
    one of each labelled slice) and ``integrate.md`` (the summary of all rows) into ``running.output``.

    Parameters
    ----------
    sets
        Data sets: names, or groups ``"real"``, ``"simulated"``, ``"labelled"``, ``"all"``; a sequence, or one string
        with commas.
    methods
        Method of `tl.integrate` and method of `tl.domains` as in ``"matched:smooth"``; groups ``"smooth"``,
        ``"fusion"``, ``"ours"``, ``"peers"``, ``"all"``. Those of other packages are left out, with a warning, unless
        ``SPOTWEAVE_PEER_SCVI``, ``SPOTWEAVE_PEER_GRAPHST`` and ``SPOTWEAVE_PEER_CELLCHARTER`` name a Python that has
        them.
    seeds
        How many seeds: 0, 1, ...
    running
        Where results go, threads, whether seeds share a process, whether runs that are there are done again.

    Returns
    -------
    All rows of ``integrate.csv``. Columns: see `domains` for costs, which are those of integration and domains
    together; ``integrate_s`` and ``integrate_cpu_s`` of integration alone.

    Raises
    ------
    InputError
        When a name is unknown, no method can be run, or the files of no data set are there.
    """
    check_range(seeds, "seeds", low=1, high=1_000, integer=True)
    running = running or Running()
    wanted = chosen(sets, sets_of.SETS, sets_of.GROUPS, "data sets")
    settings = runnable(chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods"), missing)
    rows = run_task(INTEGRATE, list(wanted.values()), settings, range(seeds), running)
    write_whole(running.output / "integrate.md", integrate_page(rows).encode())
    return rows
