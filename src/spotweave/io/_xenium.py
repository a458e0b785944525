"""10x Xenium: the output folder of Xenium Onboard Analysis, versions 1 to 4."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from .. import _keys as keys
from .._check import check_coords, fail, listing
from ._files import check_file, check_folder, contents, first_of, one_error, open_bytes
from ._tenx import TenX, match, read_tenx, to_anndata

if TYPE_CHECKING:
    from anndata import AnnData

MATRIX = ["cell_feature_matrix.h5", "cell_feature_matrix"]
CELLS = ["cells.parquet", "cells.csv.gz", "cells.csv"]
XY = ["x_centroid", "y_centroid"]
# Feature types that are no genes, and the column of the cell table that counts them.
CONTROLS = {
    "Negative Control Probe": "control_probe_counts",
    "Genomic Control": "genomic_control_counts",
    "Negative Control Codeword": "control_codeword_counts",
    "Unassigned Codeword": "unassigned_codeword_counts",
    "Blank Codeword": "unassigned_codeword_counts",  # its name in the first version
    "Deprecated Codeword": "deprecated_codeword_counts",
}


def read_xenium(folder: str | os.PathLike[str]) -> "AnnData":
    """Read the output folder of a Xenium run.

    Parameters
    ----------
    folder
        Holds ``cell_feature_matrix.h5`` (or the folder ``cell_feature_matrix/``) and ``cells.parquet`` (or
        ``cells.csv.gz``).

    Returns
    -------
    AnnData
        Cells x genes, named by ``cell_id``. ``X``: transcripts of quality >= 20, CSR float32, features of type "Gene
        Expression" only. ``obsm["spatial"]`` ``[n, 2]``: x and y of the cell's centroid in micrometres. ``obs``: the
        other columns of the cell table (areas, counts of controls and codewords); a count of controls that the table
        lacks is taken from the matrix.

    Raises
    ------
    InputError
        A file is missing, empty, damaged or odd, or matrix and cell table have no cell in common.

    Examples
    --------
    >>> adata = spotweave.io.read_xenium("output-XETG00000__0000000__Region_1")  # doctest: +SKIP
    """
    where = check_folder(folder, "a 10x Xenium folder")
    cells, cells_path = _read_cells(where)
    tenx = read_tenx(_find(where, MATRIX, "cell_feature_matrix.zarr.zip"))
    rows, places = match(tenx, cells.index, cells_path, what="cell_id")
    adata, table = to_anndata(tenx, rows), cells.iloc[places]
    adata.obsm[keys.SPATIAL] = check_coords(table[XY].to_numpy(), str(cells_path))
    adata.obs = table.drop(columns=XY).assign(**_controls(tenx, rows, table))
    return adata


def _find(folder: Path, names: list[str], unread: str) -> Path:
    found = first_of(folder, names)
    if found is None and (folder / unread).exists():
        remedy = "Copy it from the Xenium output; zipped zarr is not read."
        raise fail(f"{names[0]} in {folder}", f"only {unread}", remedy)
    if found is None:
        raise fail(f"one of {names} in {folder}", contents(folder), "Copy it from the Xenium output folder.")
    return found


def _read_cells(folder: Path) -> tuple[pd.DataFrame, Path]:
    path = check_file(_find(folder, CELLS, "cells.zarr.zip"), "the table of cells")
    with one_error(f"the table of cells in {path}"):
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        else:
            with open_bytes(path) as stream:
                table = pd.read_csv(stream, low_memory=False)
    missing = [name for name in ("cell_id", *XY) if name not in table]
    if missing:
        remedy = "Restore the file that Xenium wrote."
        raise fail(f"columns {missing} in {path}", f"columns {listing(table.columns)}", remedy)
    table = table.apply(_decoded)
    return table.set_index(pd.Index(table.pop("cell_id").astype(str).array)), path


def _decoded(column: pd.Series) -> pd.Series:
    """Turn bytes into text: some versions write text so to parquet."""
    return column.str.decode("utf-8") if len(column) and isinstance(column.iloc[0], bytes) else column


def _controls(tenx: TenX, rows: np.ndarray, table: pd.DataFrame) -> dict[str, np.ndarray]:
    """Count the control features of each cell, for the columns that the cell table lacks."""
    kinds = tenx.features["feature_types"].map(CONTROLS)
    wanted = [name for name in kinds.dropna().unique() if name not in table]
    sums = {name: tenx.X[:, np.flatnonzero(kinds == name)].sum(axis=1) for name in wanted}
    return {name: np.asarray(total).ravel()[rows].astype(np.int64) for name, total in sums.items()}
