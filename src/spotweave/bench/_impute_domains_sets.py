"""Targets with known labels, their references and panels, for clusters from imputed genes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..core.imputation.methods import METHODS as WAYS
from ._impute_sets import SETS as PAIRS
from ._impute_sets import MeasuredPair, PairSource

if TYPE_CHECKING:
    from anndata import AnnData

SPACE: Literal["smooth"] = "smooth"
"""Clusters of regions: `tl.domains` of this method."""
PLAIN = ("mixture", "kmeans")
"""Clusters of cell types: without space."""


class Known(NamedTuple):
    """Labels to be found."""

    column: str
    """Of ``obs``; every cell has one."""
    n: int
    """How many there are, which is told to the method."""
    clusterings: tuple[str, ...]
    """Ways to find them."""


@dataclass(frozen=True)
class LabelledPair:
    """A target with labels, and a reference."""

    name: str
    source: PairSource
    known: tuple[Known, ...]
    n_panel: int | None = None
    """Genes of the panel, drawn for each seed from those that both have; None: all that the target has."""
    keep: tuple[str, Any] | None = None
    """Column of ``obs`` and its value in the cells of the target to keep."""

    def read(self, file: Path) -> "tuple[AnnData, AnnData]":
        """Read the cells of the target that count, and the reference."""
        from .. import io

        target, reference = (io.read(path, images=False) for path in (file, self.source.reference_of(file)))
        if self.keep is not None:
            column, value = self.keep
            target = target[(target.obs[column] == value).to_numpy()].copy()
        return target, reference


def _starmap(name: str, n_panel: int | None = None) -> LabelledPair:
    return LabelledPair(name, PAIRS["starmap_seqfish"].source, (Known("label", 7, (SPACE,)),), n_panel)


def _simulated(name: str, n_domains: int) -> LabelledPair:
    """Tissue with 8 cell types; the panel is 60 of its 400 genes."""
    known = (Known("domain_true", n_domains, (SPACE,)), Known("cell_type", 8, PLAIN))
    return LabelledPair(f"{name}_60", PAIRS[name].source, known, 60)


_ALL = (
    LabelledPair(
        "osmfish",
        MeasuredPair(
            "osmfish_somatosensory/osmfish_somatosensory.h5ad",
            "seqfishplus_cortex_svz_full/seqfishplus_cortex_svz_full.h5ad",
        ),
        (Known("Region", 11, (SPACE,)), Known("ClusterName", 31, PLAIN)),  # excluded cells have neither, and Valid is 0
        keep=("Valid", 1),
    ),
    _starmap("starmap"),
    _starmap("starmap_150", 150),
    _starmap("starmap_50", 50),
    _simulated("sim_layers", 6),
    _simulated("sim_blobs", 5),
)
SETS = {item.name: item for item in _ALL}
SET_GROUPS = {
    "all": list(SETS),
    "real": [name for name in SETS if not name.startswith("sim_")],
    "simulated": [name for name in SETS if name.startswith("sim_")],
}

METHODS: dict[str, Mapping[str, Any]] = {name: {"method": name} for name in WAYS}
METHOD_GROUPS = {"all": list(METHODS)}
