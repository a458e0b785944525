"""Names of genes in their forms (as written, plain, in capitals) and the pairs that two lists of them make."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from ._check import fail
from ._gene_kinds import looks_like_ensembl, plain

_IDENTIFIER = re.compile(r"symbol|name|gene_?ids?|feature_?ids?|ensembl|^id$|^genes?$", re.IGNORECASE)


class Names(NamedTuple):
    """One way to name the genes of a table."""

    label: str  # column of var, "" for the index
    forms: tuple[np.ndarray, ...]  # as written, plain, plain in capitals; "" where missing, each [g]
    order: np.ndarray  # columns, of repeats the one to keep first [g]


class Genes(NamedTuple):
    """Genes of a table under all their names."""

    var_names: np.ndarray  # as in the index [g]
    names: list[Names]  # index first; without it where it only numbers the genes


class Pairing(NamedTuple):
    """Genes that two tables share, in the order of the first."""

    a: Names
    b: Names
    level: int  # the least plain form that was needed
    i: np.ndarray  # columns in the first [p]
    j: np.ndarray  # columns in the second [p]


def read_genes(table: pd.DataFrame | Sequence[str], what: str, totals: np.ndarray | None = None) -> Genes:
    """Return the genes of ``var``, or of names alone, under all their names; `totals` says which repeat to keep."""
    var = table if isinstance(table, pd.DataFrame) else pd.DataFrame(index=pd.Index(table))
    if not len(var):
        raise fail(f"at least one gene in the {what}", "none")
    index = np.array(["" if pd.isna(name) else str(name) for name in var.index], dtype=object)
    order = np.arange(len(var)) if totals is None else np.argsort(-np.asarray(totals), kind="stable")
    numbered = all(name == str(k) for k, name in enumerate(index))  # anndata's stand-in for names
    names = [] if numbered else [as_names(index, "", order)]
    for k, label in enumerate(map(str, var.columns)):
        values = np.array([v if isinstance(v, str) else "" for v in var.iloc[:, k].tolist()], dtype=object)
        if any(values) and (_IDENTIFIER.search(label) or looks_like_ensembl(values)):
            names.append(as_names(values, label, order))
    return Genes(index, names)


def as_names(values: np.ndarray, label: str = "", order: np.ndarray | None = None) -> Names:
    """Bring names into their three forms."""
    bare = np.array([plain(v) for v in values], dtype=object)
    capitals = np.array([v.upper() for v in bare], dtype=object)
    return Names(label, (values, bare, capitals), np.arange(len(values)) if order is None else order)


def best_pairing(first: Genes, second: Genes) -> Pairing | None:
    """Pair the two kinds of names under which most genes meet; of equals the plainest, the index before a column."""
    found = [pair(a, b) for a in first.names for b in second.names]
    most = max((len(p.i) for p in found), default=0)
    return min((p for p in found if len(p.i) == most), key=lambda p: p.level) if most else None


def pair(a: Names, b: Names) -> Pairing:
    """Pair equal names form by form, so that a plainer match wins; no name is paired twice in any form."""
    i = j = np.empty(0, np.intp)
    last = 0
    for level in range(3):
        used = a.forms[level][i]
        left, right = distinct(a, level, used), distinct(b, level, used)
        at = pd.Index(b.forms[level][right]).get_indexer(pd.Index(a.forms[level][left]))
        if (at >= 0).any():
            last = level
            i, j = np.concatenate([i, left[at >= 0]]), np.concatenate([j, right[at[at >= 0]]])
    ranked = np.argsort(i)
    return Pairing(a, b, last, i[ranked], j[ranked])


def distinct(names: Names, level: int, used: Sequence[str] | np.ndarray = ()) -> np.ndarray:
    """Columns of different names in this form, without missing and `used` ones; of repeats the one to keep."""
    form = pd.Index(names.forms[level][names.order])
    return names.order[~form.duplicated() & ~form.isin(["", *used])]


def repeats(form: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Columns that hold the same names as `columns`, without these."""
    same = pd.Index(form).isin(form[columns])
    same[columns] = False
    return np.flatnonzero(same)


def find(wanted: Sequence[str], genes: Genes) -> np.ndarray:
    """Column of each wanted name, the plainest match first; -1 where there is none."""
    asked = as_names(np.array(wanted, dtype=object))
    columns = np.full(len(wanted), -1)
    for level in range(3):
        for names in genes.names:
            kept = distinct(names, level)
            at = pd.Index(names.forms[level][kept]).get_indexer(pd.Index(asked.forms[level]))
            new = (columns < 0) & (at >= 0)
            columns[new] = kept[at[new]]
    return columns
