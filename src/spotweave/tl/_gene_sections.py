"""Sections with the same genes, out of one table or several."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._check import fail, listing
from .._table import get_codes, get_coords, get_counts, get_obs, get_table, load
from ..core.combine import false_discovery_rate
from ..core.covariance_test import FEWEST_POINTS, covariance_test
from ..core.gene_patterns import Section, section_patterns

if TYPE_CHECKING:
    from anndata import AnnData

LEVEL = 0.05


class Tissue(NamedTuple):
    """One section."""

    X: sp.csr_matrix
    """Counts of the shared genes ``[n, g]``."""
    xy: np.ndarray
    depth: np.ndarray
    """Total counts of each point, over all of the section's own genes ``[n]``."""
    condition: Any


def read_sections(
    tables: Any,
    *,
    layer: str | None,
    spatial_key: str,
    library_key: str | None,
    condition_key: str | None,
    table_key: str,
) -> tuple[list[Tissue], pd.Index]:
    """Take one table or several apart into sections, and cut them to the genes that all have, by name."""
    several = isinstance(tables, Sequence) and not isinstance(tables, str)
    given = [get_table(table, table_key) for table in (tables if several else [tables])]
    if not given:
        raise fail("at least one table", "none")
    genes = _shared(given)
    found: list[Tissue] = []
    for adata in given:
        X = sp.csr_matrix(load(get_counts(adata, layer)), dtype=np.float64)
        X.eliminate_zeros()
        depth, xy = np.asarray(X.sum(axis=1)).ravel(), get_coords(adata, spatial_key)
        X, codes = X[:, adata.var_names.get_indexer(genes)], get_codes(adata, library_key)
        for code in [0] if codes is None else range(codes.max() + 1):
            rows = np.arange(adata.n_obs) if codes is None else np.flatnonzero(codes == code)
            rows = rows[depth[rows] > 0]
            if len(rows) < FEWEST_POINTS:
                raise fail(f"at least {FEWEST_POINTS} cells with counts in each section", f"{len(rows)}")
            condition = None if condition_key is None else _condition(adata, condition_key, rows)
            found.append(Tissue(X[rows], xy[rows], depth[rows], condition))
    return found, genes


def conditions(sections: Sequence[Tissue]) -> tuple[list[Any], np.ndarray]:
    """Names of the two conditions, sorted, and 0 or 1 for each section."""
    names = sorted({section.condition for section in sections}, key=str)
    if len(names) != 2:
        raise fail("two conditions", listing(names), "Keep the sections of two of them.")
    return names, np.array([names.index(section.condition) for section in sections])


def choose_genes(
    sections: Sequence[Tissue], names: pd.Index, genes: Sequence[str] | None, most: int, condition: np.ndarray
) -> np.ndarray:
    """Columns ``[g]`` of the genes asked for, else of those that vary in space in half of a condition's sections."""
    if genes is not None:
        wanted = pd.Index(list(dict.fromkeys(genes)))
        missing = wanted[~wanted.isin(names)]
        if isinstance(genes, str) or len(missing):
            raise fail("a list of genes that all sections have", listing(missing if len(missing) else [genes]))
        chosen = names.get_indexer(wanted)
    else:
        pvalue = np.array([covariance_test(section.X, section.xy).pvalue for section in sections])
        varies = np.array([false_discovery_rate(p) < LEVEL for p in pvalue])
        often = np.max([varies[condition == c].mean(axis=0) for c in np.unique(condition)], axis=0) >= 0.5
        order = np.argsort(np.log(pvalue).mean(axis=0), kind="stable")
        chosen = order[often[order]][:most]
    if len(chosen) < 2:
        raise fail("at least two genes that vary in space", f"{len(chosen)}", "Pass genes=[...].")
    return chosen


def patterns_of(sections: Sequence[Tissue], chosen: np.ndarray) -> list[Section]:
    """Patterns of the chosen genes in each section."""
    return [section_patterns(section.X[:, chosen], section.xy, section.depth) for section in sections]


def _shared(tables: Sequence["AnnData"]) -> pd.Index:
    for adata in tables:
        if not adata.var_names.is_unique:
            twice = adata.var_names[adata.var_names.duplicated()].unique()
            raise fail(
                "gene names that are unique", f"{listing(twice)} more than once", "Call var_names_make_unique()."
            )
    genes = tables[0].var_names
    for adata in tables[1:]:
        genes = genes[genes.isin(adata.var_names)]
    if len(genes) < 2:
        found = "; ".join(listing(adata.var_names, most=3) for adata in tables[:4])
        raise fail("at least two genes that all tables share", f"{len(genes)} ({found})", "Use names of one kind.")
    return genes


def _condition(adata: "AnnData", key: str, rows: np.ndarray) -> Any:
    values = get_obs(adata, key, name="condition_key").iloc[rows].unique()
    if len(values) != 1 or pd.isna(values[0]):
        raise fail(
            f"one value of adata.obs[{key!r}] (condition_key) in a section",
            listing(values),
            "Pass library_key=... or a table for each section.",
        )
    return values[0]
