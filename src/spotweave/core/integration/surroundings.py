"""Embedding of the surroundings of cells, in which cells of several slices are compared."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..directions import leading_axes
from ..propagate import row_normalise
from .slices import centred

N_PROBES = 8  # random vectors that tell how far averaging shrinks noise; their error is below 1 % at 1,000 cells


class View(NamedTuple):
    """Directions in which surroundings are compared."""

    axes: np.ndarray
    """Orthonormal directions of component space [d, r]."""
    gain: np.ndarray
    """Weight of each direction [r], 0 where surroundings differ by noise only, 1 where there is none."""
    noise: float
    """What averaging over the surroundings leaves of the variance of noise: 1 over the cells that count as one."""

    def __call__(self, H: np.ndarray) -> np.ndarray:
        """Coordinates ``[n, r]`` of averaged components ``[n, d]``."""
        return (H @ self.axes) * self.gain


def averaged(P: np.ndarray, W: sp.csr_matrix, n_hops: int) -> np.ndarray:
    """Average components ``[n, d]`` over the graph neighbourhood, the cell included, `n_hops` times."""
    S = row_normalise(W).astype(P.dtype)
    for _ in range(n_hops):
        P = S @ P
    return P


def find_view(
    P: np.ndarray, W: sp.csr_matrix, batch: np.ndarray, *, n_axes: int, n_hops: int, rng: np.random.Generator
) -> View:
    r"""Find the leading directions of averaged components within batches, and how much of each is signal.

    With :math:`\lambda` the variance of averaged components along a direction and :math:`\nu` its part that is noise of
    single cells, the weight is the square of Wiener's :math:`1 - \nu / \lambda`: without it a few dozen directions of
    noise decide who is like whom. The noise of a cell is what its neighbours' mean does not tell about it.

    Parameters
    ----------
    P
        Components ``[n, d]``.
    W
        Symmetric graph ``[n, n]``.
    batch
        Codes ``[n]``; differences between batches are no direction.
    n_axes
        Most directions r.
    n_hops
        How often components are averaged over neighbours.
    rng
        Draws the probes of the averaging.

    Returns
    -------
    Directions and weights.
    """
    Q = centred(P, batch)
    H = centred(averaged(Q, W, n_hops), batch)
    axes = leading_axes(H, min(n_axes, P.shape[1]))
    variance = (H @ axes).var(axis=0)
    probes = rng.choice(np.array([-1.0, 1.0], np.float32), (len(P), N_PROBES))
    left = float(np.square(averaged(probes, W, n_hops)).mean())
    noise = left * _noise(Q @ axes, W)
    gain = np.maximum(1 - noise / np.maximum(variance, 1e-12), 0) ** 2
    gain = gain if gain.max() > 0.05 else np.ones_like(gain)  # noise everywhere: nothing to prefer
    return View(axes, gain.astype(P.dtype), left)


def _noise(C: np.ndarray, W: sp.csr_matrix) -> np.ndarray:
    """Variance of each coordinate about the mean of the neighbours, less the variance of that mean [r]."""
    degree = np.diff(W.indptr)
    inner = degree > 0
    if not inner.any():
        return np.zeros(C.shape[1])
    rest = (C - row_normalise(W, self_loops=False) @ C)[inner]
    return (np.square(rest) / (1 + 1 / degree[inner])[:, None]).mean(axis=0)
