"""Tissues of several slices, on which integration is measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .._table import get_coords, get_counts
from ._sets import Truth
from ._source import Files, SimulatedFile

if TYPE_CHECKING:
    from anndata import AnnData

SLICE, TRUTH = "slice", "truth"
"""Columns of ``obs`` of what is read."""


@dataclass(frozen=True)
class SliceSet:
    """Slices of one tissue, or of like ones."""

    name: str
    source: Files | SimulatedFile
    """Files of one slice each, named after it, or one file with the column ``slice``."""
    n_domains: int
    """Told to the methods: how many labels there are on all slices."""
    truth: Truth | None = None
    """Known labels, on some slices at least."""
    absent: tuple[str, str] | None = None
    """Slice and the label whose rows are left out there."""

    @property
    def real(self) -> bool:
        """Whether the tissue was measured."""
        return isinstance(self.source, Files)

    def read(self, path: Path) -> "AnnData":
        """Read counts of the genes that all slices have, places, slices and labels (missing where unknown).

        `path` is the folder of several files, or the file.
        """
        from .. import io

        names = self.source.names if isinstance(self.source, Files) else ("",)
        tables = [io.read(path / name, images=False) for name in names]
        slices = [Path(name).stem for name in names] if len(names) > 1 else [None]
        adata = joined([self._plain(table, own) for table, own in zip(tables, slices, strict=True)])
        if "simulation" in tables[0].uns:
            adata.uns["simulation"] = tables[0].uns["simulation"]
        if self.absent is None:
            return adata
        where, label = self.absent
        return adata[~((adata.obs[SLICE] == where) & (adata.obs[TRUTH] == label)).to_numpy()].copy()

    def _plain(self, table: "AnnData", name: str | None) -> "AnnData":
        """What counts of one file; `name` of its slice, None when the file says."""
        from anndata import AnnData

        known = self.truth is not None and self.truth.column in table.obs
        truth = self.truth.of(table) if self.truth is not None and known else pd.Series(np.nan, table.obs_names, object)
        slices = table.obs[SLICE].astype(str).to_numpy() if name is None else np.full(table.n_obs, name)
        obs = pd.DataFrame({SLICE: slices, TRUTH: truth.to_numpy(object)}, index=table.obs_names.astype(str))
        return AnnData(get_counts(table), obs=obs, var=table.var[[]], obsm={"spatial": get_coords(table)[:, :2]})


def joined(tables: Sequence["AnnData"]) -> "AnnData":
    """Put slices below each other, on the genes that all of them have, with names of rows of their own."""
    from anndata import concat

    return tables[0] if len(tables) == 1 else concat(tables, join="inner", index_unique="-")


def _measured(name: str, n_domains: int, column: str | None, *files: str, unknown: tuple[str, ...] = ()) -> SliceSet:
    truth = None if column is None else Truth(column, unknown=unknown)
    return SliceSet(name, Files(files), n_domains, truth)


def _dlpfc(name: str, *sections: str) -> SliceSet:
    return _measured(name, 7, "layer", *(f"dlpfc_{section}/dlpfc_{section}.h5ad" for section in sections))


def _her2st(patient: str, n_domains: int) -> SliceSet:
    files = (f"her2st/{patient}{i}.h5ad" for i in range(1, 7))
    return _measured(f"her2st_{patient.lower()}", n_domains, "label", *files, unknown=("undetermined",))


# Domains can be told apart on a slice by itself, but not all of them; the batch effect is as strong as they are.
_SPOTS = {
    "n_obs": 3_000, "n_slices": 3, "n_genes": 800, "library_size": 1_500.0, "signal": 0.3, "batch_effect": 0.5,
}  # fmt: skip


def _simulated(name: str, absent: tuple[str, str] | None = None, **options: Any) -> SliceSet:
    source = SimulatedFile({**_SPOTS, "resolution": "spot", **options})
    return SliceSet(name, source, options["n_domains"], Truth("domain_true"), absent)


_ALL = (
    _dlpfc("dlpfc_pair", "151673", "151674"),
    _dlpfc("dlpfc_donors", "151673", "151510"),
    _her2st("B", 4),
    _her2st("C", 3),
    _measured("molcart", 8, None, "molcart_mouse_cortex/molcart_mouse_cortex.h5ad"),
    _simulated("sim_layers", layout="layers", n_domains=6, rng=41),
    _simulated("sim_blobs", layout="blobs", n_domains=5, rng=42),
    _simulated("sim_missing_domain", ("slice_2", "domain_6"), layout="layers", n_domains=6, rng=43),
)
SETS = {item.name: item for item in _ALL}
GROUPS = {
    "all": list(SETS),
    "real": [name for name, item in SETS.items() if item.real],
    "simulated": [name for name, item in SETS.items() if not item.real],
    "labelled": [name for name, item in SETS.items() if item.truth is not None],
}
