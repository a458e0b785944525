"""Methods that are compared: keyword arguments of `tl.domains`."""

from collections.abc import Mapping
from typing import Any

METHODS: dict[str, Mapping[str, Any]] = {
    "smooth": {"method": "smooth"},
    "rrr": {"method": "rrr"},
    "fusion": {"method": "fusion"},
    "gmm_vgae": {"method": "gmm_vgae"},
    # what single parts are worth
    "smooth-vote": {"method": "smooth", "refine": True},
    "no-space": {"method": "smooth", "n_hops": 0},
    "fusion-no-network": {"method": "fusion", "n_networks": 0},
    "fusion-network-only": {"method": "fusion", "n_networks": 3, "closed_form": False, "min_rows": 0},
    "fusion-published-contrast": {"method": "fusion", "contrast": "corrupted"},
    "fusion-one-view": {"method": "fusion", "use_features": False},
    "fusion-no-sharpening": {"method": "fusion", "n_rounds": 0},
    "fusion-no-potts": {"method": "fusion", "strength": 0.0},
    "fusion-one-fit": {"method": "fusion", "n_keep": 1},
}
GROUPS = {"all": list(METHODS), "main": ["smooth", "rrr", "fusion"]}
RIVAL = "smooth"
"""The training-free method that the others are measured against."""
