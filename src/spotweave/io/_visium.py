"""10x Visium: Space Ranger's ``outs`` folder, versions 1 to 4."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from .. import _keys as keys
from .._check import check_coords, fail, listing
from ._files import DAMAGED, check_file, check_folder, contents, first_lines, first_of, logger, one_error, open_bytes
from ._tenx import TenX, match, read_tenx, to_anndata

if TYPE_CHECKING:
    from anndata import AnnData

POSITIONS = ["tissue_positions.csv", "tissue_positions_list.csv", "tissue_positions.parquet"]
POSITIONS += [f"{name}.gz" for name in POSITIONS[:2]]
COLUMNS = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"]
GENERIC = re.compile(r"outs|binned_outputs|square_\d+um|")


def read_visium(folder: str | os.PathLike[str], *, images: bool = True) -> "AnnData":
    """Read the output folder of Space Ranger (10x Visium).

    Parameters
    ----------
    folder
        Space Ranger's ``outs``: holds ``spatial/`` with ``tissue_positions_list.csv`` (version 1, no header) or
        ``tissue_positions.csv`` / ``.parquet`` (since version 2), and ``filtered_feature_bc_matrix.h5`` or the
        folder ``filtered_feature_bc_matrix/``. A name before ``filtered_...`` is allowed; without a filtered matrix
        the raw one is read.
    images
        Read ``tissue_hires_image.png`` and ``tissue_lowres_image.png`` where they exist.

    Returns
    -------
    AnnData
        Spots under tissue x genes. ``X``: counts, CSR float32. ``obs``: ``in_tissue``, ``array_row``, ``array_col``.
        ``obsm["spatial"]`` ``[n, 2]``: x = column, y = row, in pixels of the full-resolution image.
        ``var``: ``gene_ids``, ``feature_types``, unique names. ``uns["spatial"][library_id]``: ``images`` (``hires``,
        ``lowres``, uint8), ``scalefactors`` and ``metadata``, laid out as scanpy and squidpy do.

    Raises
    ------
    InputError
        A file is missing, empty, damaged or odd, or matrix and positions have no barcode in common.

    Examples
    --------
    >>> adata = spotweave.io.read_visium("sample/outs")  # doctest: +SKIP
    """
    return read_spots(check_folder(folder, "a 10x Visium folder"), images=images)


def read_spots(folder: Path, *, images: bool, image_folders: Sequence[Path] = ()) -> "AnnData":
    """Read matrix, positions and images; images are looked for in ``spatial/``, then in `image_folders`."""
    positions, positions_path = read_positions(folder / "spatial")
    tenx = read_tenx(find_matrix(folder))
    in_tissue = (positions["in_tissue"] == 1).to_numpy()
    rows, places = match(tenx, positions.index, positions_path, what="barcode", filled=in_tissue)
    under = in_tissue[places]
    if not under.any():
        remedy = "Is this the right file?"
        raise fail(f"spots under tissue (in_tissue = 1) in {positions_path}", "none with counts", remedy)
    adata, placed = to_anndata(tenx, rows[under]), positions.iloc[places[under]]
    adata.obs = placed[COLUMNS[1:4]].astype(np.int64)
    xy = placed[["pxl_col_in_fullres", "pxl_row_in_fullres"]]  # x runs along columns, y along rows
    adata.obsm[keys.SPATIAL] = check_coords(xy.to_numpy(), str(positions_path))
    adata.uns[keys.SPATIAL] = {
        _library_id(tenx, folder): _pictures([folder / "spatial", *image_folders], tenx, images=images)
    }
    return adata


def find_matrix(folder: Path) -> Path:
    """Find the count matrix: filtered before raw, HDF5 before Matrix Market."""
    for kind in ("filtered", "raw"):
        name = f"{kind}_feature_bc_matrix"
        found = [folder / f"{name}.h5"] if (folder / f"{name}.h5").exists() else sorted(folder.glob(f"*{name}.h5"))
        if len(found) > 1:
            names = listing(p.name for p in found)
            raise fail(f"one count matrix in {folder}", names, "Keep one sample in each folder.")
        if found:
            return found[0]
        if (folder / name).is_dir():
            return folder / name
    remedy = "Copy the matrix from Space Ranger's outs folder."
    raise fail(f"filtered_feature_bc_matrix.h5 (or the folder of that name) in {folder}", contents(folder), remedy)


def read_positions(spatial: Path) -> tuple[pd.DataFrame, Path]:
    """Read the table of spots, indexed by barcode, whichever version wrote it."""
    path = first_of(spatial, POSITIONS)
    if path is None:
        found = contents(spatial) if spatial.is_dir() else "no such folder"
        remedy = "Copy the whole folder 'spatial' from Space Ranger's outs folder."
        raise fail(f"the positions of the spots, one of {POSITIONS[:3]}, in {spatial}", found, remedy)
    check_file(path, "the positions of the spots")
    table = _read_parquet(path) if path.suffix == ".parquet" else _read_csv(path)
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise fail(f"columns {COLUMNS} in {path}", f"no {missing}", "Restore the file that Space Ranger wrote.")
    numbers = table[COLUMNS[1:]].apply(pd.to_numeric, errors="coerce")
    bad = numbers.isna().to_numpy().any(axis=1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise fail(
            f"numbers for every spot in {path}",
            f"row {row + 1}: {','.join(map(str, table.iloc[row]))}",
            "Mend this row.",
        )
    return numbers.set_index(pd.Index(table["barcode"].astype(str).array)), path


def _read_parquet(path: Path) -> pd.DataFrame:
    with one_error(f"the positions of the spots (parquet) in {path}"):
        return pd.read_parquet(path)


def _read_csv(path: Path) -> pd.DataFrame:
    """Read with or without a header: version 1 has none, and the content tells, not the name."""
    has_header = first_lines(path)[0].split(",")[0].strip('" ').lower() == "barcode"
    with one_error(f"the positions of the spots (csv) in {path}"), open_bytes(path) as stream:
        if has_header:
            return pd.read_csv(stream, dtype={"barcode": str})
        return pd.read_csv(stream, header=None, names=COLUMNS, index_col=False, dtype={"barcode": str})


def _library_id(tenx: TenX, folder: Path) -> str:
    """Name the library as Space Ranger does, else after the folder; '/' cannot stand in an HDF5 key."""
    named = [p.name for p in (folder.resolve(), *folder.resolve().parents) if not GENERIC.fullmatch(p.name)]
    return str(tenx.attrs.get("library_ids", named[0] if named else "library")).replace("/", "_")


def _pictures(folders: Sequence[Path], tenx: TenX, *, images: bool) -> dict[str, Any]:
    """Build ``uns["spatial"][library_id]``."""
    scales, path = _scalefactors(folders, required=images)
    pictures = _images(folders) if images else {}
    for size in pictures:
        if f"tissue_{size}_scalef" not in scales:
            remedy = "Pass images=False to do without."
            raise fail(f"tissue_{size}_scalef in {path}", f"fields {listing(scales)}", remedy)
    metadata = {k: str(tenx.attrs[k]) for k in ("chemistry_description", "software_version") if k in tenx.attrs}
    return {"images": pictures, "scalefactors": scales, "metadata": metadata}


def _scalefactors(folders: Sequence[Path], *, required: bool) -> tuple[dict[str, float], Path]:
    name = "scalefactors_json.json"
    path = next((found for folder in folders if (found := first_of(folder, [name]))), None)
    if path is None and not required:
        return {}, folders[0]
    path = check_file(path or folders[0] / name, "the scale factors of the images (or pass images=False)")
    with one_error(f"scale factors (JSON) in {path}"):
        scales = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(scales, dict):
            raise fail(f"named scale factors (JSON) in {path}", f"a {type(scales).__name__}", DAMAGED)
        return {str(k): float(v) for k, v in scales.items()}, path


def _images(folders: Sequence[Path]) -> dict[str, np.ndarray]:
    pictures = {}
    for size in ("hires", "lowres"):
        name = f"tissue_{size}_image.png"
        path = next((found for folder in folders if (found := first_of(folder, [name]))), None)
        if path is None:
            logger.warning("no image %s in %s: read without it", name, folders[0])
        else:
            pictures[size] = _image(path)
    return pictures


def _image(path: Path) -> np.ndarray:
    from PIL import Image

    check_file(path, "a tissue image")
    with one_error(f"a tissue image in {path}", "Copy it again, or pass images=False."), Image.open(path) as image:
        return np.asarray(image if image.mode in {"RGB", "RGBA", "L", "I;16"} else image.convert("RGB"))
