"""Slices aligned: the task, and its summary."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from scipy.spatial import cKDTree

from .._check import check_range
from .._whole import write_whole
from ..core.alignment.features import spacing
from ..core.alignment.rigid import angle_between, procrustes
from . import _align_data as data
from . import _align_fit as methods_of
from ._align_data import Moved, load, prepare
from ._align_fit import fit, warm
from ._align_page import align_page
from ._integrate_sets import TRUTH
from ._names import chosen
from ._runner import Running, run_task
from ._task import Task


def score(moved: Moved, found: np.ndarray) -> list[dict[str, Any]]:
    """One row: means over the slices that were moved."""
    adata = moved.adata
    sizes = {"n_obs": adata.n_obs, "n_genes": adata.n_vars, "n_slices": 1 + len(moved.moving)}
    labelled = {"same_label": np.mean([same_label(moved, found, rows) for rows in moved.moving])}
    if moved.place is None:
        return [{**sizes, **labelled}]
    step = spacing(moved.place[moved.names == moved.reference])
    errors = [np.linalg.norm(found[rows] - moved.place[rows], axis=1) / step for rows in moved.moving]
    turns = [_turn(moved, found, rows) for rows in moved.moving]
    best = np.mean([same_label(moved, moved.place, rows) for rows in moved.moving])
    far = {
        "distance": np.mean([error.mean() for error in errors]),
        "distance_worst": max(error.mean() for error in errors),
    }
    return [{**sizes, **far, "angle": np.mean(turns), **labelled, "same_label_true": best}]


def same_label(moved: Moved, places: np.ndarray, rows: np.ndarray) -> float:
    """Share of labelled rows whose nearest labelled row of the first slice has the same label."""
    truth = moved.adata.obs[TRUTH]
    known = truth.notna().to_numpy()
    fixed, own = np.flatnonzero((moved.names == moved.reference) & known), rows[known[rows]]
    nearest = fixed[cKDTree(places[fixed]).query(places[own])[1]]
    labels = truth.to_numpy(object)
    return float((labels[nearest] == labels[own]).mean())


def _turn(moved: Moved, found: np.ndarray, rows: np.ndarray) -> float:
    """Angle in degrees between the rotation found and the true one."""
    assert moved.place is not None, "asked for simulated slices only"
    given = np.asarray(moved.adata.obsm["spatial"])[rows]
    return angle_between(procrustes(given, found[rows]), procrustes(given, moved.place[rows]))


ALIGN = Task("align", load, fit, score, warm, prepare, headline="same_label")


def align(
    sets: str | Iterable[str] = "all",
    methods: str | Iterable[str] = "main",
    *,
    seeds: int = 5,
    running: Running | None = None,
) -> pd.DataFrame:
    """Score how slices are brought into one frame after each but the first was turned and shifted at random.

    Writes ``align.csv`` (a row for each run) and ``align.md`` (the summary of all rows) into ``running.output``.

    Parameters
    ----------
    sets
        Data sets: names, or groups ``"real"``, ``"simulated"``, ``"all"``; a sequence, or one string with commas.
    methods
        Methods: names, or groups ``"main"``, ``"all"`` (with ``"align-fgw"``, which needs the package POT).
    seeds
        How many seeds: 0, 1, ... Each also draws angles and shifts.
    running
        Where results go, threads, whether seeds share a process, whether runs that are there are done again.

    Returns
    -------
    All rows of ``align.csv``. Columns: ``distance`` mean distance to the true place, in distances between neighbours
    (``distance_worst`` of the worst slice), ``angle`` in degrees, both for simulated slices; ``same_label`` share of
    rows whose nearest row of the first slice has the same label (``same_label_true`` at the true places); see
    `domains` for costs.

    Raises
    ------
    InputError
        When a name is unknown, or the files of no data set are there.
    """
    check_range(seeds, "seeds", low=1, high=1_000, integer=True)
    running = running or Running()
    wanted = chosen(sets, data.SETS, data.GROUPS, "data sets")
    settings = chosen(methods, methods_of.METHODS, methods_of.GROUPS, "methods")
    rows = run_task(ALIGN, list(wanted.values()), settings, range(seeds), running)
    write_whole(running.output / "align.md", align_page(rows).encode())
    return rows
