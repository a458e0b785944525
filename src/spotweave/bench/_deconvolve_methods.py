"""Ways to find the composition of spots that are compared: without looking at them, ours, and other packages."""

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

EPOCHS = 10_000
"""Of cell2location; 30,000 in its tutorial."""
_CELL2LOCATION = {"peer": "cell2location", "told": ("n_cells",), "max_epochs": EPOCHS}

TRIVIAL: dict[str, Settings] = {name: {"rival": name} for name in ("uniform", "reference")}
OURS: dict[str, Settings] = {
    "nb": {"method": "nb"},
    "nb-unknown": {"method": "nb", "unknown": True},
    "nb-smooth": {"method": "nb", "smoothness": 1.0},
    "combined": {"method": "combined"},
    "mapping": {"method": "mapping"},
    "poisson": {"method": "poisson"},
    "nnls": {"method": "nnls"},
}
PEERS: dict[str, Settings] = {
    "cell2location": {**_CELL2LOCATION, "detection_alpha": 20.0},
    "cell2location-200": {**_CELL2LOCATION, "detection_alpha": 200.0},
    "rctd": {"peer": "rctd"},
    "flashdeconv": {"peer": "flashdeconv"},
    "tangram": {"peer": "tangram"},
    "tangram-clusters": {"peer": "tangram", "mode": "clusters"},
    "stereoscope": {"peer": "stereoscope"},
}
METHODS = {**TRIVIAL, **OURS, **PEERS}
GROUPS = {"all": list(METHODS), "trivial": list(TRIVIAL), "ours": list(OURS), "peers": list(PEERS)}
FIXED = {"nnls", "poisson", "rctd", "flashdeconv"}
"""Those of ours, and peers, that draw no random numbers."""


def repeated(settings: Settings) -> bool:
    """Whether the seed matters."""
    return "rival" not in settings and not FIXED & {settings.get("method"), settings.get("peer")}
