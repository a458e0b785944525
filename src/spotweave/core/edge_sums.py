"""Sums over the edges of a graph, for all genes at once: all that Moran's I and Geary's C need, from one product."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .._check import fail

FULL = 0.12
"""Share of points with a value above which a gene goes through the dense product: measured, equal cost there."""
BLOCK_ENTRIES = 500_000
"""Values of a dense block of genes: some 4 MB, near the processor."""
MOST_PRODUCTS = 4_000_000
"""Stored entries of the sparse product held at a time: some 50 MB."""
MOST_THREADS = 4
"""Each holds two dense blocks."""
CONSTANT = 1e-10
"""Standard deviation, as a part of the mean, below which a gene is constant: the rest is rounding."""


class Weights(NamedTuple):
    """A graph without its diagonal, and the sums that moments of edge statistics are made of."""

    upper: sp.csr_matrix
    """``w_ik + w_ki`` above the diagonal ``[n, n]``: each pair of points once."""
    margins: np.ndarray
    """Weight of the edges from and to each point, ``w_i. + w_.i`` ``[n]``."""
    s0: float
    """Sum of all weights."""
    s1: float
    """``sum_ik (w_ik + w_ki)^2 / 2``."""
    s2: float
    """``sum_i (w_i. + w_.i)^2``."""


class EdgeSums(NamedTuple):
    """Of each gene ``[g]``, with z its values less their mean."""

    mean: np.ndarray
    square: np.ndarray
    """Sum of z squared."""
    fourth: np.ndarray
    """Sum of z to the fourth."""
    margin_square: np.ndarray
    """``sum_i (w_i. + w_.i) z_i^2``."""
    product: np.ndarray
    """``sum_ik w_ik z_i z_k``."""

    def varies(self, n: int) -> np.ndarray:
        """Which genes are not constant over the `n` points, ``[g]``."""
        return self.square > n * (CONSTANT * self.mean) ** 2

    def kurtosis(self, n: int) -> np.ndarray:
        """``n sum z^4 / (sum z^2)^2`` ``[g]``; 0 for a constant gene."""
        return np.divide(n * self.fourth, self.square**2, out=np.zeros(len(self.mean)), where=self.varies(n))


def weights(W: sp.csr_matrix, n: int) -> Weights:
    """Sum up a graph.

    Parameters
    ----------
    W
        Weights ``[n, n]``; row i holds the neighbours of i, need not be symmetric. The diagonal is ignored.
    n
        Number of points, at least 4.

    Returns
    -------
    The graph in the form that `edge_sums` takes.
    """
    if n < 4:
        raise fail("at least 4 points", f"{n}")
    if W.shape != (n, n):
        raise fail(f"weights between all of the {n} points", f"shape {list(W.shape)}")
    W = sp.csr_matrix(W, dtype=np.float64)
    upper = sp.csr_matrix(sp.triu(W + W.T, k=1))
    s0 = float(upper.sum())
    if s0 == 0:
        raise fail("a graph with at least one edge between two points", "none")
    margins = np.asarray(upper.sum(axis=0)).ravel() + np.asarray(upper.sum(axis=1)).ravel()
    return Weights(upper, margins, s0, float((upper.data**2).sum()), float((margins**2).sum()))


def edge_sums(X: np.ndarray | sp.csr_matrix, graph: Weights) -> EdgeSums:
    r"""Sums of squares of each gene and of its products along the edges.

    As ``w_ik`` and ``w_ki`` multiply the same pair, half of a symmetric graph is enough. Genes seen in many points
    are centred and multiplied as dense blocks of a few genes; the others stay sparse and are centred on the sums,

    .. math:: \sum_{ik} w_{ik} z_i z_k = \sum_{ik} w_{ik} x_i x_k - \bar x \sum_i (w_{i\cdot} + w_{\cdot i}) x_i
              + \bar x^2 S_0

    Blocks depend on the data alone, so that the result is the same for any number of threads.

    Parameters
    ----------
    X
        Values ``[n, g]``, dense (a block of genes) or sparse (all genes).
    graph
        The graph from `weights`.

    Returns
    -------
    Sums over points and edges, float64.
    """
    return _sparse_sums(_canonical(X), graph) if sp.issparse(X) else _dense_sums(np.asarray(X), graph)


def _dense_sums(X: np.ndarray, graph: Weights) -> EdgeSums:
    if not X.shape[1]:
        return EdgeSums(*np.zeros((5, 0)))

    def sums(genes: slice) -> np.ndarray:
        B = X[:, genes].astype(np.float64)
        mean = B.mean(axis=0)
        B -= mean
        squares = B**2
        column_sums = (squares.sum(axis=0), (squares**2).sum(axis=0), graph.margins @ squares)
        return np.stack([mean, *column_sums, _products(B, graph)])

    return EdgeSums(*np.concatenate(_over_blocks(sums, *X.shape), axis=1))


def _sparse_sums(X: sp.csc_matrix, graph: Weights) -> EdgeSums:
    n, g = X.shape
    ones = np.ones(n)
    n_stored = np.diff(X.indptr)
    mean = X.T @ ones / n
    square = (X.data - np.repeat(mean, n_stored)) ** 2
    total = lambda values, w: sp.csc_matrix((values, X.indices, X.indptr), shape=X.shape).T @ w  # [g]
    unseen = graph.margins.sum() - total(np.ones(X.nnz), graph.margins)  # margins of the points without a value
    margin_square = total(square, graph.margins) + unseen * mean**2
    squares = total(square, ones) + (n - n_stored) * mean**2
    fourth = total(square**2, ones) + (n - n_stored) * mean**4
    product = np.zeros(g)
    full = n_stored > FULL * n
    product[full] = _full_products(X[:, full], mean[full], graph)
    product[~full] = _thin_products(X[:, ~full], mean[~full], graph)
    return EdgeSums(mean, squares, fourth, margin_square, product)


def _canonical(X: sp.csr_matrix) -> sp.csc_matrix:
    X = sp.csc_matrix(X, dtype=np.float64)
    if not X.has_canonical_format:
        X = X.copy()  # the caller's matrix stays as it is
        X.sum_duplicates()
    return X


def _full_products(X: sp.csc_matrix, mean: np.ndarray, graph: Weights) -> np.ndarray:
    """Sum of ``w_ik z_i z_k`` ``[g]`` by dense blocks of genes."""
    if not X.shape[1]:
        return np.zeros(0)
    products = lambda genes: _products(X[:, genes].toarray(order="C") - mean[genes], graph)
    return np.concatenate(_over_blocks(products, *X.shape))


def _thin_products(X: sp.csc_matrix, mean: np.ndarray, graph: Weights) -> np.ndarray:
    """The same by sparse products, a few rows at a time: ``W X`` is fuller than X."""
    n, g = X.shape
    centring = mean**2 * graph.s0 - mean * (X.T @ graph.margins)
    X = X.tocsr()
    per_row = min(g, X.nnz / n * graph.upper.nnz / n)  # entries of a row of W X, at most
    step = int(MOST_PRODUCTS / (per_row + 1)) + 1
    total = np.zeros(g)
    for start in range(0, n, step):
        rows = slice(start, start + step)
        total += np.asarray(X[rows].multiply(graph.upper[rows] @ X).sum(axis=0)).ravel()
    return total + centring


def _products(Z: np.ndarray, graph: Weights) -> np.ndarray:
    return np.einsum("ij,ij->j", Z, graph.upper @ Z)


def _over_blocks(function: Callable[[slice], np.ndarray], n: int, g: int) -> list[np.ndarray]:
    """Values of `function` at blocks of genes, in order; numpy and scipy let threads run side by side."""
    width = int(np.clip(BLOCK_ENTRIES // n, 8, 128))
    blocks = [slice(start, min(start + width, g)) for start in range(0, g, width)]
    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, blocks))
