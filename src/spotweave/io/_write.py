"""Write AnnData whole or not at all: beside the target under another name, then renamed."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from .._check import fail
from ._anndata import is_spatialdata, is_zarr
from ._files import contents, logger, one_error

if TYPE_CHECKING:
    from anndata import AnnData


def write(
    adata: "AnnData", path: str | os.PathLike[str], *, compression: Literal["gzip", "lzf"] | None = "gzip"
) -> None:
    """Write an AnnData object to ``.h5ad`` or ``.zarr``.

    The output appears whole or not at all: it is written to a temporary name in the same folder and renamed, so that
    a failure leaves neither a fragment nor a damaged older version. Replacing a file is atomic. Replacing a zarr
    store, which is a folder, takes two renames; what was there is put back if the second fails.

    Parameters
    ----------
    adata
        The object, in memory or backed. As anndata does, text columns of ``obs`` and ``var`` with repeated values
        become categorical.
    path
        Ends in ``.h5ad`` or ``.zarr``. An AnnData file or store that is there already is replaced.
    compression
        Of the arrays in ``.h5ad``; ``None`` writes faster and larger. Zarr compresses by its own default.

    Raises
    ------
    InputError
        Another ending, no such folder, something else at this place (a SpatialData store is never overwritten),
        or `adata` holds what the format cannot.

    Examples
    --------
    >>> spotweave.io.write(adata, "domains.h5ad")  # doctest: +SKIP
    """
    if not hasattr(adata, "obsm"):
        raise fail("an AnnData object to write", type(adata).__name__, "Pass the table: write(adata, path).")
    target = _check_target(Path(path).expanduser())
    beside = target.with_name(f".{target.stem}.{uuid4().hex[:8]}.tmp{target.suffix}")
    try:
        with one_error(f"an object that can be written to {target}", "Remove or convert that entry, or free the disk."):
            _write_to(beside, adata, compression)
            _replace(beside, target)
    finally:
        _remove(beside)
    logger.info("wrote %s", target)


def _check_target(target: Path) -> Path:
    if target.suffix not in {".h5ad", ".zarr"}:
        raise fail("a path that ends in .h5ad or .zarr", repr(str(target)), "Change the ending.")
    if not target.parent.is_dir():
        raise fail(f"a folder {target.parent} to write into", "none", "Make it first.")
    if not os.access(target.parent, os.W_OK):
        raise fail(f"a folder {target.parent} to write into", "no permission to write there", "Choose another.")
    if target.suffix == ".h5ad" and target.is_dir():
        raise fail(f"a file or nothing at {target}", "a folder", "Choose another name.")
    if target.suffix == ".zarr" and target.exists():
        _check_replaceable(target)
    return target


def _check_replaceable(target: Path) -> None:
    """Refuse to replace a folder that holds more than one AnnData: that would delete images or foreign files."""
    remedy = "Choose another name, or remove it yourself."
    if not target.is_dir():
        raise fail(f"an AnnData zarr store or nothing at {target}", "a file", remedy)
    if is_spatialdata(target):
        raise fail(f"an AnnData zarr store or nothing at {target}", "a SpatialData store", remedy)
    if any(target.iterdir()) and not is_zarr(target):
        raise fail(f"an AnnData zarr store or nothing at {target}", contents(target), remedy)


def _write_to(path: Path, adata: "AnnData", compression: Any) -> None:
    # The functions, not the methods: those would tie a backed object to the temporary name.
    from anndata.io import write_h5ad, write_zarr

    if path.suffix == ".h5ad":
        write_h5ad(path, adata, compression=compression)
    else:
        write_zarr(str(path), adata)


def _replace(new: Path, target: Path) -> None:
    if not target.is_dir():
        new.replace(target)
        return
    old = target.with_name(f"{new.stem}.old{target.suffix}")
    target.rename(old)
    try:
        new.rename(target)
    except BaseException:
        old.rename(target)
        raise
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
