"""Expression predicted from stained images: the task, and its summary."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from .._check import check_range, fail
from .._whole import write_whole
from . import _histology_methods as methods_of
from . import _histology_sets as sets_of
from ._histology_fit import HistologySet, fit, load, score, warm
from ._histology_methods import LEGACY_METHODS, Settings, repeated
from ._histology_page import histology_page
from ._histology_panels import CHOSEN, LEGACY, GenePanel, named_panels
from ._names import chosen
from ._runner import Running, available, run_task
from ._source import data_folder
from ._task import Task

HISTOLOGY = Task("histology", load, fit, score, warm, headline="pearson")


def histology(
    sets: str | Iterable[str] = "all",
    methods: str | Iterable[str] = "all",
    *,
    panels: str | Iterable[str] = "all",
    files: Sequence[str] = (),
    seeds: int = 5,
    encoder: str = "handcrafted",
    weights: str | Path | None = None,
    running: Running | None = None,
) -> pd.DataFrame:
    """Score expression that is predicted from the picture of sections, or patients, that were held out.

    Scores are those of `tl.cross_validate_histology`, beside two rows that see no picture. Real sections are those of
    the folder ``her2st`` that have ``<section>_HE.jpg`` beside ``<section>.h5ad``; their scale is inferred from the
    lattice of spots. Features of tiles are made before the first run. Writes ``histology.csv`` (for each run a row of
    each section) and ``histology.md`` (the summary of all rows) into ``running.output``.

    Parameters
    ----------
    sets
        Data sets: names, or groups ``"real"``, ``"simulated"``, ``"all"``; a sequence, or one string with commas.
    methods
        Methods: names, or groups ``"closed"`` (closed forms), ``"networks"``, ``"all"``.
    panels
        Genes to predict: ``"top50"`` and ``"top1000"``, chosen in each fold on its training sections, names of
        `files`, or ``"all"``.
    files
        Listed genes as ``NAME=FILE`` (one gene a line, or ``.npy``), for real sections alone. On them targets of
        published figures are run too. The 785 genes that these are of, ``her_hvg_cut_1000.npy`` in data/ of
        biomed-AI/Hist2ST, are not shipped.
    seeds
        How often methods that draw random numbers are run, with seeds 0, 1, ...; others once.
    encoder, weights
        Of tiles, as in `pp.tile_features`.
    running
        Where results go, threads, whether seeds share a process, whether runs that are there are done again.

    Returns
    -------
    All rows of ``histology.csv``. Columns: see `domains` for costs, which are of all folds together.

    Raises
    ------
    InputError
        When a name is unknown, a panel cannot be read, or the files of no data set are there.
    """
    check_range(seeds, "seeds", low=1, high=1_000, integer=True)
    running = running or Running()
    wanted = chosen(sets, sets_of.SETS, sets_of.GROUPS, "data sets")
    settings = chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods")
    known = {**CHOSEN, **named_panels(files)}
    genes = chosen(panels, known, {"all": list(known)}, "panels")
    made_by: dict[str, Any] = {"encoder": encoder, "weights": None if weights is None else Path(weights)}
    tissues = [replace(item, source=replace(item.source, **made_by)) for item in wanted.values()]
    there: list[Any] = available(tissues, data_folder(running.data))
    planned = plan(there, list(genes.values()), settings)
    if not planned:
        raise fail("a panel for the data sets", f"listed genes alone: {list(genes)}", "They are for real sections.")
    for items, own in planned:
        numbers = {name: range(seeds if repeated(method) else 1) for name, method in own.items()}
        rows = run_task(HISTOLOGY, items, own, numbers, running)
    write_whole(running.output / "histology.md", histology_page(rows).encode())
    return rows


def plan(
    tissues: Sequence[sets_of.StainedSet], panels: Sequence[GenePanel], settings: dict[str, Settings]
) -> list[tuple[list[HistologySet], dict[str, Settings]]]:
    """Which methods are run on what: all on the honest target, some on those of published figures.

    Listed genes are those of real tissues.
    """
    pairs = [(tissue, panel) for tissue in tissues for panel in panels if tissue.real or panel.genes is None]
    honest = [HistologySet(*pair) for pair in pairs]
    legacy = [HistologySet(*pair, target) for pair in pairs if pair[1].genes is not None for target in LEGACY]
    some = {name: own for name, own in settings.items() if name in LEGACY_METHODS}
    return [(items, own) for items, own in ((honest, settings), (legacy, some)) if items and own]
