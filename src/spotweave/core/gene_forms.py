"""Quadratic forms of each gene's residuals over pairs of points, and their moments without spatial order."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .local_bins import N_CUTS, neighbor_bins, pair_kernel, triangles
from .score_residuals import Weights, power, residual_moments
from .smooth_kernels import SmoothKernels

FEWEST_OCCUPIED = 3
"""Points with a molecule of the gene, below which no pattern can be told from chance."""
CONSTANT = 1e-10
"""Residual sum of squares, as a part of the sum of squares, below which a gene is constant: the rest is rounding."""


class LocalKernel(NamedTuple):
    """``S' S`` of small bins, and its sums over pairs and triples of different points."""

    bins: sp.csr_matrix
    """S ``[bins, n]``."""
    pairs: float
    triangles: float
    cubes: float


class Kernels(NamedTuple):
    """All channels for one group of genes in one library: the smooth scales, then the local one."""

    smooth: SmoothKernels
    local: LocalKernel
    pairs: np.ndarray
    """Sum of ``K_k K_l`` over pairs of different points ``[C, C]``."""


class GeneForms(NamedTuple):
    """Of each gene and channel ``[g, C]``; they add up over libraries. All 0 where the gene cannot be tested."""

    form: np.ndarray
    """Sum of ``K_ij e_i e_j`` over pairs of different points, less its mean."""
    variance: np.ndarray
    cumulant: np.ndarray
    """The third."""
    sparse: np.ndarray
    """That part of the third cumulant which comes from the gene's own skewness."""
    signal: np.ndarray
    """Sum of squares of the smooth pattern beyond noise ``[g, 1]``."""
    norm: np.ndarray
    """What `signal` is for relative changes of expression by 100 % everywhere ``[g, 1]``."""


def local_kernel(xy: np.ndarray) -> LocalKernel:
    """Kernel of small bins over the points ``[n, d]`` of one library."""
    bins = neighbor_bins(xy)
    K = pair_kernel(bins)
    return LocalKernel(bins, float(power(K, 2).sum()), triangles(K), float(power(K, 3).sum()))


def all_kernels(smooth: SmoothKernels, local: LocalKernel) -> Kernels:
    """Put channels side by side, with their products."""
    binned = local.bins @ smooth.functions
    cross = (binned**2).sum(axis=0) @ smooth.spectrum - N_CUTS * smooth.diagonal.sum(axis=0)
    return Kernels(
        smooth, local, np.block([[smooth.pairs, cross[:, None]], [cross[None, :], np.array([[local.pairs]])]])
    )


def gene_forms(Y: sp.csr_matrix, depth: np.ndarray, weights: Weights, kernels: Kernels) -> GeneForms:
    r"""Test statistics of some genes on the points of one library.

    .. math:: T_k = \frac1{\hat\sigma^2} \sum_{i \ne j} K^k_{ij} e_i e_j - \mathrm{E}, \qquad
              \mathrm{Var}\,T_k = 2 \sum_{i \ne j} (K^k_{ij})^2 \, d, \qquad
              \kappa_3 = 8 \sum K^k_{ij} K^k_{jh} K^k_{hi} + 4 \gamma^2 \sum_{i \ne j} (K^k_{ij})^3

    for exchangeable residuals e of skewness :math:`\gamma` and :math:`d = E[e_i^2 e_j^2] / E[e^2]^2`. Without the
    diagonal i = j the variance does not grow with their kurtosis. Residuals are not made: each sum is one over the
    counts, less terms of the gene's share.

    Y : [g, n] csr.  depth : [n].
    """
    n = Y.shape[1]
    powers = [Y, *(power(Y, k) for k in (2, 3, 4))]
    moments = residual_moments(powers, depth, weights)
    enough = np.diff(Y.indptr) >= FEWEST_OCCUPIED
    tested = (enough & (moments.square > CONSTANT * (powers[1] @ weights.w**2)))[:, None]
    variance = np.where(tested, moments.square[:, None] / (n - 1), 1)
    weighted = sp.csr_matrix((Y.data * weights.w[Y.indices], Y.indices, Y.indptr), shape=Y.shape)
    squares = (weighted @ kernels.smooth.functions) ** 2  # [g, m], m coefficients
    smooth = squares @ kernels.smooth.spectrum - _diagonal(powers, weights, moments.share, kernels.smooth.diagonal)
    local, mean = _local(weighted, weights.q, moments.share, moments.square, kernels.local.bins)
    form = np.column_stack([smooth / variance - kernels.smooth.mean, local[:, None] / variance - mean])
    skewed = np.outer(moments.skewness**2, 4 * np.r_[kernels.smooth.cubes, kernels.local.cubes])
    plain = 8 * np.r_[kernels.smooth.triangles, kernels.local.triangles]
    total, m = squares.sum(axis=1), squares.shape[1]
    noise = np.maximum(moments.square - total, 0) / max(n - 1 - m, 1)
    found = GeneForms(
        form,
        np.outer(moments.distinct, 2 * np.diag(kernels.pairs)),
        plain + skewed,
        skewed,
        (total - m * noise)[:, None],
        (moments.share**2 * (weights.q @ weights.q))[:, None],
    )
    return GeneForms(*(np.where(tested, values, 0) for values in found))


def _diagonal(powers: list[sp.csr_matrix], weights: Weights, share: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    """Sum of ``K_ii e_i^2`` ``[g, C]``."""
    w, q, p = weights.w[:, None], weights.q[:, None], share[:, None]
    linear = powers[0] @ (diagonal * w * q)
    return powers[1] @ (diagonal * w**2) - 2 * p * linear + p**2 * (weights.q**2 @ diagonal)


def _local(
    weighted: sp.csr_matrix, q: np.ndarray, share: np.ndarray, square: np.ndarray, bins: sp.csr_matrix
) -> tuple[np.ndarray, float]:
    """Sum of e_i e_j over pairs that share bins ``[g]``, and its mean in units of the variance of e."""
    binned, expected = (weighted @ bins.T).tocsr(), bins @ q
    whole = np.asarray(power(binned, 2).sum(axis=1)).ravel()
    whole += share**2 * (expected @ expected) - 2 * share * (binned @ expected)
    norm = max(float(q @ q), 1e-300)
    return whole - N_CUTS * square, float(N_CUTS - expected @ expected / norm)
