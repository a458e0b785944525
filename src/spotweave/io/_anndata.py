"""AnnData on disk: HDF5 files, zarr stores, and the tables in a SpatialData store."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import _keys as keys
from .._check import fail, listing
from ._files import check_file, contents, logger, one_error

if TYPE_CHECKING:
    from anndata import AnnData


def read_h5ad(path: Path, *, backed: bool) -> "AnnData":
    """Read an AnnData file; `backed` leaves ``X`` on disk."""
    import anndata
    import h5py

    check_file(path, "an AnnData file (.h5ad)")
    with one_error(f"an AnnData file (.h5ad) in {path}"):
        with h5py.File(path, "r") as file:
            _check_hdf5(file, path)
        adata = anndata.read_h5ad(path, backed="r" if backed else None)
    return _report_names(adata, path)


def _check_hdf5(file: Any, path: Path) -> None:
    if "matrix" in file and "barcodes" in file["matrix"]:
        remedy = "Pass the folder that also holds the positions (Visium: 'spatial/'; Xenium: 'cells.parquet')."
        raise fail(f"an AnnData file in {path}", "a 10x count matrix without positions", remedy)
    if not {"obs", "var"} <= set(file):
        remedy = "Pass an .h5ad file as written by anndata."
        raise fail(f"an AnnData file (groups 'obs' and 'var') in {path}", f"groups {listing(file)}", remedy)


def is_zarr(folder: Path) -> bool:
    """Whether the folder is a zarr group (version 2 or 3)."""
    return any((folder / name).is_file() for name in ("zarr.json", ".zgroup", ".zattrs", ".zmetadata"))


def is_spatialdata(folder: Path) -> bool:
    """Whether the zarr group is a SpatialData store: it holds tables and elements instead of ``obs`` and ``var``."""
    elements = ("tables", "table", "images", "labels", "points", "shapes")
    return not (folder / "obs").exists() and any((folder / name).is_dir() for name in elements)


def read_zarr(path: Path, *, table_key: str, backed: bool) -> "AnnData":
    """Read an AnnData store, or one table of a SpatialData store.

    `backed` leaves ``X`` and the layers on disk, and ``raw`` out.
    """
    if not is_zarr(path):
        remedy = "Copy it again, hidden files too."
        raise fail(f"a zarr store (zarr.json or .zgroup) in {path}", contents(path), remedy)
    store = _table_store(path, table_key) if is_spatialdata(path) else path
    if not ((store / "obs").exists() and (store / "var").exists()):
        remedy = "Pass a store written by anndata."
        raise fail(f"an AnnData zarr store ('obs' and 'var') in {store}", contents(store), remedy)
    with one_error(f"an AnnData zarr store in {store}"):
        import anndata

        adata = _read_lazily(store) if backed else anndata.read_zarr(store)
    if store != path and keys.SPATIAL not in adata.obsm:
        logger.warning(
            "table %r of %s has no obsm['spatial']: its coordinates are in the store's shapes; set obsm['spatial']"
            " (spatialdata.get_centroids) before tasks that need them",
            *(table_key, path),
        )
    return _report_names(adata, store)


def _table_store(path: Path, table_key: str) -> Path:
    folders = [path / "tables", path / "table"]  # 'table' in the first versions of SpatialData
    found = {p.name: p for folder in folders if folder.is_dir() for p in sorted(folder.iterdir()) if p.is_dir()}
    if table_key not in found:
        remedy = "Pass table_key=..." if found else "It has no table of counts."
        raise fail(f"table {table_key!r} in the SpatialData store {path}", f"tables {listing(found)}", remedy)
    return found[table_key]


def _read_lazily(store: Path) -> "AnnData":
    """Read everything but the matrices, which stay on disk and yield rows when sliced."""
    import zarr
    from anndata import AnnData
    from anndata.io import read_elem, sparse_dataset

    group = zarr.open_group(str(store), mode="r")
    lazy = lambda elem: sparse_dataset(elem) if isinstance(elem, zarr.Group) else elem
    small = {k: read_elem(group[k]) for k in ("obs", "var", "obsm", "varm", "obsp", "varp", "uns") if k in group}
    layers = {k: lazy(group[f"layers/{k}"]) for k in group["layers"]} if "layers" in group else {}
    return AnnData(X=lazy(group["X"]) if "X" in group else None, layers=layers, **small)


def _report_names(adata: "AnnData", path: Path) -> "AnnData":
    """Say in one line what anndata would warn about: names that occur twice."""
    for axis, names in (("obs_names", adata.obs_names), ("var_names", adata.var_names)):
        if not names.is_unique:
            twice = listing(names[names.duplicated()].unique(), most=3)
            logger.warning("%s of %s repeat %s: call adata.%s_make_unique()", axis, path, twice, axis)
    return adata
