"""Tissues and ways to choose genes for domains."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ._sets import SETS as DOMAIN_SETS
from ._sets import DataSet, Truth
from ._source import RealFile

Settings = Mapping[str, Any]

_MEASURED = ["dlpfc_151673", "dlpfc_151674", "starmap_visual_cortex_1207", "her2st_A1", "her2st_B1"]
_MOB = DataSet("st_mob_rep11", RealFile("st_mob_rep11/st_mob_rep11.h5ad"), 5, (Truth("annot"),))
SETS = {item.name: replace(item, truths=item.truths[:1]) for item in [*(DOMAIN_SETS[n] for n in _MEASURED), _MOB]}
SET_GROUPS = {"all": list(SETS)}

REFERENCE = "hvg-3000"
"""What `tl.domains` does by itself."""
CHOICES: dict[str, Settings] = {
    "hvg-3000": {"by": "variance", "n_top": 3_000},
    "hvg-1000": {"by": "variance", "n_top": 1_000},
    "all": {"by": "all"},
    "svg-3000": {"by": "svg", "n_top": 3_000},
    "svg-1000": {"by": "svg", "n_top": 1_000},
    "module-3000": {"by": "module", "n_top": 3_000, "embedding": "mae"},
    "module-1000": {"by": "module", "n_top": 1_000, "embedding": "mae"},
    "module-smooth-3000": {"by": "module", "n_top": 3_000, "embedding": "smooth"},
    "module-smooth-1000": {"by": "module", "n_top": 1_000, "embedding": "smooth"},
}
DOMAINS = ["smooth", "fusion"]
METHODS: dict[str, Settings] = {
    f"{domains}:{choice}": {"domains": domains, **settings}
    for domains in DOMAINS
    for choice, settings in CHOICES.items()
}
GROUPS = {
    "all": list(METHODS),
    "quick": [name for name, settings in METHODS.items() if settings.get("embedding") != "mae"],
    **{domains: [name for name in METHODS if name.startswith(f"{domains}:")] for domains in DOMAINS},
}
