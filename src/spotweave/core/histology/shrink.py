"""How far to trust each predictor of each program, learned from rows that were held out."""

import numpy as np
from scipy.optimize import nnls


def stacking_weights(held_out: np.ndarray, truth: np.ndarray) -> np.ndarray:
    r"""Weigh predictors by what they were worth on held-out rows.

    For each target :math:`t` minimises :math:`\|y_t - \sum_p w_{pt} \hat y_{pt}\|^2` over :math:`w \geq 0`,
    :math:`\sum_p w_{pt} \leq 1` (stacked regression, Breiman 1996, Machine Learning 24:49). The bound keeps a
    prediction from being blown up. A target that no predictor can tell is predicted near its mean: what departs far
    from it gets a weight near 0. (What hardly departs may get any weight: weights are no evidence.)

    Parameters
    ----------
    held_out
        Predictions of rows by models that had not seen their fold ``[p, n, t]``.
    truth
        What they predicted ``[n, t]``.

    Returns
    -------
    Weights ``[p, t]``.
    """
    p, n, t = held_out.shape
    weights = np.empty((p, t))
    for k in range(t):
        A, y = held_out[:, :, k].T, truth[:, k]
        weights[:, k] = nnls(A, y)[0]
        if weights[:, k].sum() > 1:
            weights[:, k] = _on_simplex(A, y)
    return weights


def _on_simplex(A: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Solve with the sum of weights at 1: a heavy row asks for it, as usual for equality-constrained least squares."""
    heavy = 1e4 * max(np.sqrt((A * A).sum(axis=0).max()), 1e-12)
    w = nnls(np.vstack([A, np.full((1, A.shape[1]), heavy)]), np.append(y, heavy))[0]
    return w / w.sum()
