"""10x Genomics count matrices, HDF5 (Cell Ranger 2 and 3 layouts) or Matrix Market folder, as cells x features.

Layouts: "HDF5 Feature-Barcode Matrix Format" and "Feature-Barcode Matrices" in 10x Genomics' documentation of
Cell Ranger 2.1 and 3.0 and of Space Ranger.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._check import fail, listing
from ._files import DAMAGED, check_file, contents, first_of, logger, one_error, open_bytes

if TYPE_CHECKING:
    import h5py
    from anndata import AnnData

GENE = "Gene Expression"


class TenX(NamedTuple):
    """A count matrix as it lies on disk."""

    path: Path
    X: sp.csr_matrix  # [cells, features] float32
    barcodes: pd.Index
    features: pd.DataFrame  # index: names; gene_ids, feature_types, genome
    attrs: dict[str, Any]  # library_ids, chemistry_description, software_version, where the file has them


def read_tenx(path: Path) -> TenX:
    """Read an ``.h5`` file or a folder with ``matrix.mtx``, barcodes and features."""
    tenx = _read_mtx(path) if path.is_dir() else _read_h5(path)
    _check_shapes(tenx)
    return tenx


def _read_h5(path: Path) -> TenX:
    import h5py

    check_file(path, "a 10x count matrix (HDF5)")
    with one_error(f"a 10x count matrix (HDF5) in {path}"), h5py.File(path, "r") as file:
        group = _matrix_group(file, path)
        barcodes = pd.Index(_text(group["barcodes"]))
        features = _features_v3(group["features"]) if "features" in group else _features_v2(group)
        X = _csr(group, path)
        return TenX(path, X, barcodes, features, {k: _scalar(v) for k, v in file.attrs.items()})


def _matrix_group(file: "h5py.File", path: Path) -> "h5py.Group":
    """Find the matrix: ``/matrix`` since Cell Ranger 3, one group per genome before."""
    if "matrix" in file:
        return file["matrix"]
    genomes = [name for name, group in file.items() if "gene_names" in group and "barcodes" in group]
    if len(genomes) != 1:
        found = f"{len(genomes)} genomes {genomes}" if genomes else f"groups {listing(file)}"
        remedy = "Pass the matrix file of one sample as 10x software wrote it."
        raise fail(f"one 10x count matrix (group 'matrix', or one genome) in {path}", found, remedy)
    return file[genomes[0]]


def _features_v3(group: "h5py.Group") -> pd.DataFrame:
    columns = {"gene_ids": _text(group["id"])}
    columns["feature_types"] = _text(group["feature_type"])
    if "genome" in group:
        columns["genome"] = _text(group["genome"])
    return pd.DataFrame(columns, index=_text(group["name"]))


def _features_v2(group: "h5py.Group") -> pd.DataFrame:
    genes = _text(group["genes"])
    types = np.full(len(genes), GENE, dtype=object)
    return pd.DataFrame({"gene_ids": genes, "feature_types": types}, index=_text(group["gene_names"]))


def _text(dataset: "h5py.Dataset") -> np.ndarray:
    return np.array([v.decode() if isinstance(v, bytes) else str(v) for v in dataset[:]], dtype=object)


def _scalar(value: Any) -> Any:
    """Unwrap an HDF5 attribute: text instead of bytes, the element instead of an array of one."""
    value = value.ravel()[0] if isinstance(value, np.ndarray) and value.size else value
    return value.decode() if isinstance(value, bytes) else value


def _csr(group: "h5py.Group", path: Path) -> sp.csr_matrix:
    """Turn features x cells by column, as stored, into cells x features by row: the same three arrays."""
    if group["data"].dtype.kind not in "iuf":
        raise fail(f"counts (numbers) in {path}", f"values of type {group['data'].dtype}", DAMAGED)
    n_features, n_cells = (int(n) for n in group["shape"][:])
    # Converted while read: a 2 um Visium HD matrix should not be held in memory twice.
    data, indices = group["data"].astype(np.float32)[:], group["indices"].astype(np.int32)[:]
    X = sp.csr_matrix((data, indices, group["indptr"][:]), shape=(n_cells, n_features))
    X.check_format(full_check=True)
    return X


def _read_mtx(folder: Path) -> TenX:
    from scipy.io import mmread

    matrix = _part(folder, ["matrix.mtx.gz", "matrix.mtx"])
    with one_error(f"a Matrix Market count matrix in {matrix}"), open_bytes(matrix) as stream:
        X = sp.csr_matrix(mmread(stream).T, dtype=np.float32)  # stored features x cells
    features = _table(_part(folder, ["features.tsv.gz", "features.tsv", "genes.tsv.gz", "genes.tsv"]))
    barcodes = pd.Index(_table(_part(folder, ["barcodes.tsv.gz", "barcodes.tsv"]))[0])
    names = features[1] if 1 in features else features[0]
    types = features[2] if 2 in features else pd.Series(GENE, index=features.index)  # Cell Ranger 2 has two columns
    var = pd.DataFrame({"gene_ids": features[0].array, "feature_types": types.array}, index=pd.Index(names.array))
    return TenX(matrix, X, pd.Index(barcodes.array), var, {})


def _part(folder: Path, names: list[str]) -> Path:
    found = first_of(folder, names)
    if found is None:
        raise fail(f"one of {names} in {folder}", contents(folder), "Copy the whole 10x folder.")
    return check_file(found, "a part of a 10x count matrix")


def _table(path: Path) -> pd.DataFrame:
    with one_error(f"a tab-separated table in {path}"), open_bytes(path) as stream:
        return pd.read_csv(stream, sep="\t", header=None, dtype=str, keep_default_na=False)


def _check_shapes(tenx: TenX) -> None:
    named = (len(tenx.barcodes), len(tenx.features))
    if tenx.X.shape != named:
        found = f"a matrix of {tenx.X.shape[0]} cells x {tenx.X.shape[1]} features"
        raise fail(f"{named[0]} barcodes x {named[1]} features in {tenx.path}, as it names", found, DAMAGED)
    if tenx.X.shape[0] == 0 or tenx.X.shape[1] == 0:
        found = f"{named[0]} cells x {named[1]} features"
        raise fail(f"at least one cell and one feature in {tenx.path}", found, "Is this the right sample?")
    if not tenx.barcodes.is_unique:
        twice = listing(tenx.barcodes[tenx.barcodes.duplicated()], most=3)
        raise fail(f"each barcode once in {tenx.path}", f"repeated {twice}", DAMAGED)


def match(
    tenx: TenX, table: pd.Index, table_path: Path, *, what: str, filled: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Pair the rows of the matrix with the rows of a table of positions, in the order of the matrix.

    Returns ``(rows of the matrix, rows of the table)``. What only one of the two has is left out, with a warning;
    `filled` marks the rows of the table that ought to have counts (default: all).
    """
    if not table.is_unique:
        twice = listing(table[table.duplicated()], most=3)
        raise fail(f"each {what} once in {table_path}", f"repeated {twice}", "Remove the repeated rows.")
    rows = table.get_indexer(tenx.barcodes)
    kept = np.flatnonzero(rows >= 0)
    if kept.size == 0:
        found = f"none in common ({listing(tenx.barcodes, most=2)} against {listing(table, most=2)})"
        remedy = "Do they belong to the same sample?"
        raise fail(f"the same {what} names in {tenx.path} and {table_path}", found, remedy)
    filled = np.ones(len(table), dtype=bool) if filled is None else filled.copy()
    n_filled, filled[rows[kept]] = int(filled.sum()), False
    if kept.size < len(rows) or filled.any():
        logger.warning(
            "%d of %d in %s have no position in %s, %d of %d positions have no counts: only those with both are kept",
            *(len(rows) - kept.size, len(rows), tenx.path, table_path, filled.sum(), n_filled),
        )
    return kept, rows[kept]


def to_anndata(tenx: TenX, rows: np.ndarray) -> "AnnData":
    """Build the AnnData of the genes, for the chosen rows (in order); names of genes are made unique."""
    from anndata import AnnData

    is_gene = (tenx.features["feature_types"] == GENE).to_numpy()
    if not is_gene.any():
        found = f"feature types {listing(tenx.features['feature_types'].unique())}"
        raise fail(f"features of type {GENE!r} in {tenx.path}", found, "Only gene expression is read.")
    if not is_gene.all():
        others = tenx.features["feature_types"][~is_gene].value_counts().to_dict()
        logger.info("left out of X, not genes: %s", others)
    X = tenx.X if len(rows) == tenx.X.shape[0] else tenx.X[rows]  # rows are in order: all of them, or some
    X = X if is_gene.all() else X[:, np.flatnonzero(is_gene)]
    with one_error(f"a table of cells and genes in {tenx.path}"):  # repeated gene names, mended on the next line
        adata = AnnData(X, obs=pd.DataFrame(index=tenx.barcodes[rows]), var=tenx.features[is_gene])
        adata.var_names_make_unique()
    return adata
