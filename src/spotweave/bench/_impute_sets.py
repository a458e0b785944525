"""Pairs of a target with a gene panel and a reference, on which imputation is measured."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ._source import simulator_code
from ._task import Source


class PairSource(Source, Protocol):
    """Where the two files of a data set come from; `locate` gives that of the target."""

    def reference_of(self, file: Path) -> Path:
        """Return the path of the reference, given that of the target."""


@dataclass(frozen=True)
class MeasuredPair:
    """Two files in the folder of real data."""

    target: str
    reference: str

    def missing(self, data: Path) -> str | None:
        """Say why a file cannot be had; None when both can."""
        absent = [data / name for name in (self.target, self.reference) if not (data / name).is_file()]
        return f"no file {absent[0]}" if absent else None

    def locate(self, data: Path, cache: Path) -> Path:
        """Return the path of the target."""
        return (data / self.target).absolute()

    def reference_of(self, file: Path) -> Path:
        """Return the path of the reference."""
        return file.parents[self.target.count("/")] / self.reference


@dataclass(frozen=True)
class SimulatedPair:
    """A tissue of `datasets.simulate_tissue` with its true rates, and cells of `datasets.simulate_reference`."""

    tissue: Mapping[str, Any]
    reference: Mapping[str, Any]

    def missing(self, data: Path) -> None:
        """It can always be had."""

    def locate(self, data: Path, cache: Path) -> Path:
        """Return the path of the tissue in `cache`, simulated on first use; its name tells arguments and code."""
        text = json.dumps({"tissue": dict(self.tissue), "reference": dict(self.reference)}, sort_keys=True).encode()
        path = cache / f"{hashlib.sha256(text + simulator_code()).hexdigest()[:16]}.h5ad"
        if not path.exists() or not self.reference_of(path).exists():
            self._simulate(path)
        return path

    def reference_of(self, file: Path) -> Path:
        """Return the path of the reference, beside the tissue."""
        return file.with_suffix(".reference.h5ad")

    def _simulate(self, path: Path) -> None:
        from ..datasets import simulate_reference, simulate_tissue
        from ..io import write

        tissue = simulate_tissue(**self.tissue, rates=True)
        write(simulate_reference(tissue, **self.reference), self.reference_of(path))
        write(tissue, path)


@dataclass(frozen=True)
class ImputeSet:
    """A target and a reference, and how their shared genes are dealt out to folds."""

    name: str
    source: PairSource
    n_folds: int = 10
    """Parts of the shared genes; each is predicted once from all others."""
    keep: tuple[str, tuple[Any, ...]] | None = None
    """Column of ``obs`` and its values in the cells of the target to keep."""
    reference_keep: tuple[str, tuple[Any, ...]] | None = None
    """The same for the reference."""
    n_used: int | None = None
    """How many of the folds are run; None: all."""
    details: Path | None = None
    """Folder that gets a table of genes for each run."""

    @property
    def real(self) -> bool:
        """Whether the target was measured."""
        return isinstance(self.source, MeasuredPair)


_OSMFISH = "osmfish_somatosensory/osmfish_somatosensory.h5ad"
_SEQFISH = "seqfishplus_cortex_svz_full/seqfishplus_cortex_svz_full.h5ad"
_ALLEN = "impute_osmfish_allenssp"
_STARMAP = "starmap_visual_cortex_1207/starmap_visual_cortex_1207.h5ad"
# of 400 genes, the 200 that are in a program make up the panel: those without one are predicted by depth alone
_CELLS = {"n_obs": 2_000, "n_genes": 400, "resolution": "cell", "library_size": 800.0, "signal": 0.4}
_DISSOCIATED = {"n_obs": 1_500, "rng": 1}


def _simulated(name: str, **options: Any) -> ImputeSet:
    return ImputeSet(name, SimulatedPair({**_CELLS, **options}, _DISSOCIATED))


_ALL = (
    ImputeSet("osmfish_allen", MeasuredPair(f"{_ALLEN}/{_ALLEN}.h5ad", f"{_ALLEN}/reference.h5ad")),
    ImputeSet("starmap_seqfish", MeasuredPair(_STARMAP, _SEQFISH)),
    ImputeSet("osmfish_seqfish", MeasuredPair(_OSMFISH, _SEQFISH), keep=("Valid", (1,))),
    ImputeSet(
        "seqfish_half",
        MeasuredPair(_SEQFISH, _SEQFISH),
        n_folds=2,
        keep=("FOV", ("0", "2", "5")),
        reference_keep=("FOV", ("1", "3", "4", "6")),
    ),
    ImputeSet("xenium_seqfish", MeasuredPair("xenium_mouse_brain_36k/xenium_mouse_brain_36k.h5ad", _SEQFISH)),
    _simulated("sim_layers", layout="layers", n_domains=6, rng=31),
    _simulated("sim_blobs", layout="blobs", n_domains=5, rng=32),
)
SETS = {item.name: item for item in _ALL}
GROUPS = {
    "all": list(SETS),
    "real": [name for name, item in SETS.items() if item.real],
    "simulated": [name for name, item in SETS.items() if not item.real],
}
