"""Spatial Transcriptomics (the array before Visium): a table of counts, and the file of the spots under tissue."""

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .. import _keys as keys
from .._check import check_coords, fail, listing
from ._files import check_file, first_lines, logger, one_error, open_bytes

if TYPE_CHECKING:
    from anndata import AnnData

NUMBER = r"-?\d+(?:\.\d+)?"
SPOT = re.compile(rf"{NUMBER}x{NUMBER}")
SUFFIXES = (".tsv", ".tsv.gz", ".txt", ".txt.gz")


def read_st(counts: str | os.PathLike[str], *, spots: str | os.PathLike[str] | None = None) -> "AnnData":
    """Read a Spatial Transcriptomics count table.

    Parameters
    ----------
    counts
        Tab-separated table, plain or gzip: a row per spot, named ``XxY`` after its place on the array (``10x13``),
        a column per gene. The transposed table is recognised too.
    spots
        Spot selection file, tab-separated: ``x, y, new_x, new_y, pixel_x, pixel_y, selected``. Only spots with
        ``selected = 1`` are kept (all, without that column).

    Returns
    -------
    AnnData
        Spots x genes. ``X``: CSR float32. ``obs``: ``array_x``, ``array_y``. ``obsm["spatial"]`` ``[n, 2]``: pixels of
        the image where `spots` has them, else the place on the array (``new_x, new_y``, the corrected one, or ``x,
        y``).

    Raises
    ------
    InputError
        A file is missing, empty, damaged, holds text among the counts, or the two files have no spot in common.

    Examples
    --------
    >>> adata = spotweave.io.read_st("A1.tsv.gz", spots="A1_selection.tsv")  # doctest: +SKIP
    """
    path = check_file(counts, "an ST count table")
    table = _read_counts(path)
    array_xy = np.array([name.split("x") for name in table.index], dtype=np.float64)  # [n, 2]
    obs = pd.DataFrame(array_xy, index=table.index, columns=["array_x", "array_y"])
    if spots is None:
        return _to_anndata(table, obs, array_xy)
    rows, xy = _place(table.index, check_file(spots, "an ST spot selection file"), path)
    return _to_anndata(table.iloc[rows], obs.iloc[rows], xy)


def is_counts(path: Path) -> bool:
    """Whether the first two lines are those of an ST count table."""
    if not path.name.endswith(SUFFIXES) or path.stat().st_size == 0:
        return False
    head, first = (line.split("\t") for line in first_lines(path, 2))
    return bool(SPOT.fullmatch(first[0]) or (len(head) > 1 and SPOT.fullmatch(head[-1])))


def _read_counts(path: Path) -> pd.DataFrame:
    with one_error(f"a tab-separated count table in {path}"), open_bytes(path) as stream:
        table = pd.read_csv(stream, sep="\t", index_col=0, low_memory=False, dtype={0: str})
    _check_numbers(table, path)
    if len(table.columns) and all(SPOT.fullmatch(str(name)) for name in table.columns):
        logger.info("%s has genes in its rows: transposed", path)
        table = table.T
    odd = [name for name in table.index if not SPOT.fullmatch(str(name))]
    if odd or table.empty:
        remedy = "Pass the count table, and the selection file as spots=..."
        found = f"rows {listing(odd, most=3)}" if odd else f"a table of {len(table)} rows and {table.shape[1]} columns"
        raise fail(f"rows named by spot, such as '10x13', in {path}", found, remedy)
    if not table.index.is_unique:
        twice = listing(table.index[table.index.duplicated()], most=3)
        raise fail(f"each spot once in {path}", f"repeated {twice}", "Remove the repeated rows.")
    return table


def _check_numbers(table: pd.DataFrame, path: Path) -> None:
    """Raise at the first value that is no number, or is missing (a line cut short)."""
    for name in table.columns[[d.kind not in "iuf" for d in table.dtypes] | table.isna().any().to_numpy()]:
        bad = pd.to_numeric(table[name], errors="coerce").isna().to_numpy()
        if bad.any():
            row = int(np.flatnonzero(bad)[0])
            found = f"{str(table[name].iloc[row])!r} in row {table.index[row]!r}, column {name!r}"
            raise fail(f"a number for each spot and gene in {path}", found, "Mend this value, or copy the file again.")


def _place(names: pd.Index, path: Path, counts_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Pair the spots of the count table with the selection file: ``(rows, coordinates)``."""
    table = _read_spots(path)
    at = _row_of_spot(names, table)
    rows = np.flatnonzero(at >= 0)
    if rows.size == 0:
        found = f"none in common ({listing(names, most=2)} against {listing(_spot_names(table, 'x', 'y'), most=2)})"
        raise fail(f"the same spots in {counts_path} and {path}", found, "Do they belong to the same section?")
    columns = next(xy for xy in (["pixel_x", "pixel_y"], ["new_x", "new_y"], ["x", "y"]) if set(xy) <= set(table))
    with one_error(f"numbers in the columns {columns} of {path}", "Mend the file."):
        xy = table[columns].to_numpy(dtype=np.float64)[at[rows]]
    xy = check_coords(xy, str(path))
    if rows.size < max(len(names), len(table)):
        logger.warning(
            "%d of %d spots in %s are among the %d selected in %s: only these are kept",
            *(rows.size, len(names), counts_path, len(table), path),
        )
    return rows, xy


def _read_spots(path: Path) -> pd.DataFrame:
    # As text, because '10' and '10.0' name different rows of the count table.
    with one_error(f"a tab-separated spot selection file in {path}"), open_bytes(path) as stream:
        table = pd.read_csv(stream, sep="\t", dtype=str)
    if not {"x", "y"} <= set(table):
        raise fail(f"columns 'x' and 'y' in {path}", f"columns {listing(table.columns)}", "Pass the selection file.")
    if "selected" in table:
        table = table[pd.to_numeric(table["selected"], errors="coerce") == 1]
    if table.empty:
        raise fail(f"at least one spot with selected = 1 in {path}", "none", "Is this the right file?")
    if table.duplicated(["x", "y"]).any():
        twice = listing(_spot_names(table[table.duplicated(["x", "y"])], "x", "y"), most=3)
        raise fail(f"each spot once in {path}", f"repeated {twice}", "Remove the repeated rows.")
    return table


def _row_of_spot(names: pd.Index, table: pd.DataFrame) -> np.ndarray:
    """Row of the selection file for each name, -1 for none; older tables name spots by the corrected place."""
    for x, y in (("x", "y"), ("new_x", "new_y")):
        if {x, y} <= set(table):
            index = _spot_names(table, x, y)
            at = index.get_indexer(names) if index.is_unique else np.full(len(names), -1)
            if (at >= 0).any():
                return at
    return np.full(len(names), -1)


def _spot_names(table: pd.DataFrame, x: str, y: str) -> pd.Index:
    return pd.Index(table[x] + "x" + table[y])


def _to_anndata(table: pd.DataFrame, obs: pd.DataFrame, xy: np.ndarray) -> "AnnData":
    from anndata import AnnData

    X = sp.csr_matrix(table.to_numpy(dtype=np.float32))
    with one_error("a table of spots and genes"):  # repeated gene names, mended on the next line
        adata = AnnData(X, obs=obs, var=pd.DataFrame(index=table.columns.astype(str)))
        adata.var_names_make_unique()
    adata.obsm[keys.SPATIAL] = xy
    return adata
