"""Ways to predict genes outside a panel that are compared: without a reference, ours, and other packages."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

Settings = Mapping[str, Any]
Predict = Callable[..., np.ndarray]
"""``(pair, rng, **options) -> [n, t]``: expected counts of the wanted genes, up to one factor a gene."""

ROUTES: dict[str, Predict] = {}
"""Ours, functions of `core`. What stands beside ``route`` in the settings is handed over as options."""

TRIVIAL: dict[str, Settings] = {name: {"rival": name} for name in ("gene_mean", "depth", "panel_mean")}
OURS: dict[str, Settings] = {}
PEERS: dict[str, Settings] = {name: {"peer": name} for name in ("tangram", "gimvi", "spage")}
METHODS = {**TRIVIAL, **OURS, **PEERS}
GROUPS = {"all": list(METHODS), "trivial": list(TRIVIAL), "ours": list(OURS), "peers": list(PEERS)}
FIXED = {"spage"}
"""Peers that draw no random numbers."""


def repeated(settings: Settings) -> bool:
    """Whether the seed matters."""
    return "rival" not in settings and settings.get("peer") not in FIXED
