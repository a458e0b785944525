"""Sections whose genes are to be embedded: as they are, drawn anew, permuted, or several times side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .._table import get_coords, get_counts
from ._genes_sets import TERMS, EmbeddingSet

if TYPE_CHECKING:
    from anndata import AnnData

MIN_COUNTS = 10
"""Genes of fewer molecules in a section are not judged there, as `tl.gene_embedding` leaves them out."""


@dataclass(frozen=True)
class GeneSection:
    """One section."""

    name: str
    X: sp.csr_matrix
    """Counts ``[n, g]``, float32; genes of at least `MIN_COUNTS` molecules."""
    xy: np.ndarray
    """Coordinates ``[n, 2]``."""
    genes: np.ndarray
    """Names ``[g]``, the same in all sections of a set."""
    symbols: np.ndarray
    """Gene symbols in capitals ``[g]``."""
    module: np.ndarray | None = None
    """Number of the planted module ``[g]``, -1 for genes of none."""

    @property
    def mean(self) -> np.ndarray:
        """Share of the molecules ``[g]``."""
        total = np.asarray(self.X.sum(axis=0), dtype=np.float64).ravel()
        return total / total.sum()


@dataclass(frozen=True)
class Sections:
    """What a method is given, one section at a time, and what it is judged by."""

    dataset: EmbeddingSet
    parts: tuple[GeneSection, ...] = ()
    """None yet where they are to be drawn."""
    terms: Sequence[np.ndarray] = ()
    """Gene symbols of each term, none where the file is not there."""


def read(dataset: EmbeddingSet, folder: Path) -> Sections:
    """Read the files, if there are any."""
    from .. import io

    tables = [(io.read(folder / name, images=False), section_name(name)) for name in dataset.sections]
    parts = tuple(tiled(section(adata, name), dataset.n_copies) for adata, name in tables)
    terms = read_terms(folder / TERMS) if dataset.kind in ("pair", "null", "section") else []
    return Sections(dataset, parts, terms)


def section_name(file: str) -> str:
    """``her2st/B1.h5ad`` -> ``her2st_B1``, ``a/a.h5ad`` -> ``a``."""
    path = Path(file)
    return path.stem if path.stem == path.parent.name else f"{path.parent.name}_{path.stem}"


def read_terms(path: Path) -> list[np.ndarray]:
    """Gene symbols of each line of a GMT file: name, description, symbols (with ``,weight`` in some), tabs between."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    fields = [[field.split(",")[0].upper() for field in line.split("\t")[2:]] for line in lines]
    return [np.unique([name for name in names if name]) for names in fields if any(names)]


def prepared(data: Sections, settings: Mapping[str, Any], seed: int) -> Sections:
    """Draw counts where they are to be drawn, deal rows out anew in the null; the same for all methods."""
    if data.dataset.drawn is not None:
        from ..datasets import simulate_patterns

        return replace(data, parts=(section(simulate_patterns(**data.dataset.drawn, rng=seed), data.dataset.name),))
    if data.dataset.kind == "null":
        return replace(data, parts=permuted(data.parts, seed))
    return data


def permuted(parts: Sequence[GeneSection], seed: int) -> tuple[GeneSection, ...]:
    """Deal the rows of counts of each section out to its coordinates: genes keep their cells, and lose their place."""
    rng = np.random.default_rng(seed)
    return tuple(replace(part, X=part.X[rng.permutation(part.X.shape[0])]) for part in parts)


def tiled(part: GeneSection, n_copies: int) -> GeneSection:
    """Lay copies of a section side by side, `n_copies` along each axis."""
    if n_copies == 1:
        return part
    extent = np.ptp(part.xy, axis=0)
    step = extent + extent.max() / np.sqrt(len(part.xy))  # a gap of about one spot
    shifts = [step * (i, j) for i in range(n_copies) for j in range(n_copies)]
    X = sp.csr_matrix(sp.vstack([part.X] * len(shifts), format="csr"))
    return replace(part, X=X, xy=np.concatenate([part.xy + shift for shift in shifts]))


def section(adata: "AnnData", name: str) -> GeneSection:
    """Take from a table what is needed."""
    X = sp.csr_matrix(get_counts(adata), dtype=np.float32)
    kept = np.asarray(X.sum(axis=0)).ravel() >= MIN_COUNTS
    var = adata.var[kept]
    names = var.index.to_numpy(dtype=str)
    symbols = var["symbol"].to_numpy(dtype=str) if "symbol" in var else names
    X = sp.csr_matrix(X[:, kept])
    return GeneSection(name, X, get_coords(adata), names, np.char.upper(symbols), _modules(var))


def _modules(var: pd.DataFrame) -> np.ndarray | None:
    if "module" not in var:
        return None
    names = var["module"].astype(str).to_numpy()
    codes = np.unique(names, return_inverse=True)[1]
    return np.where(names == "none", -1, codes)
