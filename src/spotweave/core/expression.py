"""Counts -> principal components, in passes over row chunks. Nothing dense but one chunk."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import eigsh
from threadpoolctl import threadpool_limits

from .._check import fail
from .gene_moments import Chunks, as_csr
from .splitting import thin


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
    batch: np.ndarray | None = None,
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
    batch
        Codes 0..b-1 ``[n]``: spread and components are those within batches, so that no component is spent on
        differences between them; the scores still have these differences. None for one batch.
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
    batch = np.zeros(len(size), np.intp) if batch is None else batch
    share = np.bincount(batch) / len(batch)  # [b]
    scale = _spread(chunks, factor, batch)
    blocks = lambda: (_standardised(block, factor[rows], scale) for rows, block in chunks())
    g = len(scale)
    gram, means, start = np.zeros((g, g), np.float64), np.zeros((len(share), g)), 0
    for Y in blocks():
        gram += Y.T @ Y  # [g, g], product in float32, sum in float64
        means += _by_batch(Y, batch[start : start + len(Y)], len(share))
        start += len(Y)
    n = len(size)
    means /= np.maximum(share * n, 1)[:, None]
    mean = share @ means
    covariance = gram / n - (means.T * share) @ means
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


def _log_normalised(block: Any, factor: np.ndarray) -> sp.csr_matrix:
    B = as_csr(block)  # a new matrix: the caller's counts stay as they are
    B = sp.csr_matrix((np.log1p(B.data * np.repeat(factor, np.diff(B.indptr))), B.indices, B.indptr), shape=B.shape)
    return B


def _spread(chunks: Chunks, factor: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Standard deviation of each log-normalised gene within batches; 1 for a constant one."""
    n, count = len(factor), np.bincount(batch)
    first: np.ndarray | float = 0.0
    second: np.ndarray | float = 0.0
    for rows, block in chunks():
        L = _log_normalised(block, factor[rows])
        first = first + _by_batch(L, batch[rows], len(count))  # [b, g]
        L.data **= 2
        second = second + np.asarray(L.sum(axis=0)).ravel()
    between = (count / n) @ (first / np.maximum(count, 1)[:, None]) ** 2
    sd = np.sqrt(np.maximum(second / n - between, 0.0))
    sd[sd < 1e-8] = 1.0
    return sd


def _by_batch(Y: np.ndarray | sp.csr_matrix, batch: np.ndarray, n_batches: int) -> np.ndarray:
    """Sum of the rows of each batch [b, g], float64."""
    if n_batches == 1:
        return np.asarray(Y.sum(axis=0, dtype=np.float64)).reshape(1, -1)
    return np.stack(
        [np.asarray(Y[np.flatnonzero(batch == b)].sum(axis=0, dtype=np.float64)).ravel() for b in range(n_batches)]
    )


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
