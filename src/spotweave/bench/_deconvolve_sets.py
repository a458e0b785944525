"""Spots and references on which compositions are measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ._impute_sets import MeasuredPair, PairSource, SimulatedPair

CELLS_PER_SPOT = 8.0
"""Of simulated spots (`datasets.simulate_tissue`)."""


@dataclass(frozen=True)
class SpotSet:
    """Spots whose composition is known, or whose cell types have markers, and dissociated cells with labels."""

    name: str
    source: PairSource
    truth: str | None = "truth_proportions"
    """Of ``obsm`` of the spots; None where it is not known."""
    labels: str = "cell_type"
    """Column of ``obs`` of the reference."""
    unlabelled: str | None = None
    """Label that means that the type is not known; such cells are left out."""
    part: str | None = None
    """Column of ``obs`` of both: the spots of a part are given the reference cells of all other parts."""
    n_cells: float = CELLS_PER_SPOT
    """Mean number of cells in a spot, as an image would tell; for methods that ask."""
    markers: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """Genes that no method is given, to judge by: how the names of their types begin, and the genes."""
    details: Path | None = None
    """Folder that gets a table of types for each run."""

    @property
    def real(self) -> bool:
        """Whether the counts were measured."""
        return isinstance(self.source, MeasuredPair)


_SEQFISH = "deconv_seqfishplus_cortex_binned/deconv_seqfishplus_cortex_binned.h5ad"
_CELLS = "seqfishplus_cortex_svz_full/seqfishplus_cortex_svz_full.h5ad"
_SPOTS = {"n_obs": 1_000, "n_genes": 500, "resolution": "spot"}
_REFERENCE = {"n_obs": 1_000, "platform_effect": 0.3, "rng": 1}
_PANCREAS = {
    "acinar": ("Acinar", ("PRSS1", "CTRB1", "CTRB2", "CPA1", "PNLIP")),
    "ductal": ("Ductal", ("CRISP3", "TFF1", "TFF2", "TFF3")),
    "cancer": ("Cancer", ("TM4SF1", "S100A4")),
    "mast": ("Mast", ("TPSAB1",)),
    "endothelial": ("Endothelial", ("VWF",)),
}


def _own(name: str) -> MeasuredPair:
    return MeasuredPair(f"{name}/{name}.h5ad", f"{name}/reference.h5ad")


def _simulated(name: str, tissue: Mapping[str, Any], **reference: Any) -> SpotSet:
    pair = SimulatedPair({**_SPOTS, **tissue}, {**_REFERENCE, **reference})
    return SpotSet(name, pair, truth="proportions_true")


_LAYERS = {"layout": "layers", "rng": 41}
_ALL = (
    SpotSet(
        "seqfish_fov",
        MeasuredPair(_SEQFISH, _CELLS),
        labels="cell_type_merged",
        unlabelled="unannotated",
        part="FOV",
        n_cells=8.6,
    ),
    SpotSet("starmap_sdeper", _own("deconv_starmap_sdeper"), n_cells=3.4),
    SpotSet("pdac", _own("deconv_pdac"), truth=None, markers=_PANCREAS),
    _simulated("sim_layers", _LAYERS),
    _simulated("sim_blobs", {"layout": "blobs", "rng": 42}),
    _simulated("sim_platform", _LAYERS, platform_effect=0.8),
    _simulated("sim_missing", _LAYERS, missing_types=["type_3"]),
    _simulated("sim_shallow", {"layout": "blobs", "n_types": 12, "library_size": 300.0, "rng": 43}),
)
SETS = {item.name: item for item in _ALL}
GROUPS = {
    "all": list(SETS),
    "known": [name for name, item in SETS.items() if item.truth],
    "real": [name for name, item in SETS.items() if item.real],
    "simulated": [name for name, item in SETS.items() if not item.real],
}
