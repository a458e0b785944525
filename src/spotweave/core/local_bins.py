"""Small bins of neighbouring points: a kernel finer than any smooth basis, at the cost of the stored counts."""

import numpy as np
import scipy.sparse as sp

BIN_SIZE = 6
"""Points a bin: a spot and about as many neighbours as on a hexagonal grid."""
N_CUTS = 2
"""Ways of cutting, so that neighbours parted by one share a bin of the other."""
N_SAMPLED = 3000
"""Rows that stand for all in the sum over triangles."""


def neighbor_bins(xy: np.ndarray) -> sp.csr_matrix:
    """Bins of some `BIN_SIZE` neighbouring points, cut once in strips along x and once along y.

    xy : [n, d].  Returns S ``[bins, n]`` of ones. Every point lies in one bin of each cut; bins hold about equally many
    points however dense the tissue is. ``S' S`` is a kernel: 2 for points that share both bins, 1 for one, else 0.
    """
    n, cuts = xy.shape[0], []
    for order in ((0, 1), (1, 0)) if xy.shape[1] > 1 else ((0,), (0,)):
        code = _strips(xy[:, [*order, *range(2, xy.shape[1])]])
        cuts.append(sp.csr_matrix((np.ones(n), (code, np.arange(n))), shape=(code.max() + 1, n)))
    return sp.vstack(cuts, format="csr")


def _strips(xy: np.ndarray) -> np.ndarray:
    """Bin of each point: equal groups along the first axis, each cut into equal groups along the next, and so on."""
    n, d = xy.shape
    groups = max(n / BIN_SIZE, 1) ** (1 / d)
    code = np.zeros(n, dtype=np.intp)
    for axis in range(d):
        order = np.lexsort((xy[:, axis], code))
        first = np.r_[0, np.flatnonzero(np.diff(code[order])) + 1]
        size = np.diff(np.r_[first, n])
        rank = np.arange(n) - np.repeat(first, size)  # within the group
        per = np.repeat(np.maximum(np.rint(size / BIN_SIZE if axis == d - 1 else size * 0 + groups), 1), size)
        part = (rank * per / np.repeat(size, size)).astype(np.intp)
        code[order] = np.unique(code[order] * (n + 1) + part, return_inverse=True)[1].ravel()
    return code


def pair_kernel(bins: sp.csr_matrix) -> sp.csr_matrix:
    """``S' S`` without its diagonal, ``[n, n]`` with some 10 entries a row."""
    K = (bins.T @ bins).tocsr()
    K.setdiag(0)
    K.eliminate_zeros()
    return K


def triangles(K: sp.csr_matrix) -> float:
    """Trace of K cubed; over more than `N_SAMPLED` rows, from evenly spaced ones."""
    n = K.shape[0]
    rows = np.unique(np.linspace(0, n - 1, min(n, N_SAMPLED)).astype(np.intp))
    some = K[rows]
    return float((some @ K).multiply(some).sum() * n / len(rows))
