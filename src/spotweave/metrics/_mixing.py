"""How well batches are mixed in a feature space, and whether what was apart in one batch still is."""

import math
from typing import Any

import numpy as np
from scipy.stats import chi2
from sklearn import metrics as skm

from .._check import check_range, fail
from ..core.feature_graph import feature_knn
from ._codes import codes_of
from ._domains import asw

MOST_WEIGHTS = 4_000_000  # of neighbours held at once: 32 MB
BISECTIONS = 50


def ilisi(
    H: np.ndarray, batch: Any, *, perplexity: float = 30, scaled: bool = False, rng: int | np.random.Generator = 0
) -> float:
    r"""Integration LISI (Korsunsky et al. 2019): how many batches there are, effectively, around a row.

    .. math:: \frac{1}{n} \sum_i \Big(\sum_b \Big(\sum_{j \in N_i,\, b_j = b} w_{ij}\Big)^2\Big)^{-1}, \quad
              w_{ij} \propto e^{-\beta_i \lVert h_i - h_j \rVert}

    over the ``3 perplexity`` nearest rows :math:`N_i`, where :math:`\beta_i` gives the weights, which sum to 1, the
    entropy ``log(perplexity)``. Mean over rows; scIB (Luecken et al. 2022) takes the median.

    Parameters
    ----------
    H
        Features ``[n, d]``.
    batch
        Batches ``[n]``; rows where they are missing are dropped.
    perplexity
        Effective number of neighbours, above 1; of fewer than ``3 perplexity`` other rows, a third.
    scaled
        Return ``(ilisi - 1) / (B - 1)`` of B batches, as scIB: 0 when they are apart, 1 when mixed in equal parts. NaN
        for one batch.
    rng
        Seed of the search for neighbours among more than 30,000 rows.

    Returns
    -------
    From 1 to the number of batches, which is reached only where all are of one size.
    """
    check_range(perplexity, "perplexity", low=1.01)
    H, codes = _rows(H, batch)
    n, n_batches = len(H), codes.max() + 1
    k = min(math.ceil(3 * perplexity), n - 1)
    if k < 4:
        raise fail("at least 5 rows with a batch", f"{n}")
    D = feature_knn(H, n_neighs=k, metric="euclidean", rng=rng).distances
    size, total = max(1, MOST_WEIGHTS // k), 0.0
    for start in range(0, n, size):
        rows = slice(start, start + size)
        near, batches = D[rows].data.reshape(-1, k), codes[D[rows].indices].reshape(-1, k)
        weight = _weights(near, min(perplexity, k / 3))
        shares = np.stack([(weight * (batches == b)).sum(axis=1) for b in range(n_batches)])
        total += (1 / np.square(shares).sum(axis=0)).sum()
    mean = float(total / n)
    if scaled:
        return (mean - 1) / (n_batches - 1) if n_batches > 1 else float("nan")
    return mean


def kbet(
    H: np.ndarray,
    batch: Any,
    *,
    n_neighs: int | None = None,
    alpha: float = 0.05,
    rng: int | np.random.Generator = 0,
) -> float:
    r"""Acceptance rate of kBET (Büttner et al. 2019): rows around which batches are met as often as overall.

    The batches of the k nearest rows, with :math:`k_{ib}` of batch b, are compared with their shares :math:`f_b` of
    all rows,

    .. math:: \sum_b \frac{(k_{ib} - k f_b)^2}{k f_b} \sim \chi^2_{B - 1}

    In the original a random tenth of the rows is tested, here each. Neighbours in smoothed features are not drawn
    independently, so that even perfect mixing is often rejected: for comparison only.

    Parameters
    ----------
    H
        Features ``[n, d]``.
    batch
        Batches ``[n]``; rows where they are missing are dropped.
    n_neighs
        Neighbours of a row; None: a quarter of the mean batch, at least 10 and at most 70 (as in scIB).
    alpha
        Level of the test.
    rng
        Seed of the search for neighbours among more than 30,000 rows.

    Returns
    -------
    Share of rows that are not rejected: at most about ``1 - alpha``; NaN for one batch.
    """
    H, codes = _rows(H, batch)
    size = np.bincount(codes)
    if n_neighs is None:
        n_neighs = int(np.clip(len(H) // (4 * len(size)), 10, 70))
    check_range(n_neighs, "n_neighs", low=1, integer=True)
    check_range(alpha, "alpha", low=0, high=1)
    if len(size) < 2:
        return float("nan")
    W = feature_knn(H, n_neighs=n_neighs, metric="euclidean", rng=rng).connectivities
    found = W @ np.eye(len(size))[codes]
    expected = found.sum(axis=1, keepdims=True) * size / len(H)
    pvalue = chi2.sf((np.square(found - expected) / expected).sum(axis=1), len(size) - 1)
    return float((pvalue >= alpha).mean())


def batch_asw(
    H: np.ndarray,
    batch: Any,
    labels: Any = None,
    *,
    n_max: int = 5_000,
    rng: int | np.random.Generator = 0,
) -> float:
    r"""Batch silhouette of scIB (Luecken et al. 2022): batches that lie in one another within each label.

    .. math:: \frac{1}{L} \sum_l \frac{1}{n_l} \sum_{i \in l} (1 - \lvert s_i \rvert)

    with :math:`s_i` the silhouette width of a row among the batches of its label.

    Parameters
    ----------
    H
        Features ``[n, d]``.
    batch
        Batches ``[n]``; rows where they are missing are dropped.
    labels
        Labels ``[n]``, such as domains; rows where they are missing are dropped, labels within one batch (or of one
        row each) are left out. None: one label for all.
    n_max
        Time is quadratic, so of more rows a random sample of this size is scored.
    rng
        Seed of the sample.

    Returns
    -------
    From 0 (apart) to 1 (mixed); NaN when no label is in two batches.
    """
    batch = np.asarray(batch, dtype=object)
    label, labelled = codes_of(np.zeros(len(batch)) if labels is None else labels)
    if len(labelled) != len(batch):
        raise fail(f"labels for each of {len(batch)} batches", f"{len(labelled)}")
    H, codes = _rows(H, np.where(labelled, batch, None))
    label = label[codes_of(batch[labelled])[1]]
    if len(H) > n_max:
        sample = np.sort(np.random.default_rng(rng).choice(len(H), n_max, replace=False))
        H, codes, label = H[sample], codes[sample], label[sample]
    scores = []
    for own in (label == name for name in np.unique(label)):
        if 1 < len(np.unique(codes[own])) < own.sum():
            scores.append(1 - np.abs(skm.silhouette_samples(H[own], codes[own])).mean())
    return float(np.mean(scores)) if scores else float("nan")


def label_asw(H: np.ndarray, labels: Any, *, n_max: int = 5_000, rng: int | np.random.Generator = 0) -> float:
    """Label silhouette of scIB (Luecken et al. 2022), ``(asw + 1) / 2``: domains that lie apart; see `asw`.

    Parameters
    ----------
    H
        Features ``[n, d]``.
    labels
        Labels ``[n]``, such as domains; rows where they are missing are dropped.
    n_max
        Time is quadratic, so of more rows a random sample of this size is scored.
    rng
        Seed of the sample.

    Returns
    -------
    From 0 to 1, 1/2 for chance; NaN for one label.
    """
    return (asw(H, labels, n_max=n_max, rng=rng) + 1) / 2


def neighbors_kept(
    H_before: np.ndarray,
    H_after: np.ndarray,
    library: np.ndarray | None = None,
    *,
    n_neighs: int = 30,
    rng: int | np.random.Generator = 0,
) -> float:
    """Share of the nearest rows of the same slide that still are among the nearest after a correction.

    A correction that only moves slides against each other keeps all of them; one that mixes by forgetting does not.

    Parameters
    ----------
    H_before
        Features ``[n, d]``.
    H_after
        Other features ``[n, e]`` of the same rows.
    library
        Which slide each row lies on, ``[n]``; None for one slide.
    n_neighs
        Neighbours of a row; all others on a slide of fewer rows, which then say nothing.
    rng
        Seed of the search for neighbours on slides of more than 30,000 rows.

    Returns
    -------
    From 0 to 1; about ``n_neighs`` divided by the rows of a slide for chance.
    """
    if len(H_before) != len(H_after):
        raise fail(f"features after for each of {len(H_before)} rows before", f"{len(H_after)}")
    before, after = (
        feature_knn(H, n_neighs=n_neighs, metric="euclidean", library=library, rng=rng).connectivities
        for H in (H_before, H_after)
    )
    return float(before.multiply(after).sum() / before.nnz) if before.nnz else float("nan")


def _rows(H: np.ndarray, batch: Any) -> tuple[np.ndarray, np.ndarray]:
    """Features and batches of the rows that have a batch."""
    codes, kept = codes_of(batch)
    if len(H) != len(kept):
        raise fail(f"a batch for each of {len(H)} rows of features", f"{len(kept)}")
    return np.asarray(H)[kept], codes


def _weights(distance: np.ndarray, perplexity: float) -> np.ndarray:
    """Weights ``[n, k]`` with sum 1 and entropy ``log(perplexity)``, or as near as ties allow, by bisection."""
    away = distance - distance.min(axis=1, keepdims=True)
    scale = away.mean(axis=1, keepdims=True)
    away = np.divide(away, scale, out=np.zeros_like(away), where=scale > 0)
    low, high = np.zeros_like(scale), np.full_like(scale, np.inf)
    beta = np.ones_like(scale)
    for _ in range(BISECTIONS):
        weight = np.exp(-beta * away)
        weight /= weight.sum(axis=1, keepdims=True)
        entropy = -(weight * np.log(np.maximum(weight, 1e-300))).sum(axis=1, keepdims=True)
        wide = entropy > np.log(perplexity)
        low, high = np.where(wide, beta, low), np.where(wide, high, beta)
        beta = np.where(np.isinf(high), 2 * beta, (low + high) / 2)
    return weight
