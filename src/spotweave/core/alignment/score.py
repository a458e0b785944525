"""How well two slices agree where they overlap."""

import numpy as np

CEILING = 0.95
"""Correlations count as no higher: smooth features over a small overlap agree by chance."""


def information(r: np.ndarray, *, axis: int = -1, ceiling: float = CEILING) -> np.ndarray:
    r"""Sum over features of :math:`-\tfrac12 \operatorname{sign}(r) \log(1 - r^2)`.

    The mutual information of Gaussian variables with correlations r, negative where they disagree.
    """
    r = np.clip(r, -ceiling, ceiling)
    return (-0.5 * np.sign(r) * np.log1p(-(r**2))).sum(axis=axis)


def slope(r: np.ndarray) -> np.ndarray:
    """Derivative of each term of `information` by its correlation; features that disagree or are flat have none."""
    r = np.clip(r, 0.0, CEILING)
    return r / (1 - r**2)


def correlations(F: np.ndarray, G: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Correlation ``[f]`` of each pair of columns of F and G ``[m, f]``; 0 where one is constant."""
    w = np.full(len(F), 1.0 / max(len(F), 1)) if weights is None else weights / weights.sum()
    F0, G0 = F - w @ F, G - w @ G
    spread = np.sqrt((w @ F0**2) * (w @ G0**2))
    return np.divide(w @ (F0 * G0), spread, out=np.zeros(F.shape[1]), where=spread > 1e-12)
