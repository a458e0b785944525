"""Methods that are compared by denoising: rivals without training, `tl.denoise`, and other packages."""

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

TRIVIAL: dict[str, Settings] = {
    "raw": {"rival": "raw"},
    "mean": {"rival": "mean"},
    "spatial-6": {"rival": "spatial", "n_neighs": 6},
    "spatial-18": {"rival": "spatial", "n_neighs": 18},
    "knn-15": {"rival": "alike", "n_neighs": 15},
    "pca-5": {"rival": "pca", "n_components": 5},
    "pca-15": {"rival": "pca", "n_components": 15},
}
OURS: dict[str, Settings] = {
    "factor": {"method": "factor"},
    "gmm_vgae": {"method": "gmm_vgae"},
    "gmm_vgae-strict": {"method": "gmm_vgae", "strict": True},
}
PEERS: dict[str, Settings] = {"magic": {"peer": "magic"}, "scvi": {"peer": "scvi"}}
ABLATIONS: dict[str, Settings] = {
    "factor-no-guard": {"method": "factor", "guard": False},
    "gmm_vgae-no-guard": {"method": "gmm_vgae", "guard": False},
    "gmm_vgae-no-graph": {"method": "gmm_vgae", "use_graph": False},
    "gmm_vgae-no-mixture": {"method": "gmm_vgae", "prior": "normal"},
    "gmm_vgae-one-component": {"method": "gmm_vgae", "n_components": 1},
    "gmm_vgae-poisson": {"method": "gmm_vgae", "likelihood": "poisson"},
    "gmm_vgae-linear": {"method": "gmm_vgae", "n_curved": 0},
}
METHODS = {**TRIVIAL, **OURS, **PEERS, **ABLATIONS}
GROUPS = {
    "all": list(METHODS),
    "main": [*TRIVIAL, *OURS, *PEERS],
    "trivial": list(TRIVIAL),
    "ours": list(OURS),
    "peers": list(PEERS),
    "ablations": list(ABLATIONS),
}
BASE = "mean"
"""Deviances are also given as a part of this method's: what depth alone leaves."""
WHOLE = "gmm_vgae"
"""The method whose parts the ablations leave out."""


def repeated(settings: Settings) -> bool:
    """Whether the seed matters, so that a split is worth more than one run."""
    return "rival" not in settings and settings.get("peer") != "magic"
