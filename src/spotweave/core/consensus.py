"""Choose among many clusterings by how well they explain the surroundings, and average the chosen ones."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment
from sklearn.metrics import adjusted_rand_score

from .propagate import row_normalise


class Consensus(NamedTuple):
    """Average of the kept clusterings."""

    probability: np.ndarray
    """Soft assignment [n, k]."""
    agreement: float
    """Mean adjusted Rand index between the kept clusterings and the average, 1 = all the same."""
    kept: np.ndarray
    """Positions of the kept clusterings, best first."""
    score: np.ndarray
    """Score of every clustering offered."""


def surroundings(H: np.ndarray, W: sp.csr_matrix, n_hops: int = 2) -> list[np.ndarray]:
    r"""Mean features of the points around each point, the point itself left out.

    Ring h is :math:`(D^{-1} W)^h H` without the term of the point's own features, so that its own noise is not in it.

    Parameters
    ----------
    H
        Features ``[n, d]``.
    W
        Symmetric graph ``[n, n]`` without self loops.
    n_hops
        1 or 2: nearest neighbours, and their neighbours.

    Returns
    -------
    One array ``[n, d]`` for each ring; rows of points that have nobody in the ring are zero.
    """
    N = row_normalise(W, self_loops=False)
    rings, ring = [N @ H], N @ H
    for _ in range(1, n_hops):
        ring = N @ ring
        back = np.asarray(N.multiply(N.T).sum(axis=1))  # probability of stepping out and back
        outside = 1 - back  # about 0 where two steps only lead back, as from the centre of a star: nothing to see there
        rings.append(np.where(outside > 1e-5, (ring - back * H) / np.maximum(outside, 1e-5), 0).astype(H.dtype))
    return rings


def explained(H: np.ndarray, probability: np.ndarray) -> float:
    r"""Say how much of the features a soft clustering explains: :math:`\frac12 \log(|T| / |W|)`.

    T and W are the total covariance and the one within clusters (Wilks' criterion): the gain in log-likelihood per
    row of one Gaussian per cluster with a shared covariance over a single Gaussian, for labels found elsewhere.

    Parameters
    ----------
    H
        Features ``[n, d]``.
    probability
        Soft assignment ``[n, k]``.

    Returns
    -------
    Nats per row, 0 for one cluster.
    """
    count = probability.sum(axis=0)
    used = count > 1e-8
    centred = H - H.mean(axis=0)
    means = (probability[:, used].T @ centred) / count[used, None]
    total = centred.T @ centred / len(H)
    between = (means.T * count[used]) @ means / len(H)
    ridge = 1e-9 * max(np.trace(total) / len(total), 1e-12) * np.eye(len(total))
    return float((np.linalg.slogdet(total + ridge)[1] - np.linalg.slogdet(total - between + ridge)[1]) / 2)


def consensus(clusterings: Sequence[np.ndarray], views: Sequence[np.ndarray], *, n_keep: int = 5) -> Consensus:
    """Keep the clusterings that explain the views best, and average them after matching their labels.

    Parameters
    ----------
    clusterings
        Soft assignments ``[n, k]``, all of one k.
    views
        Features ``[n, d]`` to explain, see `surroundings`; each one counts the same.
    n_keep
        How many to keep.

    Returns
    -------
    The average, how well the kept ones agree with it, and the scores.
    """
    scores = np.array([[explained(H, P) for P in clusterings] for H in views])  # [views, clusterings]
    spread = scores.std(axis=1, keepdims=True)
    standard = (scores - scores.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, 1)
    order = np.argsort(-standard.sum(axis=0), kind="stable")[:n_keep]
    kept = [clusterings[i] for i in order]
    mean = _average(kept)
    hard = mean.argmax(axis=1)
    agreement = np.mean([adjusted_rand_score(hard, P.argmax(axis=1)) for P in kept])
    return Consensus(mean, float(agreement), order, scores.mean(axis=0))


def matching(reference: np.ndarray, probability: np.ndarray) -> np.ndarray:
    """Order of the columns of a soft assignment ``[n, k]`` that overlaps most with the reference (Hungarian method)."""
    return linear_sum_assignment(-(reference.T @ probability))[1]


def _average(clusterings: Sequence[np.ndarray], n_rounds: int = 30) -> np.ndarray:
    mean = clusterings[0]
    for _ in range(n_rounds):
        new = np.mean([P[:, matching(mean, P)] for P in clusterings], axis=0)
        if np.allclose(new, mean, atol=1e-6):
            break
        mean = new
    return mean
