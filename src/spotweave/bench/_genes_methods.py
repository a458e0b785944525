"""Embeddings of genes that are compared: `tl.gene_embedding`, without parts of it, and a plain rival."""

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

MAIN: dict[str, Settings] = {"smooth": {"method": "smooth"}, "mae": {"method": "mae"}}
ABLATIONS: dict[str, Settings] = {
    "mae-no-refine": {"method": "mae", "refine": False},
    "mae-no-contrast": {"method": "mae", "contrast": 0.0},
    "raw": {"plain": "raw"},
}
METHODS = {**MAIN, **ABLATIONS}
GROUPS = {"all": list(METHODS), "main": list(MAIN), "ablations": list(ABLATIONS)}


def trained(settings: Settings) -> bool:
    """Whether results on the same counts change with the seed by more than rounding."""
    return settings.get("method") == "mae"
