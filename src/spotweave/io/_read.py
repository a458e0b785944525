"""One reader for every format: the content of the path tells which."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._check import InputError, fail, listing
from .._table import get_table
from . import _st
from ._anndata import is_zarr, read_h5ad, read_zarr
from ._files import HDF5, ZIP, check_file, check_path, contents, logger, magic, names_in
from ._st import read_st
from ._visium import read_visium
from ._visium_hd import SQUARE, read_visium_hd, squares
from ._xenium import CELLS, MATRIX, read_xenium

if TYPE_CHECKING:
    from anndata import AnnData

KNOWN = "an .h5ad file, a .zarr store, a Visium, Visium HD or Xenium folder, or an ST count table (.tsv)"


def read(
    path: Any,
    *,
    table_key: str = "table",
    backed: bool = False,
    bin_um: int = 8,
    images: bool = True,
    spots: str | os.PathLike[str] | None = None,
) -> "AnnData":
    """Read spatial data of any supported format, recognised by its content.

    Parameters
    ----------
    path
        One of: an ``.h5ad`` file; a ``.zarr`` store of AnnData or SpatialData; a folder of 10x Visium, Visium HD or
        Xenium; an ST count table (``.tsv``, ``.tsv.gz``) or a folder with one. Also an AnnData or SpatialData object
        in memory, whose table is returned.
    table_key
        Which table of a SpatialData store or object.
    backed
        Leave the matrix on disk (``.h5ad``: ``X``; ``.zarr``: ``X`` and layers).
    bin_um
        Visium HD: side of the squares in micrometres.
    images
        Visium and Visium HD: read the tissue images.
    spots
        ST: the spot selection file. Without it, ``<name>_selection.tsv`` is taken, beside the counts or in
        ``../ST-spotfiles``, where there is one.

    Returns
    -------
    AnnData
        Cells, spots or squares x genes, with coordinates in ``obsm["spatial"]`` (``[n, 2]``, x and y; full-resolution
        pixels for Visium, micrometres for Xenium, as stored for the rest).

    Raises
    ------
    InputError
        Nothing is there, nothing known is there, or a file of it is missing, empty, damaged or odd. The message
        names the file.

    Examples
    --------
    >>> adata = spotweave.io.read("sample/outs")  # doctest: +SKIP
    """
    if not isinstance(path, str | os.PathLike):
        return get_table(path, table_key)
    where = check_path(path, "spatial data")
    kind, where = _recognise(where)
    if backed and kind not in {"h5ad", "zarr"}:
        raise fail("an .h5ad file or a .zarr store with backed=True", f"{where} ({kind})", "Leave backed=True out.")
    if spots is not None and kind != "st":
        raise fail("an ST count table with spots=...", f"{where} ({kind})", "Leave spots=... out.")
    readers = {
        "h5ad": lambda: read_h5ad(where, backed=backed),
        "zarr": lambda: read_zarr(where, table_key=table_key, backed=backed),
        "visium": lambda: read_visium(where, images=images),
        "visium_hd": lambda: read_visium_hd(where, bin_um=bin_um, images=images),
        "xenium": lambda: read_xenium(where),
        "st": lambda: read_st(where, spots=spots or _selection_of(where)),
    }
    adata = readers[kind]()
    logger.info("read %s (%s): %d x %d", where, kind, adata.n_obs, adata.n_vars)
    return adata


def _recognise(path: Path) -> tuple[str, Path]:
    """Tell the format, and the file or folder that its reader takes."""
    return _recognise_folder(path) if path.is_dir() else (_recognise_file(path), path)


def _recognise_file(path: Path) -> str:
    check_file(path, "spatial data")
    start = magic(path)
    if start == HDF5:
        return "h5ad"
    if path.suffix in {".h5ad", ".h5"}:
        remedy = "The file is damaged or has the wrong ending: copy it again."
        raise fail(f"an HDF5 file in {path}, as its ending says", f"a file that begins with {start!r}", remedy)
    if start.startswith(ZIP):
        raise fail(f"{KNOWN} at {path}", "a zip archive", "Unpack it and pass the folder.")
    if _st.is_counts(path):
        return "st"
    raise fail(f"{KNOWN} at {path}", "a file of another kind", "Convert it to .h5ad (see anndata.io).")


def _recognise_folder(path: Path) -> tuple[str, Path]:
    names = set(names_in(path))
    if is_zarr(path) or path.suffix == ".zarr":
        return "zarr", path
    if "binned_outputs" in names or squares(path) or (SQUARE.fullmatch(path.resolve().name) and "spatial" in names):
        return "visium_hd", path
    if names & {"experiment.xenium", *MATRIX, *CELLS, "cell_feature_matrix.zarr.zip"}:
        return "xenium", path
    if "spatial" in names or any("feature_bc_matrix" in name for name in names):
        return "visium", path
    if (path / "outs").is_dir():
        return _recognise_folder(path / "outs")
    return "st", _one_table(path)


def _one_table(folder: Path) -> Path:
    """Return the ST count table of a folder that is no other format."""
    tables = [folder / name for name in names_in(folder) if _is_table(folder / name)]
    if not tables:
        remedy = "Pass the sample's own folder (for Space Ranger, outs)."
        raise fail(f"{KNOWN} at {folder}", contents(folder), remedy)
    if len(tables) > 1:
        raise fail(f"one ST count table in {folder}", listing(p.name for p in tables), "Pass the path of one.")
    return tables[0]


def _is_table(path: Path) -> bool:
    try:
        return path.is_file() and _st.is_counts(path)
    except InputError:  # not text: some other file
        return False


def _selection_of(counts: Path) -> Path | None:
    """Find the spot selection file by its customary name and place."""
    name = f"{counts.name.split('.')[0]}_selection.tsv"
    folders = (counts.parent, counts.parent.parent / "ST-spotfiles")
    found = next((p for folder in folders for p in (folder / name, folder / f"{name}.gz") if p.is_file()), None)
    if found:
        logger.info("spots under tissue: %s", found)
    return found
