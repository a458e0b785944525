"""Directions in which cells of one type differ: what spots may differ in without a change of composition."""

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from .reference import Reference

CLIP = 5.0
"""Standardised residuals are cut there: one cell's one gene must not rule."""
MOST_CELLS = 3_000


def within_types(
    R: sp.csr_matrix,
    labels: np.ndarray,
    S: np.ndarray,
    reference: Reference,
    n_directions: int,
    rng: np.random.Generator,
) -> np.ndarray:
    r"""Leading directions of the residuals of cells around the signature of their type.

    Parameters
    ----------
    R
        Counts of cells ``[m, g]``.
    labels
        Type of each cell ``[m]``.
    S
        Signatures ``[t, g]``.
    reference
        Summary of the cells, for dispersions.
    n_directions
        How many; fewer where the cells are too few.
    rng
        Chooses cells where there are more than 3,000, and starts the decomposition.

    Returns
    -------
    Orthonormal rows ``[q, g]``, in units of :math:`(x - \mu) / \sqrt{\mu + \phi \mu^2}` of each gene.
    """
    if R.shape[0] > MOST_CELLS:
        rows = np.sort(rng.choice(R.shape[0], MOST_CELLS, replace=False))
        R, labels = R[rows], labels[rows]
    present, labels = np.unique(labels, return_inverse=True)
    q = min(n_directions, R.shape[0] - len(present) - 1, R.shape[1] - 1)
    if q < 1:
        return np.zeros((0, R.shape[1]))
    depth = np.asarray(R.sum(axis=1), np.float32).ravel()
    mu = np.maximum(S[present][labels].astype(np.float32) * depth[:, None], 1e-12)
    Z = np.clip((R.toarray() - mu) / np.sqrt(mu * (1 + reference.dispersion.astype(np.float32) * mu)), -CLIP, CLIP)
    for t in range(len(present)):
        Z[labels == t] -= Z[labels == t].mean(axis=0)
    # noise is nearly as long in every direction: only the exact leading ones are of use, random projections miss them
    V = svds(Z, q, v0=rng.standard_normal(min(Z.shape)).astype(np.float32))[2]
    return V[::-1].astype(np.float64)
