"""Surroundings averaged with those of their counterparts on other slices."""

import numpy as np

from .matches import nearest

CHUNK = 50_000  # rows whose counterparts are held at once


def shared_surroundings(
    H: np.ndarray, E: np.ndarray, batch: np.ndarray, rows: list[np.ndarray], shared: np.ndarray, *, n_neighs: int
) -> np.ndarray:
    r"""Say how far each cell's surroundings lie from the mean of their counterparts in other batches.

    .. math:: \max_q s_{iq} \; \frac{\sum_q s_{iq} (\bar h_{iq} - h_i)}{\sum_q s_{iq}}

    with :math:`\bar h_{iq}` the mean over the cells of batch q that are nearest in the embedding, and :math:`s_{iq}`
    whether cells like i have counterparts there. What one slice measured with noise another one measured again.

    Parameters
    ----------
    H
        Averaged components without batch effect ``[n, d]``.
    E
        Their embedding ``[n, r]``.
    batch
        Codes ``[n]``.
    rows
        Rows of each batch that serve as counterparts.
    shared
        Support s ``[n, b]``.
    n_neighs
        Counterparts in each batch.

    Returns
    -------
    Differences ``[n, d]``; zero for cells without support.
    """
    total, weight = np.zeros_like(H), shared.sum(axis=1)
    for q, sample in enumerate(rows):
        for own in np.array_split(np.flatnonzero((batch != q) & (shared[:, q] > 0)), len(H) // CHUNK + 1):
            near = nearest(E[own], E[sample], n_neighs)  # [m, k]
            mean = np.zeros_like(H[own])
            for column in near.T:
                mean += H[sample[column]] / near.shape[1]
            total[own] += shared[own, q, None] * (mean - H[own])
    scale = np.divide(shared.max(axis=1), weight, out=np.zeros_like(weight), where=weight > 0)
    return (total * scale[:, None]).astype(H.dtype)
