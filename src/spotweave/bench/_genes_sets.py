"""Tissues on which gene embeddings are compared: drawn, single sections, pairs of sections, and copies for costs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ._genes_test_sets import Drawn
from ._source import Files
from ._task import Source

TERMS = "gene_sets/enrichr.GO_Biological_Process_2021.gmt"
Kind = Literal["planted", "pair", "null", "section", "cost"]


@dataclass(frozen=True)
class EmbeddingSet:
    """Sections, and what is asked of the embeddings of their genes."""

    name: str
    kind: Kind
    source: Source
    drawn: Mapping[str, Any] | None = None
    """Arguments of `datasets.simulate_patterns` but for the seed."""
    sections: tuple[str, ...] = ()
    """Files of the sections, below the folder of real data."""
    n_copies: int = 1
    """The section this many times along each axis, side by side."""


# 70 % of the genes have a pattern of 0.1 to 0.5 standard deviations of log expression, the simulator's default
_LARGE = {"n_obs": 3_600, "n_genes": 1_000, "n_modules": 20}
_SMALL = {"n_obs": 1_440, "n_genes": 600, "n_modules": 20}


def _planted(name: str, pattern: str, size: Mapping[str, int]) -> EmbeddingSet:
    return EmbeddingSet(name, "planted", Drawn(), {**size, "pattern": pattern})


def _measured(name: str, kind: Kind, *sections: str, n_copies: int = 1) -> EmbeddingSet:
    """Terms are needed where co-function is all that is asked."""
    files = (*sections, TERMS) if kind == "section" else sections
    return EmbeddingSet(name, kind, Files(files), sections=sections, n_copies=n_copies)


_DLPFC = ("dlpfc_151673/dlpfc_151673.h5ad", "dlpfc_151674/dlpfc_151674.h5ad")
_HER2ST = ("her2st/B1.h5ad", "her2st/B2.h5ad")

_ALL = (
    _planted("sim_bumps", "bumps", _LARGE),
    _planted("sim_layers", "layers", _LARGE),
    _planted("sim_niches", "niches", _LARGE),
    _planted("sim_small", "bumps", _SMALL),
    _measured("dlpfc_pair", "pair", *_DLPFC),
    _measured("her2st_pair", "pair", *_HER2ST),
    _measured("her2st_C1", "section", "her2st/C1.h5ad"),
    _measured("st_mob_rep11", "section", "st_mob_rep11/st_mob_rep11.h5ad"),
    _measured("dlpfc_null", "null", *_DLPFC),
    _measured("her2st_null", "null", *_HER2ST),
    _measured("cost_3639", "cost", _DLPFC[0]),
    _measured("cost_14556", "cost", _DLPFC[0], n_copies=2),
)
SETS = {item.name: item for item in _ALL}


def of_kind(*kinds: Kind) -> list[str]:
    """Names of the sets of these kinds."""
    return [name for name, item in SETS.items() if item.kind in kinds]


GROUPS = {
    "all": list(SETS),
    "simulated": of_kind("planted"),
    "real": of_kind("pair", "section"),
    "null": of_kind("null"),
    "cost": of_kind("cost"),
}
