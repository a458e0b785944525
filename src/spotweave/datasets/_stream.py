"""A simulated tissue written to disk as it is drawn, for tables that do not fit in memory."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from .._check import check_choice, fail
from ._assemble import assemble, obs_part
from ._blocks import Plan, iter_blocks, make_plan
from ._params import TissueParams

if TYPE_CHECKING:
    import h5py
    import scipy.sparse as sp

HDF5_CHUNK = 1 << 18  # entries; 1 MB, read and unpacked as one piece


def simulate_to_disk(
    path: str | os.PathLike[str],
    n_obs: int = 1_000_000,
    *,
    resolution: Literal["spot", "cell"] = "cell",
    compression: Literal["gzip", "lzf"] | None = "gzip",
    rng: int | np.random.Generator = 0,
    **options: Any,
) -> Path:
    """Simulate a tissue straight into an ``.h5ad`` file, in bounded memory.

    Memory holds one block of counts (2 million entries) and the table of observations (about 200 bytes each).
    With the same arguments and seed the file holds what :func:`simulate_tissue` returns, to the bit. It appears under
    `path` when it is complete; a run that fails leaves nothing behind.

    Parameters
    ----------
    path
        File to write, ``*.h5ad``; one that exists is replaced.
    n_obs, resolution, rng
        As in :func:`simulate_tissue`.
    compression
        ``"gzip"`` (smallest; for every HDF5 reader), ``"lzf"`` (fastest; for h5py, hence anndata) or ``None``.
    **options
        Further arguments of :func:`simulate_tissue`, ``rates`` and ``image`` excepted.

    Returns
    -------
    Path of the file.

    Raises
    ------
    InputError
        When an argument is out of range or unknown, the name does not end in ``.h5ad``, or its folder does not exist.
    """
    path = Path(path)
    check_choice(compression, ("gzip", "lzf", None), "compression")
    _check_path(path)
    params = _make_params(n_obs=n_obs, resolution=resolution, **options)
    plan_rng, block_rng, _ = np.random.default_rng(rng).spawn(3)
    with _whole_or_nothing(path) as partial:
        _write(partial, make_plan(params, plan_rng), block_rng, compression)
    return path


def _check_path(path: Path) -> None:
    if path.suffix != ".h5ad":
        raise fail("a file name that ends in .h5ad", f"'{path.name}'")
    if not path.absolute().parent.is_dir():
        raise fail(f"the folder {path.absolute().parent}", "none of that name", "Create it first.")


def _make_params(**values: Any) -> TissueParams:
    known = {field.name for field in fields(TissueParams)}
    unknown = sorted(set(values) - known)
    if unknown:
        raise fail(f"arguments out of {sorted(known)}", f"{unknown}")
    return TissueParams(**values)


@contextmanager
def _whole_or_nothing(path: Path) -> Iterator[Path]:
    """Hand out a name beside `path`, which becomes `path` at the end and vanishes on an error."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _write(path: Path, plan: Plan, rng: np.random.Generator, compression: str | None) -> None:
    """Write counts block by block, then the rest, by anndata's own writer for each element."""
    import h5py
    from anndata.io import write_elem

    with h5py.File(path, "w") as file:
        matrix, parts = _CsrWriter(file, plan.params.n_genes, compression), []
        for block in iter_blocks(plan, rng):
            matrix.append(block.counts)
            parts.append(obs_part(plan, block))
        matrix.close()
        for key, element in assemble(plan, parts).items():
            write_elem(file, key, element)
        for key in ("layers", "obsp", "varm", "varp"):
            write_elem(file, key, {})
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})


class _CsrWriter:
    """Group ``X`` in anndata's encoding of a CSR matrix (csr_matrix 0.1.0), to which rows are appended."""

    def __init__(self, file: "h5py.File", n_genes: int, compression: str | None) -> None:
        self.group, self.n_genes, self.ends = file.create_group("X"), n_genes, [np.zeros(1, dtype=np.int64)]
        options: dict[str, Any] = {
            "shape": (0,),
            "maxshape": (None,),
            "chunks": (HDF5_CHUNK,),
            "compression": compression,
        }
        if compression == "gzip":
            options["compression_opts"] = 1  # higher levels take twice the time for a few per cent
        if compression is not None:
            options["shuffle"] = True  # bytes of like weight side by side pack tighter
        self.data = self.group.create_dataset("data", dtype=np.float32, **options)
        self.indices = self.group.create_dataset("indices", dtype=np.int32, **options)

    def append(self, counts: "sp.csr_matrix") -> None:
        start = self.data.shape[0]
        for dataset, values in ((self.data, counts.data), (self.indices, counts.indices)):
            dataset.resize((start + counts.nnz,))
            dataset[start:] = values
        self.ends.append(counts.indptr[1:].astype(np.int64) + start)

    def close(self) -> None:
        ends = np.concatenate(self.ends)
        self.group.create_dataset("indptr", data=ends)
        shape = np.array([len(ends) - 1, self.n_genes])
        self.group.attrs.update({"encoding-type": "csr_matrix", "encoding-version": "0.1.0", "shape": shape})
