"""Slices that were turned, shifted and bent by known amounts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.alignment.features import spacing
from ..core.alignment.rigid import similarity, transform
from ._integrate_sets import SETS as TISSUES
from ._integrate_sets import SLICE, SliceSet
from ._task import Source

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class AlignSet:
    """Slices of a tissue, all but the first to be moved."""

    name: str
    tissue: SliceSet
    bend: float = 0.0
    """Amplitude in distances between neighbours of a wave as long as the slice, along either axis."""

    @property
    def source(self) -> Source:
        """Where the files of the tissue are."""
        return self.tissue.source


class Moved(NamedTuple):
    """Slices of which all but the first lie elsewhere than they were."""

    dataset: AlignSet
    adata: "AnnData"
    place: np.ndarray | None
    """Where each row belongs ``[n, 2]``, in the frame of the first slice; None where that is not known."""

    @property
    def names(self) -> np.ndarray:
        """Slice of each row ``[n]``."""
        return self.adata.obs[SLICE].astype(str).to_numpy()

    @property
    def reference(self) -> str:
        """Slice that stays."""
        return str(np.unique(self.names)[0])

    @property
    def moving(self) -> list[np.ndarray]:
        """Rows of each of the others."""
        return [np.flatnonzero(self.names == name) for name in np.unique(self.names)[1:]]


def load(dataset: AlignSet, path: Path) -> Moved:
    """Read the files; nothing is moved yet, but simulated slices are turned already."""
    adata = dataset.tissue.read(path)
    still = Moved(dataset, adata, None)
    if "simulation" not in adata.uns:
        return still
    transforms = np.asarray(adata.uns["simulation"]["transforms"])  # from the anatomy to each slice
    place = np.array(adata.obsm["spatial"], np.float64)
    for T, rows in zip(transforms[1:], still.moving, strict=True):
        place[rows] = transform(transforms[0] @ np.linalg.inv(T), place[rows])
    return still._replace(place=place)


def prepare(still: Moved, settings: Mapping[str, Any], seed: int) -> Moved:
    """Bend, turn by any angle and shift all slices but the first, as the seed says."""
    rng, adata = np.random.default_rng(seed), still.adata.copy()
    xy = np.array(adata.obsm["spatial"], np.float64)
    step = spacing(xy[still.names == still.reference])
    for rows in still.moving:
        size = np.ptp(xy[rows], axis=0)
        bent = bend(xy[rows], still.dataset.bend * step, rng)
        T = similarity(rng.uniform(0, 2 * np.pi), rng.uniform(-1, 1, 2) * size)
        xy[rows] = transform(T, bent)
    adata.obsm["spatial"] = xy
    return still._replace(adata=adata)


def bend(xy: np.ndarray, amplitude: float, rng: np.random.Generator) -> np.ndarray:
    """Shift points ``[n, 2]`` along each axis by a wave of the other, as long as the slice."""
    phase = rng.uniform(0, 2 * np.pi, 2)
    turn = 2 * np.pi * (xy - xy.min(axis=0)) / np.ptp(xy, axis=0)
    return xy + amplitude * np.sin(turn[:, ::-1] + phase)


_ALL = (
    *(AlignSet(name, TISSUES[name]) for name in ("dlpfc_pair", "sim_layers", "sim_blobs", "sim_missing_domain")),
    AlignSet("sim_bent", TISSUES["sim_blobs"], bend=1.5),
)
SETS = {item.name: item for item in _ALL}
GROUPS = {
    "all": list(SETS),
    "real": [name for name, item in SETS.items() if item.tissue.real],
    "simulated": [name for name, item in SETS.items() if not item.tissue.real],
}
