"""Patterns that a denoiser invents: on spots that were permuted, and in genes that are noise among real ones."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._check import check_choice, check_range
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
from ._results import read_results
from ._runner import Running, run_task
from ._task import Task

LEVEL = 0.05
N_NEIGHS = 6
GENES_AT_ONCE = 2_000
COUNTED = "raw"
"""The method that shows the counts as they are."""


SHARE_NOISE = 0.2  # of the judged genes


class Permuted(NamedTuple):
    """Counts without a pattern."""

    counts: Counts
    judged: np.ndarray
    """Indices of genes that have none."""


def permuted(counts: Counts, settings: Settings, seed: int) -> Permuted:
    """Deal the rows of counts out to the coordinates anew; the same for all methods."""
    order = np.random.default_rng(seed).permutation(counts.X.shape[0])
    return Permuted(replace(counts, X=counts.X[order], rates=None), np.flatnonzero(counts.scored))


def noisy(counts: Counts, settings: Settings, seed: int) -> Permuted:
    """Replace a fifth of the judged genes by Poisson noise around depth times gene share, block by block."""
    rng = np.random.default_rng(seed)
    scored = np.flatnonzero(counts.scored)
    chosen_genes = np.sort(rng.choice(scored, max(1, round(SHARE_NOISE * len(scored))), replace=False))
    depth, X = depths(counts.X), counts.X.tocsc()
    share = np.asarray(X.sum(axis=0)).ravel() / max(depth.sum(), 1.0)
    columns = [X[:, [j]] for j in range(X.shape[1])]
    for j in chosen_genes:
        columns[j] = sp.csc_matrix(rng.poisson(depth * share[j])[:, None].astype(np.float32))
    return Permuted(replace(counts, X=sp.hstack(columns, format="csr"), rates=None), chosen_genes)


def fit(data: Permuted, settings: Settings, seed: int) -> Denoised:
    """Fit the method to all counts."""
    return run_method(data.counts.X, data.counts.xy, settings, seed)


def score(data: Permuted, result: Denoised) -> list[dict[str, Any]]:
    """Share of the judged genes whose expected rates (counts over depth) have a Moran's I of p < .05, one-sided."""
    counts = data.counts
    graph, scored = knn(counts.xy, n_neighs=N_NEIGHS).connectivities, data.judged
    pvalues = np.concatenate([morans_i(rates, graph).pvalue for rates in _rates(counts, result.predict, scored)])
    sizes = {"n_obs": counts.X.shape[0], "n_genes": counts.X.shape[1], "n_scored": len(scored)}
    return [{**sizes, "called": float((pvalues < LEVEL).mean()), **result.costs}]


def _rates(counts: Counts, predict: Predict, genes: np.ndarray) -> Iterator[np.ndarray]:
    """Expected rates ``[n, b]`` of blocks of genes."""
    depth = np.maximum(depths(counts.X), 1.0)
    for start in range(0, len(genes), GENES_AT_ONCE):
        block = genes[start : start + GENES_AT_ONCE]
        yield np.concatenate([predict(rows)[:, block] / depth[rows, None] for rows, _ in pieces(counts.X)])


TASKS = {
    "spots": Task("denoise_false", read_counts, fit, score, warm, prepare=permuted, headline="called"),
    "genes": Task("denoise_false_genes", read_counts, fit, score, warm, prepare=noisy, headline="called"),
}


def denoise_false(
    sets: str | Iterable[str] = "false",
    methods: str | Iterable[str] = "main",
    *,
    permutations: int = 5,
    null: str = "spots",
    running: Running | None = None,
) -> pd.DataFrame:
    """Count the spatially variable genes that denoisers find where there are none.

    The cells' counts are dealt out to the coordinates at random, each method denoises them, and Moran's I (6 nearest
    spots) is tested on the expected rates of each gene of at least 20 counts. The share of genes with p < .05 should
    be .05; that of the counts themselves is the row of the method ``raw``. With ``null="genes"`` the tissue stays as it
    is, a fifth of the judged genes is replaced by Poisson noise, and only these are tested: harder, as real patterns
    are there to leak. Writes ``denoise_false.csv`` (or ``denoise_false_genes.csv``) and ``denoise_false.md`` into
    ``running.output``.

    Parameters
    ----------
    sets
        As in `denoise`, or ``"false"``, the three small ones that are meant for this.
    methods
        As in `denoise`.
    permutations
        How many, numbered 0, 1, ... in the column ``seed``.
    null
        ``"spots"`` or ``"genes"``.
    running
        As in `denoise`.

    Returns
    -------
    All rows of the table that was written: ``called`` is the share of genes with p < .05.

    Raises
    ------
    InputError
        When a name is unknown, no method can be run, or the file of no data set is there.
    """
    check_range(permutations, "permutations", low=1, high=1_000, integer=True)
    check_choice(null, list(TASKS), "null")
    running = running or Running()
    wanted = chosen(sets, sets_of.SETS, sets_of.GROUPS, "data sets")
    settings = runnable(chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods"))
    rows = run_task(TASKS[null], list(wanted.values()), settings, range(permutations), running)
    tables = {name: read_results(running.output / f"{task.name}.csv") for name, task in TASKS.items()}
    write_whole(running.output / "denoise_false.md", false_page(tables["spots"], tables["genes"]).encode())
    return rows


def false_page(spots: pd.DataFrame, genes: pd.DataFrame) -> str:
    """Return the summary of all rows of ``denoise_false.csv`` and ``denoise_false_genes.csv``."""
    parts = [*_permuted_spots(spots), *_noisy_genes(genes), *failures(spots), *failures(genes)]
    return "\n".join([*parts, "---\n", f"Summed up on {host()}\n"])


def _noisy_genes(rows: pd.DataFrame) -> list[str]:
    good = summary.succeeded(rows)
    if not len(good):
        return []
    said = (
        "The tissue is as it was, but a fifth of the genes is Poisson noise around depth times gene share. Share of "
        "these genes that is called, on their expected rates. Moran's I does not see how small a pattern is: a method "
        "that gives every gene a trace of the tissue's patterns has every gene called.\n"
    )
    table = score_table(good, list(SETS), in_order(good["method"], METHODS), "called", best="")
    return ["\n## Genes that are noise, among real ones\n", said, table]


def _permuted_spots(rows: pd.DataFrame) -> list[str]:
    good = summary.succeeded(rows)
    if not len(good):
        return ["# Patterns found where there are none\n"]
    n = rows["seed"].nunique()
    said = (
        "Counts were dealt out to the spots at random, so that no gene has a pattern. Share of genes whose expected "
        f"rates are called spatially variable (Moran's I, 6 nearest spots, one-sided p < .05), mean ± standard "
        f"deviation over {n} permutation{'s' * (n > 1)}; {LEVEL:.2f} is right, more is patterns invented. "
        f"`{COUNTED}`: the counts as they are.\n"
    )
    table = score_table(good, list(SETS), in_order(good["method"], METHODS), "called", best="")
    return ["# Patterns found where there are none\n", "## Permuted spots\n", said, table]
