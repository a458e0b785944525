"""Tissues on which tests for spatially variable genes are compared: drawn anew for each seed, or measured."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._source import RealFile, simulator_code
from ._task import Source


@dataclass(frozen=True)
class Drawn:
    """No file: `datasets.simulate_patterns` draws the counts of each seed."""

    def missing(self, data: Path) -> None:
        """It can always be had."""

    def locate(self, data: Path, cache: Path) -> Path:
        """Return a path that nobody opens."""
        return cache


@dataclass(frozen=True)
class PatternFile:
    """Counts of `datasets.simulate_patterns` with these arguments, in a file: too large to be drawn in each run."""

    options: Mapping[str, Any]

    def missing(self, data: Path) -> None:
        """It can always be had."""

    def locate(self, data: Path, cache: Path) -> Path:
        """Return the path of the file in `cache`, simulated on first use; its name tells arguments and code."""
        text = json.dumps({"patterns": dict(self.options)}, sort_keys=True).encode()
        path = cache / f"{hashlib.sha256(text + simulator_code()).hexdigest()[:16]}.h5ad"
        if not path.exists():
            from ..datasets import simulate_patterns
            from ..io import write

            write(simulate_patterns(**self.options), path)
        return path


@dataclass(frozen=True)
class GeneSet:
    """A tissue, with what is known of its genes."""

    name: str
    source: Source
    drawn: Mapping[str, Any] | None = None
    """Arguments of `datasets.simulate_patterns` but for the seed."""
    labels: str | None = None
    """Column of ``obs`` with the regions of a measured tissue."""

    @property
    def real(self) -> bool:
        """Whether the tissue was measured."""
        return isinstance(self.source, RealFile)


# 500 genes with a pattern of 0.1 to 0.5 standard deviations of log expression, 500 without
_SMALL = {"n_obs": 3_600, "n_genes": 1_000, "n_modules": 20, "share_spatial": 0.5}
_WIDE = {"n_obs": 3_600, "n_genes": 18_000, "n_modules": 30, "share_spatial": 0.2, "library_size": 5_000.0, "rng": 0}


def _drawn(name: str, **options: Any) -> GeneSet:
    return GeneSet(name, Drawn(), {**_SMALL, **options})


def _real(name: str, labels: str) -> GeneSet:
    return GeneSet(name, RealFile(f"{name}/{name}.h5ad"), labels=labels)


_ALL = (
    _drawn("sim_bumps", pattern="bumps"),
    _drawn("sim_layers", pattern="layers"),
    _drawn("sim_niches", pattern="niches"),
    _drawn("sim_depth", pattern="mixed", depth_pattern=0.5),
    _real("st_mob_rep11", "annot"),
    _real("dlpfc_151673", "layer"),
    _real("starmap_visual_cortex_1207", "label"),
    GeneSet("sim_genome", PatternFile({**_WIDE, "pattern": "mixed"})),
)
SETS = {item.name: item for item in _ALL}
GROUPS = {
    "all": list(SETS),
    "simulated": [name for name, item in SETS.items() if item.drawn is not None],
    "real": [name for name, item in SETS.items() if item.real],
    "scaling": ["sim_genome"],
}
