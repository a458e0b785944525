"""Many small quadratic problems with weights that are not negative, all at once."""

import numpy as np


def solve(H: np.ndarray, b: np.ndarray, W: np.ndarray, *, n_sweeps: int = 15, tolerance: float = 0.0) -> np.ndarray:
    r"""Minimise :math:`\tfrac12 w^T H w - b^T w` over :math:`w \ge 0` by coordinate descent, problem by problem.

    Parameters
    ----------
    H
        Positive semidefinite matrices ``[n, t, t]``, or one for all of them ``[t, t]``.
    b
        ``[n, t]``.
    W
        Where to start ``[n, t]``.
    n_sweeps
        Passes over the t coordinates at most.
    tolerance
        Stop once no weight of a pass moves by more than this share of the greatest weight.

    Returns
    -------
    Weights ``[n, t]``.
    """
    W = np.array(W.T, order="C")  # [t, n], a copy: coordinates are updated one after the other, problems together
    columns = np.ascontiguousarray(np.moveaxis(H if H.ndim == 3 else H[None], 0, -1))  # [t, t, n or 1]
    diagonal = np.maximum(np.einsum("jjn->jn", columns), 1e-30)
    for _ in range(n_sweeps):
        moved = 0.0
        for j in range(len(W)):
            step = (b[:, j] - (columns[j] * W).sum(axis=0)) / diagonal[j]
            new = np.maximum(W[j] + step, 0.0)
            if tolerance:
                moved = max(moved, float(np.abs(new - W[j]).max(initial=0.0)))
            W[j] = new
        if tolerance and moved <= tolerance * W.max(initial=0.0):
            break
    return np.ascontiguousarray(W.T)
