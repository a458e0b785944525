"""Denoising judged by molecules that were held out: the task, and its summary."""

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from .._check import check_choice, check_range, fail
from .._whole import write_whole
from . import _denoise_methods as methods_of
from . import _denoise_sets as sets_of
from ._denoise_counts import STRIDE, Counts, Split, read_counts, split_counts
from ._denoise_fit import Denoised, run_method, warm
from ._denoise_methods import Settings, repeated
from ._denoise_page import denoise_page
from ._denoise_peers import missing
from ._denoise_score import score_split
from ._names import chosen
from ._results import read_results
from ._runner import Running, run_task
from ._task import Task

logger = logging.getLogger("spotweave")


def thinned(counts: Counts, settings: Settings, seed: int) -> Split:
    """Halves by Poisson thinning."""
    return split_counts(counts, "poisson", seed)


def split_nb(counts: Counts, settings: Settings, seed: int) -> Split:
    """Halves by negative binomial splitting."""
    return split_counts(counts, "nb", seed)


def fit(split: Split, settings: Settings, seed: int) -> Denoised:
    """Fit the method to one half."""
    return run_method(split.train, split.counts.xy, settings, seed)


TASKS = {
    "poisson": Task("denoise", read_counts, fit, score_split, warm, prepare=thinned, headline="deviance"),
    "nb": Task("denoise_nb", read_counts, fit, score_split, warm, prepare=split_nb, headline="deviance"),
}


def denoise(
    sets: str | Iterable[str] = "real",
    methods: str | Iterable[str] = "main",
    *,
    splits: int = 5,
    seeds: int = 3,
    splitting: str = "poisson",
    running: Running | None = None,
) -> pd.DataFrame:
    """Score denoisers on molecules that they have not seen.

    The molecules of each cell are dealt out at random to two halves. A method gets one half and says what it expects,
    which the other half judges: by negative binomial deviance (the dispersion of each gene is estimated once for each
    data set, from all counts and by none of the methods), by the correlation of residuals (see
    `core.heldout.held_out_scores`) and by Poisson deviance. Genes of at least 20 counts are judged; on simulated
    tissue the log rates are also correlated with the true ones. Writes ``denoise.csv`` (a row for each run; of
    ``splitting="nb"`` ``denoise_nb.csv``) and ``denoise.md`` (the summary of all rows of both) into
    ``running.output``.

    Parameters
    ----------
    sets
        Data sets: names, or groups ``"real"``, ``"simulated"``, ``"all"``; a sequence, or one string with commas.
    methods
        Methods: names, or groups ``"main"``, ``"trivial"``, ``"ours"``, ``"peers"``, ``"ablations"``, ``"all"``. Those
        of other packages are left out, with a warning, unless ``SPOTWEAVE_PEER_MAGIC`` and ``SPOTWEAVE_PEER_SCVI``
        name a Python that has them.
    splits
        How many splits, the same for all methods.
    seeds
        How often each split is fitted, by methods that draw random numbers; others once. The column ``seed`` is
        ``100 * split + repeat``.
    splitting
        ``"poisson"`` (binomial thinning: halves are independent given the rates when counts are Poisson given them) or
        ``"nb"`` (negative binomial splitting with the estimated dispersions: halves are independent although counts
        are overdispersed).
    running
        Where results go, threads, whether seeds share a process, whether runs that are there are done again.

    Returns
    -------
    All rows of the table that was written. Columns: see `domains` for costs.

    Raises
    ------
    InputError
        When a name is unknown, no method can be run, or the file of no data set is there.
    """
    check_range(splits, "splits", low=1, high=1_000, integer=True)
    check_range(seeds, "seeds", low=1, high=STRIDE, integer=True)
    check_choice(splitting, list(TASKS), "splitting")
    running = running or Running()
    wanted = chosen(sets, sets_of.SETS, sets_of.GROUPS, "data sets")
    settings = runnable(chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods"))
    numbers = {name: run_numbers(splits, seeds if repeated(own) else 1) for name, own in settings.items()}
    rows = run_task(TASKS[splitting], list(wanted.values()), settings, numbers, running)
    tables = {name: read_results(running.output / f"{task.name}.csv") for name, task in TASKS.items()}
    write_whole(running.output / "denoise.md", denoise_page(tables["poisson"], tables["nb"]).encode())
    return rows


def run_numbers(splits: int, repeats: int) -> list[int]:
    """Values of the column ``seed``: ``100 * split + repeat``."""
    return [STRIDE * split + repeat for split in range(splits) for repeat in range(repeats)]


def runnable(methods: Mapping[str, Any], lacking: Callable[[str], str | None] = missing) -> dict[str, Any]:
    """Drop methods of other packages that are `lacking` here (why, or None), with a warning; none left is an error."""
    reasons = {name: lacking(settings["peer"]) for name, settings in methods.items() if "peer" in settings}
    kept = {name: settings for name, settings in methods.items() if not reasons.get(name)}
    if not kept:
        raise fail("a method that can be run", "; ".join(reason for reason in reasons.values() if reason))
    for name, reason in reasons.items():
        if reason:
            logger.warning("%s left out: %s", name, reason)
    return kept
