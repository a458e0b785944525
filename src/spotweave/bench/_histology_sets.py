"""Stained sections on which prediction of expression is measured, and which of them are held out together."""

import hashlib
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from .._encoders import get_encoder
from .._table import get_coords, get_counts, get_obs
from ._source import simulator_code

if TYPE_CHECKING:
    from anndata import AnnData

PATIENT, SECTION = "patient", "section"
"""Columns of ``obs`` of what is read."""
PICTURE = "_HE.jpg"
"""What the name of a section's picture ends with."""
ENCODER = "handcrafted"
"""The one without weights."""


@dataclass(frozen=True)
class Pictures:
    """Sections of one folder of the real data: ``<section>.h5ad`` with ``<section>_HE.jpg`` beside it.

    Files are named by a letter of the patient and a number.
    """

    folder: str
    patient: str = ""
    """Letter of the only patient to use; all when empty."""
    n_patients: int = 1
    """Least number of patients."""
    encoder: str = ENCODER
    weights: Path | None = None

    def sections(self, data: Path) -> list[str]:
        """Names of the sections that have both files."""
        found = sorted((data / self.folder).glob(f"{self.patient}*{PICTURE}"))
        names = [path.name.removesuffix(PICTURE) for path in found]
        return [name for name in names if (data / self.folder / f"{name}.h5ad").is_file()]

    def missing(self, data: Path) -> str | None:
        """Say why too few sections can be had; None when there are enough."""
        names = self.sections(data)
        if len(names) < 2 or len({name[0] for name in names}) < self.n_patients:
            wanted = "two sections" if self.n_patients == 1 else f"sections of {self.n_patients} patients"
            pairs = f"{self.patient}*.h5ad with {self.patient}*{PICTURE}"
            return f"no {wanted} ({pairs}) in {data / self.folder}"
        return None

    def locate(self, data: Path, cache: Path) -> Path:
        """Return the path of one table of all sections with features of their tiles, made in `cache` on first use."""
        folder, names = (data / self.folder).absolute(), self.sections(data)
        files = [folder / f"{name}{end}" for name in names for end in (".h5ad", PICTURE)]
        stamps = [[str(file), file.stat().st_size, file.stat().st_mtime_ns] for file in files]
        path = cache / f"{_name_of(stamps, self.encoder, self.weights)}.h5ad"
        if not path.exists():
            from ..io import write

            write(self._read(folder, names), path)
        return path

    def _read(self, folder: Path, names: list[str]) -> "AnnData":
        from anndata import concat

        from .. import io
        from ..pp import tile_features

        tables = [_plain(io.read(folder / f"{name}.h5ad", images=False), name) for name in names]
        # a table of ST lists the genes that have counts: an absent one has none, and counts of all genes stay the same
        adata = concat(tables, join="outer", fill_value=0)
        images = {name: folder / f"{name}{PICTURE}" for name in names}
        with warnings.catch_warnings():  # these pictures say no scale, and the table of results shows what was inferred
            warnings.filterwarnings("ignore", message=".* is inferred from the ")
            tile_features(adata, images, encoder=self.encoder, weights=self.weights, library_key=SECTION)
        return adata


@dataclass(frozen=True)
class Cohort:
    """Patients of `datasets.simulate_cohort` with these arguments."""

    options: Mapping[str, Any]
    encoder: str = ENCODER
    weights: Path | None = None

    def missing(self, data: Path) -> None:
        """It can always be had."""

    def locate(self, data: Path, cache: Path) -> Path:
        """Return the path of the cohort with features of its tiles, without pictures; simulated on first use."""
        path = cache / f"{_name_of(dict(self.options), self.encoder, self.weights, simulator_code())}.h5ad"
        if not path.exists():
            from ..datasets import simulate_cohort
            from ..io import write
            from ..pp import tile_features

            adata = simulate_cohort(**self.options)
            how: dict[str, Any] = {"encoder": self.encoder, "weights": self.weights, "cache_dir": None}
            tile_features(adata, library_key=SECTION, um_per_px=1.0, **how)
            del adata.uns["spatial"]
            write(adata, path)
        return path


@dataclass(frozen=True)
class StainedSet:
    """Sections with pictures and counts."""

    name: str
    source: Pictures | Cohort
    split: Literal["group", "section"]
    """What is held out: ``"group"`` a patient, ``"section"`` a section whose patient may be trained on."""
    family: str = ""
    """Sets of one family are summed up together."""

    @property
    def real(self) -> bool:
        """Whether the sections were measured."""
        return isinstance(self.source, Pictures)

    @property
    def title(self) -> str:
        """Name under which it is summed up."""
        return self.family or self.name


def _plain(table: "AnnData", name: str) -> "AnnData":
    """What counts of one file."""
    from anndata import AnnData

    patient = get_obs(table, PATIENT, name="patient").astype(str)
    obs = pd.DataFrame({PATIENT: patient, SECTION: name}, index=table.obs_names.astype(str))
    return AnnData(get_counts(table), obs=obs, var=table.var[[]], obsm={"spatial": get_coords(table)[:, :2]})


def _name_of(what: Any, encoder: str, weights: Path | None, code: bytes = b"") -> str:
    """Name that tells what a file was made of and by which encoder."""
    identity = get_encoder(encoder, weights=weights).identity
    return hashlib.sha256(json.dumps([what, identity], sort_keys=True).encode() + code).hexdigest()[:16]


_COHORT = {"n_patients": 4, "n_sections": 2, "n_obs": 250, "n_genes": 300}
_ALL = (
    StainedSet("her2st_sections", Pictures("her2st"), "section"),
    StainedSet("her2st_c_sections", Pictures("her2st", patient="C"), "section"),
    StainedSet("her2st_patients", Pictures("her2st", n_patients=2), "group"),
    *(StainedSet(f"cohort_{seed}", Cohort({**_COHORT, "rng": seed}), "group", "cohort") for seed in range(5)),
)
SETS = {item.name: item for item in _ALL}
GROUPS = {
    "all": list(SETS),
    "real": [name for name, item in SETS.items() if item.real],
    "simulated": [name for name, item in SETS.items() if not item.real],
}
