"""Tests for spatially variable genes that are compared: `tl.spatial_genes`, closed forms, and other packages."""

from collections.abc import Mapping
from typing import Any

Settings = Mapping[str, Any]

OURS: dict[str, Settings] = {"covariance": {"verb": "spatial_genes", "autocorrelation": False}}
PLAIN: dict[str, Settings] = {"moran": {"plain": "moran"}, "sparkx": {"plain": "sparkx"}}
PEERS: dict[str, Settings] = {name: {"peer": name} for name in ("flashs", "hotspot", "squidpy")}
METHODS = {**OURS, **PLAIN, **PEERS}
GROUPS = {"all": list(METHODS), "ours": list(OURS), "plain": list(PLAIN), "peers": list(PEERS)}
