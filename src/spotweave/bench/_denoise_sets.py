"""Tissues on which denoising is measured: no truth is needed, the held-out molecules are one."""

from typing import cast

from ._sets import SETS as DOMAIN_SETS
from ._sets import DataSet
from ._source import RealFile, SimulatedFile


def _real(name: str) -> DataSet:
    return DataSet(name, RealFile(f"{name}/{name}.h5ad"))


def _simulated(name: str) -> DataSet:
    """The tissue of that name of the domains benchmark, with its true rates."""
    source = cast("SimulatedFile", DOMAIN_SETS[name].source)
    return DataSet(name, SimulatedFile(source.options, rates=True))


_ALL = (
    DOMAIN_SETS["dlpfc_151673"],
    _real("st_mob_rep11"),
    DOMAIN_SETS["her2st_A1"],
    DOMAIN_SETS["her2st_C1"],
    DOMAIN_SETS["her2st_D1"],
    DOMAIN_SETS["starmap_visual_cortex_1207"],
    DOMAIN_SETS["osmfish_somatosensory"],
    _real("xenium_mouse_brain_36k"),
    _simulated("sim_layers_spot"),
    _simulated("sim_blobs_spot"),
    _simulated("sim_layers_cell"),
    _simulated("sim_blobs_cell"),
)
SETS = {item.name: item for item in _ALL}
GROUPS = {
    "all": list(SETS),
    "real": [name for name, item in SETS.items() if item.real],
    "simulated": [name for name, item in SETS.items() if not item.real],
    "false": ["st_mob_rep11", "her2st_A1", "starmap_visual_cortex_1207"],
}
