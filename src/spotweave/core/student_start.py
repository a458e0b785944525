"""Where a Student mixture starts: robustly scaled rows, and k-means that outliers do not reach."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

from .._check import fail

REACH = 5.0  # robust standard deviations within which k-means sees a row: else outliers get clusters of their own
NORMAL = 1.4826  # standard deviation of a normal over its median absolute deviation


class Frame(NamedTuple):
    """Centre and robust scale of each feature: in these coordinates priors have no unit."""

    centre: np.ndarray
    """Median [d]."""
    scale: np.ndarray
    """Median absolute deviation as a standard deviation of those features that vary [p]."""
    varies: np.ndarray
    """Which features vary [d], boolean."""

    def scaled(self, Z: np.ndarray) -> np.ndarray:
        """Rows ``[n, d]`` in these coordinates ``[n, p]``."""
        return (Z[:, self.varies] - self.centre[self.varies]) / self.scale

    def with_one_scale(self) -> "Frame":
        """The same centre with one scale for all features, their root mean square."""
        return self._replace(scale=np.full_like(self.scale, np.sqrt((self.scale**2).mean())))

    @property
    def log_volume(self) -> float:
        """Log determinant of the scaling: a log density in these coordinates less this is one of the features."""
        return float(np.log(self.scale).sum())


def frame_of(Z: np.ndarray, row_weight: np.ndarray) -> Frame:
    """Frame of weighted rows; a feature whose deviation is mostly zero is scaled by its root mean square instead."""
    Z, row_weight = Z[row_weight > 0], row_weight[row_weight > 0]
    centre = weighted_median(Z, row_weight)
    deviation = np.abs(Z - centre)
    scale = NORMAL * weighted_median(deviation, row_weight)
    top = deviation.max(axis=0)
    rms = top * np.sqrt(np.average((deviation / np.where(top > 0, top, 1)) ** 2, axis=0, weights=row_weight))
    tiny = 1e-12 * np.maximum(np.abs(centre), top)  # rounding of a constant
    scale = np.where(scale > tiny, scale, rms)
    varies = scale > tiny
    if not varies.any():
        raise fail("features that vary between rows", "only constant ones")
    return Frame(centre, scale[varies], varies)


def weighted_median(Z: np.ndarray, row_weight: np.ndarray) -> np.ndarray:
    """Least value of each column that half of the weight does not exceed ``[d]``."""
    order = Z.argsort(axis=0, kind="stable")
    below = row_weight[order].cumsum(axis=0)
    half = (below < below[-1] / 2).sum(axis=0)
    return np.take_along_axis(Z, np.take_along_axis(order, half[None], axis=0), axis=0)[0]


def kmeans_starts(
    Y: np.ndarray, frame: Frame, k: int, *, row_weight: np.ndarray, n_starts: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Label rows by k-means, by turns in the units of the features and in those of the frame.

    Parameters
    ----------
    Y
        Rows in the frame ``[n, p]``.
    frame
        Its scale gives back the units.
    k
        Number of clusters.
    row_weight
        ``[n]``.
    n_starts
        Number of labellings.
    rng
        Draws their seeds.

    Returns
    -------
    Labels ``[n]``; some of the k have no row where fewer rows are distinct.
    """
    near = np.clip(Y, -REACH, REACH)
    views = [near * (frame.scale / frame.scale.max()), near]
    seeds = rng.integers(2**31, size=n_starts)
    return [_kmeans(views[j % 2], k, row_weight, int(seed)) for j, seed in enumerate(seeds)]


def plain_kmeans_starts(
    Y: np.ndarray, k: int, *, row_weight: np.ndarray, n_starts: int, rng: np.random.Generator
) -> list[np.ndarray]:
    """Label rows by k-means of all as they are, outliers too: see `kmeans_starts`."""
    return [_kmeans(Y, k, row_weight, int(seed)) for seed in rng.integers(2**31, size=n_starts)]


def row_precision(Y: np.ndarray) -> np.ndarray:
    """Precision of each row in the first M step ``[n]``: what lies out of `REACH` must not widen its cluster."""
    return np.minimum(1, REACH / np.abs(Y).max(axis=1).clip(REACH)) ** 2


def _kmeans(rows: np.ndarray, k: int, row_weight: np.ndarray, seed: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters
        return KMeans(k, n_init=1, random_state=seed).fit(rows, sample_weight=row_weight).labels_
