"""Ways to integrate slices that are compared, each with the ways to find domains after it."""

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

OWN = "own"
"""Domains that a package finds by itself."""
DOMAINS = ["smooth", "fusion"]
"""Methods of `tl.domains` that are given the integrated components."""
ALONE, UNCORRECTED = "alone", "none"

INTEGRATIONS: dict[str, Settings] = {
    ALONE: {},
    UNCORRECTED: {},
    "center": {"method": "center"},
    "harmony": {"method": "harmony"},
    "matched": {"method": "matched"},
    "scvi": {"peer": "scvi"},
    "graphst": {"peer": "graphst"},
}
"""What stands beside ``peer`` in the settings is handed over to `tl.integrate`."""
METHODS: dict[str, Settings] = {
    **{
        f"{name}:{domains}": {"name": name, "domains": domains, **settings}
        for domains in DOMAINS
        for name, settings in INTEGRATIONS.items()
    },
    "cellcharter": {"name": "cellcharter", "domains": OWN, "peer": "cellcharter"},
}
NAMES = [*INTEGRATIONS, "cellcharter"]
GROUPS = {
    "all": list(METHODS),
    "ours": [name for name, settings in METHODS.items() if "peer" not in settings],
    "peers": [name for name, settings in METHODS.items() if "peer" in settings],
    **{
        domains: [name for name, own in METHODS.items() if own["domains"] == domains and "peer" not in own]
        for domains in DOMAINS
    },
}
