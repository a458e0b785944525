"""Separation of domains in feature space, smoothness in space."""

from typing import Any

import numpy as np
from sklearn import metrics as skm

from .._check import check_coords, check_range, fail
from ..core.graph import knn
from ..core.libraries import library_blocks
from ._codes import codes_of


def asw(H: np.ndarray, labels: Any, *, n_max: int = 10_000, rng: int | np.random.Generator = 0) -> float:
    """Average silhouette width (Rousseeuw 1987): how far apart the labels lie in feature space.

    Parameters
    ----------
    H
        Features ``[n, d]``.
    labels
        Labels ``[n]``; rows where they are missing are dropped.
    n_max
        Time is quadratic, so of more rows a random sample of this size is scored.
    rng
        Seed of the sample.

    Returns
    -------
    From -1 to 1; NaN when all rows (of the sample) have the same label or each has its own.
    """
    codes, kept = codes_of(labels)
    H = np.asarray(H)
    if len(H) != len(kept):
        raise fail(f"labels for each of {len(H)} rows of features", f"{len(kept)} labels")
    H = H[kept]
    if len(H) > n_max:
        sample = np.sort(np.random.default_rng(rng).choice(len(H), n_max, replace=False))
        H, codes = H[sample], codes[sample]
    n_labels = len(np.unique(codes))
    return float(skm.silhouette_score(H, codes)) if 1 < n_labels < len(H) else float("nan")


def chaos(labels: Any, xy: np.ndarray, *, library: np.ndarray | None = None) -> float:
    r"""Spatial chaos: mean distance to the nearest point of the same domain, lower is smoother.

    .. math:: \frac{1}{n} \sum_{k:\, n_k > 2} \sum_{i \in k} \min_{j \in k,\, j \ne i} \lVert z_i - z_j \rVert

    where z are the coordinates, each axis scaled to mean 0 and standard deviation 1, and n counts all labelled points
    (Guo et al. 2019 as in SpatialPCA, Shang and Zhou 2022, and SDMBench, Yuan et al. 2024; domains of one or two
    points add nothing). Several slides are scaled one by one, and neighbours lie on the same slide.

    Parameters
    ----------
    labels
        Domains ``[n]``; rows where they are missing are dropped.
    xy
        Coordinates ``[n, 2]`` or ``[n, 3]``.
    library
        Which slide each point lies on, ``[n]``; None for one slide.

    Returns
    -------
    The mean in standard deviations of the coordinates: comparable between methods on the same points only.
    """
    codes, xy, library = _located(labels, xy, library)
    total = 0.0
    for rows in library_blocks(len(xy), library):
        spread = xy[rows].std(axis=0)
        z = (xy[rows] - xy[rows].mean(axis=0)) / np.where(spread > 0, spread, 1)
        large = np.bincount(codes[rows])[codes[rows]] > 2
        total += knn(z[large], n_neighs=1, library=codes[rows][large]).distances.data.sum()
    return total / len(xy)


def pas(labels: Any, xy: np.ndarray, *, n_neighs: int = 10, library: np.ndarray | None = None) -> float:
    """Percentage of abnormal spots: points most of whose nearest neighbours are of another domain; lower is smoother.

    A point is abnormal when more than half of its `n_neighs` nearest points (6 of 10) differ from it (Shang and Zhou
    2022; SDMBench, Yuan et al. 2024). Given as a share, as in those implementations, not in percent. Of equally
    distant points arbitrary ones count, so that on a lattice figures from elsewhere may differ slightly.

    Parameters
    ----------
    labels
        Domains ``[n]``; rows where they are missing are dropped.
    xy
        Coordinates ``[n, 2]`` or ``[n, 3]``.
    n_neighs
        Neighbours that vote; a library of fewer points uses all others.
    library
        Which slide each point lies on, ``[n]``; None for one slide.

    Returns
    -------
    Share of abnormal points, from 0 to 1.
    """
    check_range(n_neighs, "n_neighs", low=1, integer=True)
    codes, xy, library = _located(labels, xy, library)
    W = knn(xy, n_neighs=n_neighs, library=library).connectivities
    n_others = np.diff(W.indptr)
    rows = np.repeat(np.arange(len(xy)), n_others)
    n_differing = np.bincount(rows, weights=codes[rows] != codes[W.indices], minlength=len(xy))
    return float((n_differing > n_others / 2).mean())


def _located(
    labels: Any, xy: np.ndarray, library: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Codes, coordinates and libraries of the labelled rows."""
    codes, kept = codes_of(labels)
    if len(xy) != len(kept):
        raise fail(f"coordinates for each of {len(kept)} labels", f"{len(xy)} rows")
    return codes, check_coords(np.asarray(xy)[kept], "xy"), None if library is None else np.asarray(library)[kept]
