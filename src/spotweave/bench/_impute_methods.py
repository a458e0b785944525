"""Ways to predict genes outside a panel that are compared: without a reference, ours, and other packages."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..core.imputation.methods import METHODS as WAYS
from ._impute_ours import ours

Settings = Mapping[str, Any]
Predict = Callable[..., tuple[np.ndarray, Mapping[float, Any]]]
"""``(pair, rng, **options)``: expected counts of the wanted genes ``[n, t]``, and ends of intervals by level."""

ROUTES: dict[str, Predict] = {"impute": ours}
"""What stands beside ``route`` in the settings is handed over as options."""

TRIVIAL: dict[str, Settings] = {name: {"rival": name} for name in ("gene_mean", "depth", "panel_mean")}
OURS: dict[str, Settings] = {name: {"route": "impute", "method": name} for name in WAYS}
PEERS: dict[str, Settings] = {name: {"peer": name} for name in ("tangram", "gimvi", "spage")}
METHODS = {**TRIVIAL, **OURS, **PEERS}
GROUPS = {"all": list(METHODS), "trivial": list(TRIVIAL), "ours": list(OURS), "peers": list(PEERS)}
FIXED = {"spage", "mean", "ridge", "factor", "neighbors"}
"""Peers that draw no random numbers."""


def repeated(settings: Settings) -> bool:
    """Whether the seed matters."""
    return "rival" not in settings and settings.get("peer") not in FIXED
