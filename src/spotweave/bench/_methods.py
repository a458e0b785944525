"""Methods that are compared: keyword arguments of `tl.domains`."""

from collections.abc import Mapping
from typing import Any

METHODS: dict[str, Mapping[str, Any]] = {
    "smooth": {"method": "smooth"},
    "rrr": {"method": "rrr"},
    "fusion": {"method": "fusion"},
    # what single parts are worth
    "smooth-vote": {"method": "smooth", "refine": True},
    "no-space": {"method": "smooth", "n_hops": 0},
    "fusion-no-network": {"method": "fusion", "n_networks": 0},
}
GROUPS = {"all": list(METHODS), "main": ["smooth", "rrr", "fusion"]}
RIVAL = "smooth"
"""The training-free method that the others are measured against."""
