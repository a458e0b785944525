"""Counts of spots and of reference cells for the genes that both have, with the truth about the spots."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._check import fail
from .._table import get_coords, get_obs
from ._deconvolve_sets import SETS, SpotSet
from ._impute_data import columns, counts, shared, sums
from ._source import cache_folder, data_folder

if TYPE_CHECKING:
    from anndata import AnnData

LEAST_CELLS = 2
"""Of a type, for it to be in the reference."""


@dataclass(frozen=True)
class Problem:
    """What every method is given, and the truth. Spots, cells and genes without counts are left out."""

    X: sp.csr_matrix
    """Counts of the spots ``[n, g]``, float32."""
    R: sp.csr_matrix
    """Counts of the reference cells ``[m, g]``, float32, of the same genes."""
    labels: np.ndarray
    """Type of each reference cell ``[m]``, from 0 to t - 1; each occurs."""
    types: tuple[str, ...]
    """Names of the types ``[t]``."""
    xy: np.ndarray
    """Coordinates of the spots ``[n, 2]``."""
    truth: np.ndarray | None = None
    """Shares of the cells that are of these types ``[n, t]``; rows sum to 1 less `missing_truth`."""
    missing_truth: np.ndarray | None = None
    """Share of the cells whose type the reference lacks ``[n]``."""
    markers: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Share of the kept-out genes in each spot's counts ``[n]``, by the name of the marked types."""
    n_cells: float = 0.0
    """Mean number of cells in a spot."""


class Spots(NamedTuple):
    """A data set that has been read."""

    dataset: SpotSet
    problems: list[Problem]


def read_spots(dataset: SpotSet, file: Path) -> Spots:
    """Read both files."""
    return Spots(dataset, read_problems(dataset, file))


def read_problems(dataset: SpotSet | str, file: Path | None = None) -> list[Problem]:
    """Read the spots and their references: one problem, or one for each part that is held out.

    Parameters
    ----------
    dataset
        Data set, or its name.
    file
        That of the spots; where it is by default when left out.
    """
    from .. import io

    item = SETS[dataset] if isinstance(dataset, str) else dataset
    file = file or item.source.locate(data_folder(), cache_folder())
    spots, cells = (io.read(path, images=False) for path in (file, item.source.reference_of(file)))
    if item.unlabelled is not None:
        cells = cells[(get_obs(cells, item.labels).astype(str) != item.unlabelled).to_numpy()].copy()
    return [_problem(item, spots[own], cells[other]) for own, other in _parts(item, spots, cells)]


def _parts(item: SpotSet, spots: "AnnData", cells: "AnnData") -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Spots and reference cells of each problem."""
    if item.part is None:
        yield np.ones(spots.n_obs, bool), np.ones(cells.n_obs, bool)
        return
    own, other = (get_obs(adata, item.part).astype(str).to_numpy() for adata in (spots, cells))
    for part in np.unique(own):
        yield own == part, other != part


def _problem(item: SpotSet, spots: "AnnData", cells: "AnnData") -> Problem:
    names = get_obs(cells, item.labels).astype(str)
    names = names[names.map(names.value_counts()) >= LEAST_CELLS]
    cells = cells[names.index]
    labels, types = pd.factorize(names, sort=True)
    first, second = shared(spots, cells)
    X, R = columns(counts(spots), first), columns(counts(cells), second)
    genes = np.asarray(spots.var_names, dtype=object)[first]
    kept_out = np.isin(genes, [gene for _, group in item.markers.values() for gene in group])
    both = np.flatnonzero((sums(X, 0) * sums(R, 0) > 0) & ~kept_out)
    filled, used = sums(columns(X, both), 1) > 0, sums(columns(R, both), 1) > 0
    if not len(both) or len(np.unique(labels[used])) < len(types):
        raise fail("genes that both have, with counts of every type", f"{len(both)} genes")
    truth, missing = _truth(item, spots, list(types))
    return Problem(
        columns(X[filled], both),
        columns(R[used], both),
        labels[used],
        tuple(types),
        get_coords(spots)[filled],
        None if truth is None else truth[filled],
        None if missing is None else missing[filled],
        {name: _share(X, genes, group)[filled] for name, (_, group) in item.markers.items()},
        item.n_cells,
    )


def _truth(item: SpotSet, spots: "AnnData", types: list[str]) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Shares of the types ``[n, t]``, and of all others ``[n]``."""
    if item.truth is None:
        return None, None
    table = pd.DataFrame(spots.obsm[item.truth])
    known = table.div(table.sum(axis=1), axis=0).reindex(columns=types, fill_value=0.0).to_numpy(np.float64)
    return known, np.clip(1 - known.sum(axis=1), 0, 1)


def _share(X: sp.csr_matrix, genes: np.ndarray, group: tuple[str, ...]) -> np.ndarray:
    return sums(columns(X, np.flatnonzero(np.isin(genes, group))), 1) / np.maximum(sums(X, 1), 1)
