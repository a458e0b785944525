"""One embedding of the genes of each section, and modules made of it."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .. import _keys as keys
from ._genes_agreement import unit_rows
from ._genes_data import GeneSection, Sections
from ._genes_methods import Settings

if TYPE_CHECKING:
    from anndata import AnnData

N_COMPONENTS = 32
"""Of the plain rival, as many as of ``method="smooth"``."""
OUTLIER = 10.0
"""Pearson residuals are held to this size: one molecule of a gene of twenty would else be a component."""
BLOCK = 256
"""Genes whose residuals are held at a time."""


class Embedded(NamedTuple):
    """What a method returns."""

    vectors: tuple[np.ndarray, ...]
    """``[g, d]`` for each section."""
    seed: int


def warm(settings: Mapping[str, Any]) -> None:
    """Import what a run needs, torch for trained methods only."""
    needed = ["anndata", "sklearn.cluster", "spotweave.io", "spotweave.datasets", "spotweave.tl"]
    if settings.get("method") == "mae":
        needed += ["spotweave.core.train", "spotweave.models.gene_mae_fit"]
    for module in needed:
        import_module(module)


def embed(data: Sections, settings: Settings, seed: int) -> Embedded:
    """Embed the genes of each section by itself; random numbers are not shared between sections."""
    streams = np.random.default_rng(seed).spawn(len(data.parts))
    return Embedded(tuple(_one(part, settings, rng) for part, rng in zip(data.parts, streams, strict=True)), seed)


def modules(part: GeneSection, vectors: np.ndarray, chosen: np.ndarray, n: int | None, seed: int) -> np.ndarray:
    """Codes ``[number of chosen]`` of the modules that `tl.gene_modules` finds among the `chosen` genes; -1: none."""
    from .. import tl

    adata = table_of(part)
    adata.varm[keys.GENE_EMBEDDING] = vectors
    tl.gene_modules(adata, n, genes=chosen, rng=seed)
    return pd.Categorical(adata.var[keys.GENE_MODULE]).codes[chosen]


def table_of(part: GeneSection) -> "AnnData":
    """Return the section as a user would have it."""
    from anndata import AnnData

    return AnnData(part.X, var=pd.DataFrame(index=part.genes), obsm={keys.SPATIAL: part.xy})


def _one(part: GeneSection, settings: Settings, rng: np.random.Generator) -> np.ndarray:
    if "plain" in settings:
        return PLAIN[settings["plain"]](part.X, rng)
    from .. import tl

    adata = table_of(part)
    tl.gene_embedding(adata, rng=rng, progress=False, **settings)
    return np.asarray(adata.varm[keys.GENE_EMBEDDING])


def raw_components(X: sp.csr_matrix, rng: np.random.Generator) -> np.ndarray:
    """Principal components ``[g, d]`` of the genes' Pearson residuals, each gene scaled to length one; nothing is smoothed.

    Says what space adds. Randomised range finder with two power iterations (Halko, Martinsson and Tropp 2011): residuals
    of `BLOCK` genes are held at a time.
    """
    blocks = _Residuals(X)
    n, d = X.shape[0], min(N_COMPONENTS, min(X.shape) - 1)
    Q = rng.normal(size=(n, min(d + 10, n)))
    for _ in range(3):
        Q = np.linalg.qr(blocks.transposed(blocks.times(Q)))[0]
    u, s, _ = np.linalg.svd(blocks.times(Q), full_matrices=False)
    return unit_rows(u[:, :d] * s[:d])


class _Residuals:
    """The matrix ``R`` ``[g, n]``, rows of length one, made in blocks of rows."""

    def __init__(self, X: sp.csr_matrix) -> None:
        self.columns = sp.csc_matrix(X, dtype=np.float64)
        self.size = np.asarray(X.sum(axis=1), dtype=np.float64).ravel()
        self.share = np.asarray(X.sum(axis=0), dtype=np.float64).ravel() / self.size.sum()

    def block(self, genes: slice) -> np.ndarray:
        mean = np.outer(self.share[genes], self.size)
        R = (self.columns[:, genes].toarray().T - mean) / np.sqrt(np.maximum(mean, 1e-12))
        R = np.clip(R, -OUTLIER, OUTLIER)
        return R / np.maximum(np.linalg.norm(R, axis=1, keepdims=True), 1e-12)

    def blocks(self) -> list[slice]:
        return [slice(start, start + BLOCK) for start in range(0, len(self.share), BLOCK)]

    def times(self, A: np.ndarray) -> np.ndarray:
        return np.concatenate([self.block(genes) @ A for genes in self.blocks()])

    def transposed(self, A: np.ndarray) -> np.ndarray:
        return np.sum([self.block(genes).T @ A[genes] for genes in self.blocks()], axis=0)


PLAIN = {"raw": raw_components}
