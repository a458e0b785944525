"""Embeddings of genes compared: the tasks, and their summary."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import pandas as pd

from .._check import check_range
from .._whole import write_whole
from . import _genes_methods as methods_of
from . import _genes_sets as sets_of
from ._genes_data import prepared, read
from ._genes_fit import embed, warm
from ._genes_methods import Settings, trained
from ._genes_page import genes_page
from ._genes_score import score_cost, score_pair, score_planted, score_sections
from ._genes_sets import TERMS, EmbeddingSet
from ._names import chosen
from ._results import read_results
from ._runner import Running, available, run_task
from ._source import data_folder
from ._task import Task

logger = logging.getLogger("spotweave")

# all into one table
_PAIR = Task("genes", read, embed, score_pair, warm, prepared, headline="mrr")
TASKS = {
    "planted": Task("genes", read, embed, score_planted, warm, prepared, headline="ari_kmeans"),
    "pair": _PAIR,
    "null": _PAIR,
    "section": Task("genes", read, embed, score_sections, warm, prepared, headline="go_corrected"),
    "cost": Task("genes", read, embed, score_cost, warm, prepared),
}


def genes(
    sets: str | Iterable[str] = "all",
    methods: str | Iterable[str] = "main",
    *,
    seeds: int = 5,
    permutations: int = 2,
    running: Running | None = None,
) -> pd.DataFrame:
    """Compare embeddings of genes.

    On counts of `datasets.simulate_patterns`: adjusted Rand index of modules against the planted ones, by k-means on the
    embedding and by `tl.gene_modules`, with and without the true number. On pairs of sections of one tissue, each
    embedded by itself: whether a gene of one finds itself in the other, whether its nearest genes and its module are the
    same. On measured sections: whether genes of one biological process (GO) have like vectors. The same on counts whose
    rows are permuted, which is the floor. Times and memory on one section, and on four of it side by side. Writes
    ``genes.csv`` (a row for each run and question, told in ``truth``) and ``genes.md`` (the summary of all rows) into
    ``running.output``.

    Parameters
    ----------
    sets
        Data sets: names, or groups ``"simulated"``, ``"real"``, ``"null"``, ``"cost"``, ``"all"``; a sequence, or one
        string with commas. Those whose files are absent are left out, and co-function where the file of terms is.
    methods
        Methods: names, or groups ``"main"``, ``"ablations"``, ``"all"``.
    seeds
        How many times genes are simulated, with seeds 0, 1, ..., and how many times a trained method is run on
        measured sections; others give the same again, and are run once.
    permutations
        How many permutations of each pair of sections; 0 for none.
    running
        Where results go, threads, whether seeds share a process, whether runs that are there are done again. Costs are
        of processes of their own, whatever ``fast`` says.

    Returns
    -------
    All rows of ``genes.csv``. Columns: see `domains` for costs.

    Raises
    ------
    InputError
        When a name is unknown, or the file of no data set is there.
    """
    check_range(seeds, "seeds", low=1, high=1_000, integer=True)
    check_range(permutations, "permutations", low=0, high=1_000, integer=True)
    running = running or Running()
    wanted = chosen(sets, sets_of.SETS, sets_of.GROUPS, "data sets")
    settings = chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods")
    names = {item.name for item in available(list(wanted.values()), data_folder(running.data))}
    present = [item for item in wanted.values() if item.name in names]
    _warn_of_terms(present, running)
    for kind, task in TASKS.items():
        items = [item for item in present if item.kind == kind]
        numbers = _seeds(kind, settings, seeds, permutations)
        if items and any(numbers.values()):
            run_task(task, items, settings, numbers, replace(running, fast=running.fast and kind != "cost"))
    rows = read_results(running.output / "genes.csv")
    write_whole(running.output / "genes.md", genes_page(rows).encode())
    return rows


def _seeds(kind: str, settings: Mapping[str, Settings], seeds: int, permutations: int) -> Mapping[str, Sequence[int]]:
    """Seeds of each method: as many as change something."""
    if kind in ("planted", "null"):
        return dict.fromkeys(settings, range(seeds if kind == "planted" else permutations))
    return {name: range(seeds if kind != "cost" and trained(own) else 1) for name, own in settings.items()}


def _warn_of_terms(items: Sequence[EmbeddingSet], running: Running) -> None:
    path = data_folder(running.data) / TERMS
    if not path.is_file() and any(item.kind in ("pair", "null") for item in items):
        logger.warning("co-function left out: no file %s", path)
