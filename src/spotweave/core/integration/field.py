"""Displacements of batches against each other, by least squares over all pairs of batches at once."""

from collections.abc import Callable, Sequence

import numpy as np

from .matches import Matches

Features = Callable[[np.ndarray], np.ndarray]


def displacement(
    E: np.ndarray,
    H: np.ndarray,
    matches: Sequence[Matches],
    weights: Sequence[np.ndarray],
    *,
    features: Features,
    n_batches: int,
    ridge: np.ndarray,
) -> np.ndarray:
    r"""Fit how far each batch lies off, as a linear function of features of the place.

    Minimises, over the coefficients :math:`C_b`,

    .. math:: \sum_{(i,j)} w_{ij} \| h_i - h_j - f(m_{ij})^\top (C_{b(i)} - C_{b(j)}) \|^2
        + \sum_b \operatorname{tr} C_b^\top \Lambda C_b

    with :math:`m_{ij}` the midpoint of a matched pair. Seen from the midpoint the noise of either end cancels; seen
    from one end it would look like a batch that is stretched.

    Parameters
    ----------
    E
        Embedding ``[n, r]`` that the features are functions of.
    H
        What is displaced ``[n, d]``.
    matches
        Pairs.
    weights
        Weight of each pair, for each entry of `matches`.
    features
        Maps ``[m, r]`` to ``[m, f]``.
    n_batches
        Number of batches b.
    ridge
        Diagonal of :math:`\Lambda` ``[f]``, positive.

    Returns
    -------
    Coefficients ``[b, f, d]``; a batch without matches gets zeros.
    """
    f, d = len(ridge), H.shape[1]
    A, R = np.zeros((n_batches, f, n_batches, f)), np.zeros((n_batches, f, d))
    for m, w in zip(matches, weights, strict=True):
        F = features((E[m.i] + E[m.j]) / 2)
        Fw = F * w[:, None]
        G, g = F.T @ Fw, Fw.T @ (H[m.i] - H[m.j])
        p, q = m.first, m.second
        A[p, :, p] += G
        A[q, :, q] += G
        A[p, :, q] -= G
        A[q, :, p] -= G
        R[p] += g
        R[q] -= g
    full = A.reshape(n_batches * f, n_batches * f)
    full[np.diag_indices(len(full))] += np.tile(ridge, n_batches)
    return np.linalg.solve(full, R.reshape(-1, d)).reshape(n_batches, f, d)


def robust(E: np.ndarray, m: Matches, *, n_steps: int = 3) -> np.ndarray:
    """Weights of pairs that lie apart as most pairs do; one at twice the median distance from it counts a quarter."""
    apart, centre, w = E[m.i] - E[m.j], np.zeros(E.shape[1]), m.weight
    for _ in range(n_steps):
        distance = np.linalg.norm(apart - centre, axis=1)
        w = m.weight * np.minimum(1, (np.median(distance) / np.maximum(distance, 1e-12)) ** 2)
        centre = w @ apart / w.sum()
    return w
