"""Gaussian kernels of several length scales, cut to smooth functions of position, and what their sums need."""

from typing import NamedTuple

import numpy as np

from .spatial_basis import Waves, orthonormal

CHUNK = 16_384
"""Rows at a time."""
N_SAMPLED = 64
"""Rows that stand for all in the sum of the kernel's cubes."""


class SmoothKernels(NamedTuple):
    """``K_k = B diag(spectrum_k) B'`` for k of C length scales; sums go over pairs of different points."""

    functions: np.ndarray
    """B ``[n, m]``, orthonormal, orthogonal to q."""
    spectrum: np.ndarray
    """``[m, C]``"""
    diagonal: np.ndarray
    """``K_ii`` ``[n, C]``."""
    pairs: np.ndarray
    """Sum of ``K_k K_l`` over pairs ``[C, C]``."""
    triangles: np.ndarray
    """Sum of ``K_ij K_jh K_hi`` over triples ``[C]``."""
    cubes: np.ndarray
    """Sum of ``K_ij^3`` over pairs ``[C]``."""
    mean: np.ndarray
    """Of ``sum K_ij e_i e_j`` ``[C]``, in units of the variance of e: not 0, since the residuals add up to 0."""


def gaussian_spectrum(frequency: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Fourier transform of ``exp(-d^2 / 2 l^2)`` at each frequency ``[m, C]``, 1 at frequency 0."""
    return np.exp(-2 * (np.pi * np.outer(frequency, scales)) ** 2)


def smooth_kernels(xy: np.ndarray, q: np.ndarray, waves: Waves, scales: np.ndarray) -> SmoothKernels:
    """Make the waves times q orthonormal and orthogonal to q, and sum up the kernels over them.

    xy : [n, d].  q : [n], how a change of log expression shows in the residuals.  scales : [C], standard deviations
    of the Gaussians.
    """
    n = len(q)
    blocks = [slice(start, start + CHUNK) for start in range(0, n, CHUNK)]
    gram = np.zeros((len(waves.frequency) + 1,) * 2)
    for rows in blocks:
        values = _values(xy[rows], q[rows], waves)
        gram += values.T @ values
    mix, kept = orthonormal(gram)
    spectrum = gaussian_spectrum(waves.frequency[kept[1:] - 1], scales)
    B, diagonal, squared = np.empty((n, len(kept) - 1)), np.empty((n, len(scales))), np.empty((n, len(scales)))
    for rows in blocks:
        B[rows] = _values(xy[rows], q[rows], waves)[:, kept] @ mix[:, 1:]
        diagonal[rows], squared[rows] = B[rows] ** 2 @ spectrum, B[rows] ** 2 @ spectrum**2
    pairs = spectrum.T @ spectrum - diagonal.T @ diagonal
    triangles = (spectrum**3).sum(axis=0) - 3 * (diagonal * squared).sum(axis=0) + 2 * (diagonal**3).sum(axis=0)
    mean = q**2 @ diagonal / max(float(q @ q), 1e-300)
    return SmoothKernels(B, spectrum, diagonal, pairs, triangles, _cubes(B, spectrum), mean)


def _values(xy: np.ndarray, q: np.ndarray, waves: Waves) -> np.ndarray:
    return np.column_stack([q, q[:, None] * waves(xy)])


def _cubes(B: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    n, total = len(B), np.zeros(spectrum.shape[1])
    some = np.unique(np.linspace(0, n - 1, min(n, N_SAMPLED)).astype(np.intp))
    for k, weights in enumerate(spectrum.T):
        left = B[some] * weights
        for start in range(0, n, CHUNK):
            K = left @ B[start : start + CHUNK].T
            inside = (some >= start) & (some < start + CHUNK)
            K[inside, some[inside] - start] = 0
            total[k] += (K * K * K).sum()
    return total * n / len(some)
