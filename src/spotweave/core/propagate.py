"""Operators on a graph: symmetrise, normalise, average features over neighbourhoods."""

from typing import Literal, overload

import numpy as np
import scipy.sparse as sp

from .._check import check_choice, check_range, fail


def symmetrise(W: sp.csr_matrix, how: Literal["union", "mutual"] = "union") -> sp.csr_matrix:
    """Make a directed graph undirected.

    Parameters
    ----------
    W
        Weights ``[n, n]``, not negative.
    how
        ``"union"`` keeps an edge that either end has (the larger weight), ``"mutual"`` one that both ends have (the
        smaller weight; may isolate points).

    Returns
    -------
    Symmetric weights ``[n, n]`` without stored zeros.
    """
    check_choice(how, ["union", "mutual"], "how")
    result = W.maximum(W.T) if how == "union" else W.minimum(W.T)
    result = sp.csr_matrix(result)
    result.eliminate_zeros()
    return result


def row_normalise(W: sp.csr_matrix, *, self_loops: bool = True) -> sp.csr_matrix:
    """Divide each row by its sum: ``P = D^-1 (W + I)``, or ``D^-1 W`` without self loops.

    Parameters
    ----------
    W
        Weights ``[n, n]``, not negative.
    self_loops
        Add 1 to the diagonal first, so that a point counts itself as one neighbour of weight 1.

    Returns
    -------
    Rows that sum to 1. An isolated point keeps its own value (with self loops) or has an empty row (without).
    """
    A = _with_loops(W) if self_loops else sp.csr_matrix(W)
    return sp.csr_matrix(_scaled(A, _degrees(A), power=-1.0))


def sym_normalise(W: sp.csr_matrix) -> sp.csr_matrix:
    """``D^-1/2 (W + I) D^-1/2`` with D the row sums of ``W + I`` (Kipf and Welling 2017, eq. 2).

    Parameters
    ----------
    W
        Symmetric weights ``[n, n]``, not negative. A directed graph should be symmetrised first: its result is
        not symmetric, and its eigenvalues may leave [-1, 1].

    Returns
    -------
    Operator ``[n, n]`` with eigenvalues in (-1, 1].
    """
    A = _with_loops(W)
    degrees = _degrees(A)
    A = _scaled(A, degrees, power=-0.5)
    A.data *= _power(degrees, -0.5)[A.indices]
    return A


def n_isolated(W: sp.csr_matrix) -> int:
    """Count points without any neighbour but themselves.

    Parameters
    ----------
    W
        Weights ``[n, n]``; row i holds the neighbours of i.

    Returns
    -------
    Number of rows without an edge off the diagonal. An edge of stored weight 0 counts.
    """
    stored = np.diff(W.indptr)
    rows = np.repeat(np.arange(W.shape[0]), stored)
    loops = np.bincount(rows[rows == W.indices], minlength=W.shape[0])
    return int((stored == loops).sum())


def max_in_degree(W: sp.csr_matrix) -> int:
    """Count the rows that hold the most popular point: a hub is a neighbour of very many.

    Parameters
    ----------
    W
        Directed graph ``[n, n]`` with k neighbours a row.

    Returns
    -------
    Largest number of stored entries in a column: k where nobody is popular, up to n - 1.
    """
    return int(np.bincount(W.indices, minlength=1).max())


@overload
def propagate(X: np.ndarray, W: sp.csr_matrix, n_hops: int) -> np.ndarray: ...
@overload
def propagate(X: sp.csr_matrix, W: sp.csr_matrix, n_hops: int) -> sp.csr_matrix: ...
def propagate(X: np.ndarray | sp.csr_matrix, W: sp.csr_matrix, n_hops: int) -> np.ndarray | sp.csr_matrix:
    """``W^n_hops X`` by repeated products.

    Parameters
    ----------
    X
        Features ``[n, d]``, dense or CSR. Reduce the genes first: each hop fills a sparse matrix further.
    W
        Operator ``[n, n]``, see `row_normalise` and `sym_normalise`.
    n_hops
        How often; 0 returns `X` itself.

    Returns
    -------
    ``[n, d]`` of the kind of `X`, float32 only when both are.
    """
    check_range(n_hops, "n_hops", low=0, integer=True)
    if X.shape[0] != W.shape[0]:
        raise fail(f"features with a row for each of the {W.shape[0]} points of the graph", f"{X.shape[0]} rows")
    for _ in range(n_hops):
        X = W @ X  # [n, d]
    return X


def _with_loops(W: sp.csr_matrix) -> sp.csr_matrix:
    return sp.csr_matrix(W + sp.identity(W.shape[0], dtype=W.dtype, format="csr"))


def _degrees(A: sp.csr_matrix) -> np.ndarray:
    return np.asarray(A.sum(axis=1)).ravel()


def _scaled(A: sp.csr_matrix, degrees: np.ndarray, *, power: float) -> sp.csr_matrix:
    """Multiply row i by ``degrees[i] ** power``, as a new matrix."""
    factor = np.repeat(_power(degrees, power), np.diff(A.indptr))
    return sp.csr_matrix((A.data * factor, A.indices.copy(), A.indptr.copy()), shape=A.shape)


def _power(degrees: np.ndarray, power: float) -> np.ndarray:
    result = np.zeros(len(degrees), np.result_type(degrees, np.float32))
    np.power(degrees, power, out=result, where=degrees > 0)
    return result
