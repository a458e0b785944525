"""Sections with tiles' features, and with counts when they are there, as arrays."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._check import fail, listing
from .._table import get_codes, get_coords, get_table
from ._denoise_input import read_counts

if TYPE_CHECKING:
    from anndata import AnnData


class Section(NamedTuple):
    """One section."""

    name: str
    group: str
    features: np.ndarray
    """Of the tiles [n, d], as the encoder gave them."""
    xy: np.ndarray
    """[n, 2]."""
    spots: pd.Index
    """Names of the spots [n]."""
    genes: pd.Index
    """Of the counts; none in sections that were read without."""
    counts: sp.csr_matrix
    """[n, all genes]."""
    types: pd.DataFrame | None
    """Composition of the spots [n, types]."""
    rows: np.ndarray
    """Their rows in the table [n]."""

    @property
    def totals(self) -> np.ndarray:
        """Counts of all genes of each spot [n]."""
        return np.asarray(self.counts.sum(axis=1), dtype=np.float64).ravel()

    def panel(self, genes: Sequence[str]) -> sp.csr_matrix:
        """Counts of some genes ``[n, g]``."""
        if list(genes) == list(self.genes):
            return self.counts
        return self.counts[:, self.genes.get_indexer(pd.Index(genes))]


class Reading(NamedTuple):
    """Where sections and their parts are found in tables."""

    group_key: str | None
    library_key: str | None
    feature_key: str
    layer: str | None
    types_key: str | None
    table_key: str


def read_sections(adatas: Any, reading: Reading, *, counts: bool = True) -> list[Section]:
    """Cut tables into sections and check them.

    Parameters
    ----------
    adatas
        A table, a sequence of tables, or tables by name. Without `library_key` each table is one section.
    reading
        Keys.
    counts
        Read counts, genes and groups too; without, sections are for prediction alone.

    Returns
    -------
    Sections, in the order of the tables and of their rows' first appearance.

    Raises
    ------
    InputError
        When there is no spot, features are missing or not finite, numbers of features differ, a section has two groups
        or two sections one name.
    """
    sections = [
        section
        for name, adata in _named(adatas)
        for section in _of_table(get_table(adata, reading.table_key), name, reading, counts=counts)
    ]
    names = pd.Index([section.name for section in sections])
    if names.has_duplicates:
        raise fail("sections of different names", listing(names[names.duplicated()].unique()), "Rename them.")
    widths = {section.features.shape[1] for section in sections}
    if len(widths) > 1:
        raise fail("as many features in every section", f"{sorted(widths)}", "Run pp.tile_features with one encoder.")
    return sections


def _named(adatas: Any) -> list[tuple[str, "AnnData"]]:
    if isinstance(adatas, Mapping | list | tuple) and not adatas:
        raise fail("at least one AnnData", f"an empty {type(adatas).__name__}")
    if isinstance(adatas, Mapping):
        return [(str(name), adata) for name, adata in adatas.items()]
    if isinstance(adatas, list | tuple):
        return [(str(k), adata) for k, adata in enumerate(adatas)]
    return [("0", adatas)]


def _of_table(adata: "AnnData", name: str, reading: Reading, *, counts: bool) -> list[Section]:
    features = read_features(adata, reading.feature_key)
    xy = get_coords(adata)[:, :2]
    X = read_counts(adata, reading.layer, warn=False) if counts else sp.csr_matrix((adata.n_obs, 0))
    genes = adata.var_names if counts else adata.var_names[:0]
    codes = get_codes(adata, reading.library_key)
    library = None if reading.library_key is None else adata.obs[reading.library_key].astype(str).to_numpy()
    groups = _groups(adata, reading) if counts else None
    types = read_types(adata, reading.types_key)
    cuts = [np.arange(adata.n_obs)] if codes is None else [np.flatnonzero(codes == c) for c in pd.unique(codes)]
    return [
        Section(
            name if library is None else str(library[rows[0]]),
            _one_group(groups, rows, name if library is None else str(library[rows[0]]), reading),
            features[rows],
            xy[rows],
            adata.obs_names[rows],
            genes,
            X[rows],
            None if types is None else types.iloc[rows],
            rows,
        )
        for rows in cuts
    ]


def read_features(adata: "AnnData", key: str) -> np.ndarray:
    """Features of the tiles ``[n, d]``, float32."""
    if key not in adata.obsm:
        raise fail(
            f"features of tiles in adata.obsm[{key!r}]",
            f"obsm keys {listing(adata.obsm)}",
            "Run pp.tile_features(adata, image) first, or put features of your own there.",
        )
    remedy = "Run pp.tile_features(adata, image), or put numbers of your own there."
    try:
        features = np.asarray(adata.obsm[key], dtype=np.float32)
    except (TypeError, ValueError):
        found = f"a {type(adata.obsm[key]).__name__} of other values"
        raise fail(f"a dense matrix of numbers in adata.obsm[{key!r}]", found, remedy) from None
    if features.ndim != 2 or 0 in features.shape:
        raise fail(
            f"features [n, d] of at least one spot in adata.obsm[{key!r}]", f"shape {list(features.shape)}", remedy
        )
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(bad):
        found = f"NaN or infinity in {len(bad)} of {len(features)} rows (first: row {bad[0]})"
        raise fail(f"finite features in adata.obsm[{key!r}]", found, "Drop these rows before the call.")
    return features


def read_types(adata: "AnnData", key: str | None) -> pd.DataFrame | None:
    """Composition of each spot: a table of ``obsm`` (of `tl.deconvolve`), or a column of labels in ``obs``.

    A spot without a label is of no type.
    """
    if key is None:
        return None
    if key in adata.obsm:
        table = adata.obsm[key]
        table = table if isinstance(table, pd.DataFrame) else pd.DataFrame(np.asarray(table), index=adata.obs_names)
        return table.fillna(0).astype(np.float32)
    if key in adata.obs:
        labels = adata.obs[key].astype(object)
        return pd.get_dummies(labels.where(labels.isna(), labels.astype(str)), dtype=np.float32)
    raise fail(
        f"types_key={key!r} in adata.obsm or adata.obs",
        f"obsm {listing(adata.obsm)}, obs {listing(adata.obs.columns)}",
        "Run tl.deconvolve(adata, reference), or leave types_key out.",
    )


def _groups(adata: "AnnData", reading: Reading) -> np.ndarray | None:
    if reading.group_key is None:
        return None
    if reading.group_key not in adata.obs:
        raise fail(
            f"group_key={reading.group_key!r} in adata.obs",
            f"columns {listing(adata.obs.columns)}",
            "Pass the column of patients, or group_key=None where each section is another patient's.",
        )
    column = adata.obs[reading.group_key]
    if column.isna().any():
        raise fail(
            f"a {reading.group_key} for every spot",
            f"NaN in {column.isna().sum()} of {adata.n_obs} rows",
            "Fill the column or drop these rows.",
        )
    return column.astype(str).to_numpy()


def _one_group(groups: np.ndarray | None, rows: np.ndarray, name: str, reading: Reading) -> str:
    if groups is None:
        return name  # every section stands for itself
    found = pd.unique(groups[rows])
    if len(found) > 1:
        raise fail(
            f"one {reading.group_key} in section {name!r}",
            listing(found),
            "Pass library_key= to tell the sections of a table apart.",
        )
    return str(found[0])


def common_genes(sections: Sequence[Section]) -> pd.Index:
    """Genes that all sections have, in the order of the first."""
    genes = sections[0].genes
    for section in sections:
        if not section.genes.is_unique:
            raise fail(
                f"genes named once in section {section.name!r}",
                "names that occur twice",
                "Call var_names_make_unique().",
            )
    shared = set(genes).intersection(*(section.genes for section in sections))
    if not shared:
        raise fail("genes that all sections have", "none", "Are the identifiers of one kind?")
    return genes[genes.isin(list(shared))]


def stack_types(sections: Sequence[Section]) -> np.ndarray | None:
    """Compositions of all sections over the union of their types ``[n, t]``; None unless all have them."""
    if any(section.types is None for section in sections):
        return None
    return pd.concat([section.types for section in sections]).fillna(0).to_numpy(dtype=np.float32)


def codes_of(sections: Sequence[Section]) -> np.ndarray:
    """Code of the section of each spot ``[n]``."""
    return np.repeat(np.arange(len(sections)), [len(section.xy) for section in sections])
