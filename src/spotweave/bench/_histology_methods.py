"""Ways to predict expression from a stained image that are compared: methods of `tl.Histology`, and depth itself."""

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

MEAN, DEPTH, RIDGE = "mean", "depth", "ridge"
NETWORKS = ("bleep", "mclstexp", "network")
"""Those that draw random numbers."""
BLIND = (MEAN, DEPTH)
"""See no image: the training mean, and a line in the true log total counts of a spot."""
METHODS: dict[str, Settings] = {name: {"method": name} for name in (MEAN, DEPTH, RIDGE, "knn", "programs", *NETWORKS)}
GROUPS = {
    "all": list(METHODS),
    "closed": [name for name in METHODS if name not in NETWORKS],
    "networks": list(NETWORKS),
}
LEGACY_METHODS = [*GROUPS["closed"], "network"]
"""Those that are run on targets of published figures as well."""


def repeated(settings: Settings) -> bool:
    """Whether the seed matters."""
    return settings["method"] in NETWORKS
