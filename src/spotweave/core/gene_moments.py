"""Sums over cells that tell which genes vary, in one pass over row chunks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from .._check import fail

Chunks = Callable[[], Iterator[tuple[slice, Any]]]
"""Starts a new pass: yields ``(rows, block)``, `block` CSR or dense ``[len(rows), g]``, in order."""


@dataclass(frozen=True)
class GeneMoments:
    """Sums over cells that one pass over the counts gives."""

    size: np.ndarray
    """Counts of each cell [n]."""
    total: np.ndarray
    """Counts of each gene [g]."""
    square: np.ndarray
    """Sum of squared counts of each gene [g]."""
    weighted: np.ndarray
    """Sum over cells of count times the cell's size [g]."""
    detected: np.ndarray
    """Cells with a count of each gene [g]."""


def gene_moments(chunks: Chunks) -> GeneMoments:
    """Sum up the counts in one pass.

    Parameters
    ----------
    chunks
        Row chunks of the counts ``[n, g]``.

    Returns
    -------
    Sizes of the cells and sums for each gene, float64.
    """
    return batch_moments(chunks, None)[0]


def batch_moments(chunks: Chunks, batch: np.ndarray | None) -> list[GeneMoments]:
    """Sum up the counts of each batch in one pass.

    Parameters
    ----------
    chunks
        Row chunks of the counts ``[n, g]``.
    batch
        Codes 0..b-1 ``[n]``; None for one batch.

    Returns
    -------
    For each batch the sizes of its cells and sums for each gene, float64.
    """
    n_batches = 1 if batch is None else int(batch.max()) + 1
    sizes: list[list[np.ndarray]] = [[] for _ in range(n_batches)]
    sums: list[np.ndarray | None] = [None] * n_batches
    for rows, block in chunks():
        B = as_csr(block)
        for b in range(n_batches):
            own = B if batch is None else B[np.flatnonzero(batch[rows] == b)]
            size, part = _sums(own)
            before = sums[b]
            sums[b] = part if before is None else before + part
            sizes[b].append(size)
    return [_moments(own, part) for own, part in zip(sizes, sums, strict=True)]


def _sums(B: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Sizes of cells [n] and four sums over them of each gene [4, g]."""
    size = np.asarray(B.sum(axis=1)).ravel()
    squares = sp.csr_matrix((B.data**2, B.indices, B.indptr), shape=B.shape)
    part = np.vstack([
        np.asarray(B.sum(axis=0)).ravel(),
        np.asarray(squares.sum(axis=0)).ravel(),
        B.T @ size,
        np.bincount(B.indices[B.data > 0], minlength=B.shape[1]),
    ])  # fmt: skip
    return size, part


def _moments(sizes: list[np.ndarray], sums: np.ndarray | None) -> GeneMoments:
    if sums is None:
        raise fail("at least one row of counts", "none")
    return GeneMoments(np.concatenate(sizes), *sums)


def overdispersion(moments: GeneMoments) -> np.ndarray:
    r"""Score each gene by how far its variance lies above the Poisson one.

    With cell sizes :math:`s_i` and gene shares :math:`p_j`, the mean is :math:`\mu_{ij} = s_i p_j` and

    .. math:: z_j = \frac{\sum_i (x_{ij} - \mu_{ij})^2 - x_{ij}}{\sqrt{2 \sum_i \mu_{ij}^2}},

    the score test of a negative binomial against a Poisson (Dean and Lawless 1989, J. Am. Stat. Assoc. 84:467).
    It needs sums only, so it streams.

    Parameters
    ----------
    moments
        Sums over cells.

    Returns
    -------
    z ``[g]``, standard normal for a Poisson gene; ``-inf`` for a gene without counts.
    """
    m = moments
    share = m.total / max(m.size.sum(), 1.0)
    mean_square = share**2 * (m.size**2).sum()
    excess = m.square - 2 * share * m.weighted + mean_square - m.total
    z = np.full(len(share), -np.inf)
    np.divide(excess, np.sqrt(2 * mean_square), out=z, where=mean_square > 0)
    return z


def as_csr(block: Any) -> sp.csr_matrix:
    """Return the counts as a matrix of their own: CSR, float64."""
    return sp.csr_matrix(block, dtype=np.float64)
