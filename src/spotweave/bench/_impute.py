"""Genes outside a panel predicted from a reference: the task, and its summary."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from .._check import check_range
from .._whole import write_whole
from . import _impute_methods as methods_of
from . import _impute_sets as sets_of
from ._denoise import runnable
from ._details import gather
from ._impute_data import read_panels
from ._impute_fit import missing, run_method, warm
from ._impute_methods import repeated
from ._impute_page import impute_page
from ._impute_score import score
from ._names import chosen
from ._runner import Running, run_task
from ._task import Task

IMPUTE = Task("impute", read_panels, run_method, score, warm, headline="residual_r")
GENES = "impute_genes.csv"


def impute(
    sets: str | Iterable[str] = "real",
    methods: str | Iterable[str] = "all",
    *,
    seeds: int = 3,
    folds: int | None = None,
    running: Running | None = None,
) -> pd.DataFrame:
    """Score predictions of genes that the panel of a target lacks and a reference has.

    The genes that target and reference share are dealt out to folds; those of a fold are kept from the method and
    predicted from all others, see `metrics.imputation_scores`. Moran's I of counts and of predictions (logarithms of
    values at the median depth, 6 neighbours) is compared as well. On simulated tissue ``rate_r`` is the correlation
    beyond depth with the true rates. Writes ``impute.csv`` (a row for each run, means over all genes of all folds, and
    medians), ``impute_genes.csv`` (a row for each gene of each run) and ``impute.md`` (the summary of all rows) into
    ``running.output``.

    Parameters
    ----------
    sets
        Data sets: names, or groups ``"real"``, ``"simulated"``, ``"all"``; a sequence, or one string with commas.
    methods
        Methods: names, or groups ``"trivial"``, ``"ours"``, ``"peers"``, ``"all"``. Those of other packages are left
        out, with a warning, unless ``SPOTWEAVE_PEER_TANGRAM``, ``SPOTWEAVE_PEER_SCVI`` (gimVI) and
        ``SPOTWEAVE_PEER_SPAGE`` name a Python that has them.
    seeds
        How often methods that draw random numbers are run, with seeds 0, 1, ...; others once.
    folds
        How many of the folds of each data set are run; None: all. Rows of few folds replace those of all.
    running
        Where results go, threads, whether seeds share a process, whether runs that are there are done again.

    Returns
    -------
    All rows of ``impute.csv``. Columns: see `domains` for costs, which are sums over folds.

    Raises
    ------
    InputError
        When a name is unknown, no method can be run, or the files of no data set are there.
    """
    check_range(seeds, "seeds", low=1, high=1_000, integer=True)
    if folds is not None:
        check_range(folds, "folds", low=1, high=1_000, integer=True)
    running = running or Running()
    wanted = chosen(sets, sets_of.SETS, sets_of.GROUPS, "data sets")
    settings = runnable(chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods"), missing)
    numbers = {name: range(seeds if repeated(own) else 1) for name, own in settings.items()}
    named = {name: {**own, "name": name} for name, own in settings.items()}
    with TemporaryDirectory(prefix="spotweave-impute-") as folder:
        items = [replace(item, n_used=folds, details=Path(folder)) for item in wanted.values()]
        try:
            rows = run_task(IMPUTE, items, named, numbers, running)
        finally:  # what was run before an interruption is in the other table as well
            gather(Path(folder), running.output / GENES, ["fold"])
    details = running.output / GENES
    page = impute_page(rows, pd.read_csv(details) if details.exists() else None)
    write_whole(running.output / "impute.md", page.encode())
    return rows
