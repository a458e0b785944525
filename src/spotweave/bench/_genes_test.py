"""Tests for spatially variable genes: on simulated genes, measured tissues and permuted counts."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from .._check import check_range
from .._whole import write_whole
from . import _genes_test_methods as methods_of
from . import _genes_test_sets as sets_of
from ._denoise import runnable
from ._genes_test_data import drawn, permuted, read
from ._genes_test_fit import missing, run_test, warm
from ._genes_test_methods import Settings
from ._genes_test_page import genes_test_page
from ._genes_test_score import score, score_null
from ._genes_test_sets import GeneSet
from ._names import chosen
from ._results import read_results
from ._runner import Running, available, run_task
from ._source import data_folder
from ._task import Task

TEST = Task("genes_test", read, run_test, score, warm, prepare=drawn)
NULL = Task("genes_null", read, run_test, score_null, warm, prepare=permuted, headline="null_rate")


def genes_test(
    sets: str | Iterable[str] = "all",
    methods: str | Iterable[str] = "all",
    *,
    seeds: int = 5,
    permutations: int = 5,
    running: Running | None = None,
) -> pd.DataFrame:
    """Compare tests for spatially variable genes.

    On counts of `datasets.simulate_patterns`: power and false discoveries at 5 % (p values of every method adjusted by
    Benjamini and Hochberg here), AUROC of the ranking by p value, p values of flat genes. On measured tissues: genes
    called, and AUROC of the ranking against genes that differ between annotated regions (quasi-Poisson test); with the rows
    of counts permuted, the share of small p values, which is right when it is their level. Writes ``genes_test.csv``
    and ``genes_null.csv`` (a row for each run) and ``genes_test.md`` (the summary of all rows of both) into
    ``running.output``.

    Parameters
    ----------
    sets
        Data sets: names, or groups ``"simulated"``, ``"real"``, ``"scaling"`` (18,000 genes), ``"all"``; a sequence, or
        one string with commas. Measured ones whose file is absent are left out.
    methods
        Methods: names, or groups ``"ours"``, ``"plain"``, ``"peers"``, ``"all"``. Those of other packages are left
        out, with a warning, unless ``SPOTWEAVE_PEER_FLASHS``, ``SPOTWEAVE_PEER_HOTSPOT`` and
        ``SPOTWEAVE_PEER_SQUIDPY`` name a Python that has them.
    seeds
        How many times simulated genes are drawn, with seeds 0, 1, ...; measured tissues and the 18,000 genes are tested
        once.
    permutations
        How many permutations of each measured tissue; 0 for none.
    running
        Where results go, threads, whether seeds share a process, whether runs that are there are done again.

    Returns
    -------
    All rows of ``genes_test.csv``. Columns: see `domains` for costs.

    Raises
    ------
    InputError
        When a name is unknown, no method can be run, or the file of no data set is there.
    """
    check_range(seeds, "seeds", low=1, high=1_000, integer=True)
    check_range(permutations, "permutations", low=0, high=1_000, integer=True)
    running = running or Running()
    wanted = chosen(sets, sets_of.SETS, sets_of.GROUPS, "data sets")
    settings = runnable(chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods"), missing)
    names = {item.name for item in available(list(wanted.values()), data_folder(running.data))}
    present = [item for item in wanted.values() if item.name in names]
    _run(TEST, [item for item in present if item.drawn is not None], settings, range(seeds), running)
    _run(TEST, [item for item in present if item.drawn is None], settings, range(1), running)
    _run(NULL, [item for item in present if item.real], settings, range(permutations), running)
    rows, null = (read_results(running.output / f"{task.name}.csv") for task in (TEST, NULL))
    write_whole(running.output / "genes_test.md", genes_test_page(rows, null).encode())
    return rows


def _run(
    task: Task, items: Sequence[GeneSet], settings: Mapping[str, Settings], seeds: Sequence[int], running: Running
) -> None:
    if items and seeds:
        run_task(task, items, settings, seeds, running)
