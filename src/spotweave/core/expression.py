"""Counts -> genes and principal components, in passes over row chunks. Nothing dense but one chunk."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh
from threadpoolctl import threadpool_limits

from .._check import fail
from .splitting import thin

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
    sizes, sums = [], None
    for _, block in chunks():
        B = _csr(block)
        size = np.asarray(B.sum(axis=1)).ravel()
        squares = sp.csr_matrix((B.data**2, B.indices, B.indptr), shape=B.shape)
        part = np.vstack([
            np.asarray(B.sum(axis=0)).ravel(),
            np.asarray(squares.sum(axis=0)).ravel(),
            B.T @ size,
            np.bincount(B.indices[B.data > 0], minlength=B.shape[1]),
        ])  # fmt: skip
        sums = part if sums is None else sums + part
        sizes.append(size)
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


@dataclass(frozen=True)
class Components:
    """Principal components of normalised expression, and what maps new counts onto them."""

    scores: np.ndarray
    """Coordinates of the cells [n, d], float32, mean zero."""
    loadings: np.ndarray
    """Orthonormal gene weights [g, d]."""
    variance: np.ndarray
    """Variance of each component [d]."""
    mean: np.ndarray
    """Mean of each standardised gene [g]."""
    scale: np.ndarray
    """Standard deviation that each gene was divided by [g]."""
    target: float
    """Counts that each cell was scaled to."""


MAX_SCALED = 10.0  # scanpy's tutorials and every published domain method clip there: rare genes must not rule


def principal_components(
    chunks: Chunks,
    size: np.ndarray,
    n_components: int,
    *,
    target: float | None = None,
    rng: np.random.Generator,
) -> Components:
    r"""PCA of :math:`\min(\log(1 + t x_{ij} / s_i) / \sigma_j, 10)` from three passes over row chunks.

    The first pass finds :math:`\sigma_j`, the second the Gram matrix ``[g, g]``, the third the scores: memory is one
    dense chunk and g squared, whatever the number of cells.

    Parameters
    ----------
    chunks
        Row chunks of the counts of the chosen genes ``[n, g]``.
    size
        Counts of each cell over *all* genes ``[n]``; a cell of zeros stays a row of zeros.
    n_components
        Wanted number d; cut to ``min(n - 1, g)``.
    target
        Counts t that each cell is scaled to; the median cell when None, so that the logarithm is neither
        nearly linear nor nearly binary whatever the depth (scanpy's default).
    rng
        Start vector of the eigensolver.

    Returns
    -------
    Scores, loadings and the numbers that map new counts onto them.
    """
    positive = size[size > 0]
    if not positive.size:
        raise fail("at least one cell with counts", "none", "Pass raw counts.")
    target = float(np.median(positive)) if target is None else target
    factor = np.divide(target, size, out=np.zeros(len(size)), where=size > 0)
    scale = _spread(chunks, factor)
    blocks = lambda: (_standardised(block, factor[rows], scale) for rows, block in chunks())
    g = len(scale)
    gram, total = np.zeros((g, g), np.float64), np.zeros(g)
    for Y in blocks():
        gram += Y.T @ Y  # [g, g], product in float32, sum in float64
        total += Y.sum(axis=0, dtype=np.float64)
    n = len(size)
    mean = total / n
    covariance = gram / n - np.outer(mean, mean)
    variance, loadings = _leading(covariance, min(n_components, n - 1, g), rng)
    V, offset = loadings.astype(np.float32), (mean @ loadings).astype(np.float32)
    scores = np.concatenate([Y @ V - offset for Y in blocks()])
    return Components(scores, loadings, variance, mean, scale, target)


def project(chunks: Chunks, size: np.ndarray, components: Components) -> np.ndarray:
    """Give counts their coordinates on known components.

    Parameters
    ----------
    chunks
        Row chunks of counts of the same genes ``[n, g]``.
    size
        Counts of each cell over all genes ``[n]``.
    components
        From `principal_components`.

    Returns
    -------
    Coordinates ``[n, d]``, float32; the components' own scores for the counts that they were made from.
    """
    V, offset = components.loadings.astype(np.float32), (components.mean @ components.loadings).astype(np.float32)
    factor = np.divide(components.target, size, out=np.zeros(len(size)), where=size > 0)
    return np.concatenate(
        [_standardised(block, factor[rows], components.scale) @ V - offset for rows, block in chunks()]
    )


def project_halves(
    chunks: Chunks, size: np.ndarray, components: Components, *, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Split the counts at random and give each half its coordinates on known components.

    Parameters
    ----------
    chunks
        Row chunks of the counts that the components were made from ``[n, g]``.
    size
        Counts of each cell over all genes ``[n]``; a half has half of them.
    components
        From `principal_components`.
    rng
        Draws the split, see `core.splitting.thin`.

    Returns
    -------
    Coordinates ``[n, d]`` of either half, float32.
    """
    V, offset = components.loadings.astype(np.float32), (components.mean @ components.loadings).astype(np.float32)
    factor = np.divide(2 * components.target, size, out=np.zeros(len(size)), where=size > 0)
    found: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for rows, block in chunks():
        for half, into in zip(thin(block, rng), found, strict=True):
            into.append(_standardised(half, factor[rows], components.scale) @ V - offset)
    return np.concatenate(found[0]), np.concatenate(found[1])


def _csr(block: Any) -> sp.csr_matrix:
    return sp.csr_matrix(block, dtype=np.float64)


def _log_normalised(block: Any, factor: np.ndarray) -> sp.csr_matrix:
    B = _csr(block)  # a new matrix: the caller's counts stay as they are
    B = sp.csr_matrix((np.log1p(B.data * np.repeat(factor, np.diff(B.indptr))), B.indices, B.indptr), shape=B.shape)
    return B


def _spread(chunks: Chunks, factor: np.ndarray) -> np.ndarray:
    """Standard deviation of each log-normalised gene; 1 for a constant one."""
    n = len(factor)
    first: np.ndarray | float = 0.0
    second: np.ndarray | float = 0.0
    for rows, block in chunks():
        L = _log_normalised(block, factor[rows])
        first = first + np.asarray(L.sum(axis=0)).ravel()
        L.data **= 2
        second = second + np.asarray(L.sum(axis=0)).ravel()
    sd = np.sqrt(np.maximum(second / n - (first / n) ** 2, 0.0))
    sd[sd < 1e-8] = 1.0
    return sd


def _standardised(block: Any, factor: np.ndarray, scale: np.ndarray) -> np.ndarray:
    L = _log_normalised(block, factor)
    L.data = np.minimum(L.data / scale[L.indices], MAX_SCALED)
    return L.astype(np.float32).toarray()


def _leading(C: np.ndarray, d: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Largest eigenpairs in falling order, signs fixed so that the largest weight of each is positive."""
    d = max(d, 1)
    if d < len(C) // 4:
        with threadpool_limits(1):  # many matrix-vector products: on two threads they take four times the CPU time
            values, vectors = eigsh(C, k=d, v0=rng.standard_normal(len(C)))
    else:
        values, vectors = np.linalg.eigh(C)
    order = np.argsort(values)[::-1][:d]
    values, vectors = np.maximum(values[order], 0.0), vectors[:, order]
    top = np.abs(vectors).argmax(axis=0)
    return values, vectors * np.where(vectors[top, np.arange(d)] < 0, -1.0, 1.0)
