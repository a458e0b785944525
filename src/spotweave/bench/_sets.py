"""Data sets whose domains are known: where they are, what to score against, and the figure to reach."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from ._source import RealFile, SimulatedFile
from ._task import Source

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True)
class Truth:
    """Known labels."""

    column: str
    """Of ``obs``; where missing, a cell is not scored."""
    goal: float | None = None
    """Best ARI known from elsewhere."""
    unknown: tuple[str, ...] = ()
    """Labels that mean that the truth is not known."""

    def of(self, adata: "AnnData") -> pd.Series:
        """Return the labels, missing where unknown."""
        from .._table import get_obs

        labels = get_obs(adata, self.column, name="truth").astype(object)
        return labels.where(~labels.isin(self.unknown))


@dataclass(frozen=True)
class DataSet:
    """A tissue, with known domains where some benchmark scores against them."""

    name: str
    source: Source
    n_domains: int = 0
    truths: tuple[Truth, ...] = ()
    """The first is the one that counts in means over sets."""
    keep: tuple[str, Any] | None = None
    """Column of ``obs`` and its value in the rows to keep; others are not even read by the method."""

    @property
    def real(self) -> bool:
        """Whether the tissue was measured."""
        return isinstance(self.source, RealFile)

    def read(self, file: Path) -> "AnnData":
        """Read the rows that count."""
        from .. import io

        adata = io.read(file, images=False)
        if self.keep is None:
            return adata
        column, value = self.keep
        return adata[(adata.obs[column] == value).to_numpy()].copy()


def _real(
    name: str, n_domains: int, *truths: Truth, file: str | None = None, keep: tuple[str, Any] | None = None
) -> DataSet:
    return DataSet(name, RealFile(file or f"{name}/{name}.h5ad"), n_domains, truths, keep)


def _her2st(section: str, n_domains: int, goal: float) -> DataSet:
    truth = Truth("label", goal, ("undetermined",))
    return _real(f"her2st_{section}", n_domains, truth, file=f"her2st/{section}.h5ad")


def simulated(name: str, **options: Any) -> DataSet:
    """Tissue of `datasets.simulate_to_disk`."""
    return DataSet(name, SimulatedFile(options), options["n_domains"], (Truth("domain_true"),))


# Signal and depth are such that no method of today finds all of it: a set on which everything scores 1 tells nothing.
_SPOTS = {"n_obs": 3_000, "n_genes": 800, "resolution": "spot", "library_size": 1_500.0, "signal": 0.3}
_CELLS = {"n_obs": 3_000, "n_genes": 500, "resolution": "cell", "library_size": 400.0, "signal": 0.4}

_ALL = (
    _real("dlpfc_151673", 7, Truth("layer", 0.658)),
    _real("dlpfc_151674", 7, Truth("layer", 0.610)),
    _real("dlpfc_151510", 7, Truth("annotation", 0.505)),
    _real("starmap_visual_cortex_1207", 7, Truth("label", 0.594), Truth("smoothed_manual_banksy", 0.837)),
    _real("osmfish_somatosensory", 11, Truth("Region", 0.571), keep=("Valid", 1)),
    _her2st("A1", 5, 0.20),
    _her2st("B1", 4, 0.32),
    _her2st("C1", 3, 0.24),
    _her2st("D1", 3, 0.22),
    simulated("sim_layers_spot", n_domains=6, layout="layers", rng=11, **_SPOTS),
    simulated("sim_rings_spot", n_domains=5, layout="rings", rng=12, **_SPOTS),
    simulated("sim_blobs_spot", n_domains=5, layout="blobs", rng=13, **_SPOTS),
    simulated("sim_layers_cell", n_domains=6, layout="layers", rng=14, **_CELLS),
    simulated("sim_blobs_cell", n_domains=5, layout="blobs", rng=15, **_CELLS),
)
SETS = {item.name: item for item in _ALL}
GROUPS = {
    "all": list(SETS),
    "real": [name for name, item in SETS.items() if item.real],
    "simulated": [name for name, item in SETS.items() if not item.real],
}
