"""What every section may read, computed once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from markupsafe import Markup

from .. import _keys as keys
from .._check import InputError, check_counts
from .._table import get_matrix, row_chunks
from ..pl._predicted_values import slide_column
from ..pl._results import matched_categories
from ..pl._spatial import slide_rows
from ..pl._values import Categories, categories, label_codes

if TYPE_CHECKING:
    from anndata import AnnData


class Section(NamedTuple):
    """A part of the page."""

    id: str
    title: str
    html: Markup


class Depth(NamedTuple):
    """Counts and genes of each cell ``[n]``."""

    counts: np.ndarray
    genes: np.ndarray


@dataclass(frozen=True)
class Context:
    """The object and what the caller said about it."""

    adata: "AnnData"
    key: str = keys.DOMAIN
    truth: str | None = None
    library_key: str | None = None
    spatial_key: str = keys.SPATIAL
    markers: pd.DataFrame | None = None

    @cached_property
    def result(self) -> Mapping[str, Any]:
        """What the verb wrote into ``uns``; empty when there is nothing."""
        found = self.adata.uns.get(self.key)
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def params(self) -> Mapping[str, Any]:
        """Parameters of the run."""
        found = self.result.get("params", {})
        return found if isinstance(found, Mapping) else {}

    @cached_property
    def slide_key(self) -> str | None:
        """``obs`` column of the slides: the caller's, else that of the run, else that predictions name; None when there is none."""
        key = self.library_key or self.params.get("library_key")
        said = self.adata.uns.get(keys.HISTOLOGY)
        if key is None and isinstance(said, Mapping):
            key = slide_column(self.adata, said, None)
        return str(key) if key is not None and str(key) in self.adata.obs else None

    @cached_property
    def slides(self) -> list[tuple[str | None, np.ndarray]]:
        """Name and rows of each slide."""
        return slide_rows(self.adata, self.slide_key)

    @cached_property
    def slide_codes(self) -> np.ndarray:
        """Number of the slide of each cell."""
        codes = np.full(self.adata.n_obs, -1)
        for i, (_, rows) in enumerate(self.slides):
            codes[rows] = i
        return codes

    @cached_property
    def domains(self) -> Categories | None:
        """Domains and their colours, None when there are none."""
        if self.key not in self.adata.obs:
            return None
        colors = None
        if self.spatial_key not in self.adata.obsm and keys.colors(self.key) not in self.adata.uns:
            from ..core.colors import palette

            colors = palette(len(label_codes(self.adata.obs[self.key])[1]))
        return categories(self.adata, self.key, colors=colors, spatial_key=self.spatial_key)

    @cached_property
    def marker_table(self) -> pd.DataFrame | None:
        """Markers of the domains: the caller's, else those in ``uns``; None when there are none."""
        found = self.markers if self.markers is not None else self.adata.uns.get(f"{self.key}_markers")
        return found if isinstance(found, pd.DataFrame) and not found.empty else None

    @cached_property
    def known(self) -> Categories | None:
        """Truth in the colours of the domains that it matches."""
        if self.truth is None or self.domains is None:
            return None
        return matched_categories(self.adata, self.truth, self.domains)

    @cached_property
    def confidence(self) -> np.ndarray | None:
        """Highest probability of each cell ``[n]``."""
        found = self.adata.obsm.get(keys.probability(self.key))
        return None if found is None else np.asarray(found, dtype=float).max(axis=1)

    @cached_property
    def depth(self) -> Depth | None:
        """Counts and genes of each cell, None when the object holds no counts."""
        try:
            X, where = get_matrix(self.adata)
            parts = []
            for _, block in row_chunks(X):
                check_counts(block, where)
                seen = block.getnnz(axis=1) if sp.issparse(block) else np.count_nonzero(block, axis=1)
                parts.append((np.asarray(block.sum(axis=1), dtype=float).ravel(), seen))
        except InputError:
            return None
        return Depth(*(np.concatenate(p) for p in zip(*parts, strict=True)))
