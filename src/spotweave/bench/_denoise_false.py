"""Patterns that a denoiser invents: genes called spatially variable on spots that were permuted."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .._check import check_range
from .._whole import write_whole
from ..core.autocorrelation import morans_i
from ..core.graph import knn
from . import _denoise_methods as methods_of
from . import _denoise_sets as sets_of
from . import _summary as summary
from ._costs_table import failures
from ._denoise import runnable
from ._denoise_counts import Counts, read_counts
from ._denoise_fit import Denoised, run_method, warm
from ._denoise_methods import METHODS, Settings
from ._denoise_rivals import Predict, depths
from ._denoise_score import pieces
from ._denoise_sets import SETS
from ._denoise_tables import score_table
from ._domains_page import in_order
from ._host import host
from ._names import chosen
from ._runner import Running, run_task
from ._task import Task

LEVEL = 0.05
N_NEIGHS = 6
GENES_AT_ONCE = 2_000
COUNTED = "raw"
"""The method that shows the counts as they are."""


class Permuted(NamedTuple):
    """Counts on the wrong spots."""

    counts: Counts


def permuted(counts: Counts, settings: Settings, seed: int) -> Permuted:
    """Deal the rows of counts out to the coordinates anew; the same for all methods."""
    order = np.random.default_rng(seed).permutation(counts.X.shape[0])
    return Permuted(replace(counts, X=counts.X[order], rates=None))


def fit(data: Permuted, settings: Settings, seed: int) -> Denoised:
    """Fit the method to all counts."""
    return run_method(data.counts.X, data.counts.xy, settings, seed)


def score(data: Permuted, result: Denoised) -> list[dict[str, Any]]:
    """Share of the judged genes whose expected rates (counts over depth) have a Moran's I of p < .05, one-sided."""
    counts = data.counts
    graph, scored = knn(counts.xy, n_neighs=N_NEIGHS).connectivities, np.flatnonzero(counts.scored)
    pvalues = np.concatenate([morans_i(rates, graph).pvalue for rates in _rates(counts, result.predict, scored)])
    sizes = {"n_obs": counts.X.shape[0], "n_genes": counts.X.shape[1], "n_scored": len(scored)}
    return [{**sizes, "called": float((pvalues < LEVEL).mean()), **result.costs}]


def _rates(counts: Counts, predict: Predict, genes: np.ndarray) -> Iterator[np.ndarray]:
    """Expected rates ``[n, b]`` of blocks of genes."""
    depth = np.maximum(depths(counts.X), 1.0)
    for start in range(0, len(genes), GENES_AT_ONCE):
        block = genes[start : start + GENES_AT_ONCE]
        yield np.concatenate([predict(rows)[:, block] / depth[rows, None] for rows, _ in pieces(counts.X)])


DENOISE_FALSE = Task("denoise_false", read_counts, fit, score, warm, prepare=permuted, headline="called")


def denoise_false(
    sets: str | Iterable[str] = "false",
    methods: str | Iterable[str] = "main",
    *,
    permutations: int = 5,
    running: Running | None = None,
) -> pd.DataFrame:
    """Count the spatially variable genes that denoisers find where there are none.

    The cells' counts are dealt out to the coordinates at random, each method denoises them, and Moran's I (6 nearest
    spots) is tested on the expected rates of each gene of at least 20 counts. The share of genes with p < .05 should
    be .05; that of the counts themselves is the row of the method ``raw``. Writes ``denoise_false.csv`` and
    ``denoise_false.md`` into ``running.output``.

    Parameters
    ----------
    sets
        As in `denoise`, or ``"false"``, the three small ones that are meant for this.
    methods
        As in `denoise`.
    permutations
        How many, numbered 0, 1, ... in the column ``seed``.
    running
        As in `denoise`.

    Returns
    -------
    All rows of ``denoise_false.csv``: ``called`` is the share of genes with p < .05.

    Raises
    ------
    InputError
        When a name is unknown, no method can be run, or the file of no data set is there.
    """
    check_range(permutations, "permutations", low=1, high=1_000, integer=True)
    running = running or Running()
    wanted = chosen(sets, sets_of.SETS, sets_of.GROUPS, "data sets")
    settings = runnable(chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods"))
    rows = run_task(DENOISE_FALSE, list(wanted.values()), settings, range(permutations), running)
    write_whole(running.output / "denoise_false.md", false_page(rows).encode())
    return rows


def false_page(rows: pd.DataFrame) -> str:
    """Return the summary of all rows of ``denoise_false.csv``."""
    good = summary.succeeded(rows)
    n = rows["seed"].nunique()
    said = (
        "Counts were dealt out to the spots at random, so that no gene has a pattern. Share of genes whose expected "
        f"rates are called spatially variable (Moran's I, 6 nearest spots, one-sided p < .05), mean ± standard "
        f"deviation over {n} permutation{'s' * (n > 1)}; {LEVEL:.2f} is right, more is patterns invented. "
        f"`{COUNTED}`: the counts as they are.\n"
    )
    parts = ["# Patterns found on permuted spots\n", said]
    if len(good):
        methods = in_order(good["method"], METHODS)
        parts.append(score_table(good, list(SETS), methods, "called", best=""))
    return "\n".join([*parts, *failures(rows), "---\n", f"Summed up on {host()}\n"])
