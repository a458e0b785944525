"""Scores of domains: agreement with a truth, separation in feature space, smoothness in space. Arrays in, numbers out.

Labels may be of any type (strings, numbers, categoricals). Rows whose truth is missing (NaN, None, NA) are dropped.
"""

from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from sklearn import metrics as skm

from ._check import check_coords, check_range, fail
from .core.graph import knn
from .core.libraries import library_blocks

__all__ = [
    "align_labels",
    "ami",
    "ari",
    "asw",
    "chaos",
    "completeness",
    "homogeneity",
    "nmi",
    "pas",
    "v_measure",
]


def ari(truth: Any, labels: Any) -> float:
    """Adjusted Rand index (Hubert and Arabie 1985).

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    1 for the same partition, about 0 for chance, at least -0.5.
    """
    return float(skm.adjusted_rand_score(*_paired(truth, labels)))


def nmi(truth: Any, labels: Any) -> float:
    """Mutual information divided by the arithmetic mean of both entropies.

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    From 0 to 1. Not corrected for chance: it grows with the number of labels; see `ami`.
    """
    return float(skm.normalized_mutual_info_score(*_paired(truth, labels)))


def ami(truth: Any, labels: Any) -> float:
    """Mutual information adjusted for chance (Vinh et al. 2010), arithmetic mean of both entropies.

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    1 for the same partition, about 0 for chance.
    """
    return float(skm.adjusted_mutual_info_score(*_paired(truth, labels)))


def homogeneity(truth: Any, labels: Any) -> float:
    """``1 - H(truth | labels) / H(truth)``: does each found label hold one true label only?

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    From 0 to 1; 1 when there is one true label only.
    """
    return float(skm.homogeneity_score(*_paired(truth, labels)))


def completeness(truth: Any, labels: Any) -> float:
    """``1 - H(labels | truth) / H(labels)``: does each true label lie in one found label?

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    From 0 to 1; 1 when one label only was found.
    """
    return float(skm.completeness_score(*_paired(truth, labels)))


def v_measure(truth: Any, labels: Any) -> float:
    """Harmonic mean of `homogeneity` and `completeness` (Rosenberg and Hirschberg 2007); equals `nmi`.

    Parameters
    ----------
    truth
        True labels ``[n]``; rows where they are missing are dropped.
    labels
        Found labels ``[n]``, none missing where the truth is known.

    Returns
    -------
    From 0 to 1.
    """
    return float(skm.v_measure_score(*_paired(truth, labels)))


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
    codes, kept = _codes(labels)
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


def align_labels(labels: Any, reference: Any) -> np.ndarray:
    """Rename labels after a reference so that equal names cover as many rows as possible (Hungarian algorithm).

    For pictures side by side: one colour means one thing. The partition itself does not change.

    Parameters
    ----------
    labels
        Labels ``[n]``; where missing, the result is None.
    reference
        Labels whose names to take over, ``[n]``; missing rows do not count.

    Returns
    -------
    New names ``[n]``, strings. Where `labels` has more names than `reference`, those without a partner (or without a
    single row in common) keep their own name, with as many ``'`` added as it takes to be unlike all others.
    """
    names, partners = (pd.Categorical(np.asarray(x, dtype=object)) for x in (labels, reference))
    if len(names) != len(partners):
        raise fail(f"a reference for each of {len(names)} labels", f"{len(partners)}")
    shared = (names.codes >= 0) & (partners.codes >= 0)
    overlap = np.zeros((len(names.categories), len(partners.categories)), np.int64)
    np.add.at(overlap, (names.codes[shared], partners.codes[shared]), 1)
    matched = {
        i: str(partners.categories[j]) for i, j in zip(*linear_sum_assignment(-overlap), strict=True) if overlap[i, j]
    }
    taken = {str(name) for name in partners.categories}
    for i, name in enumerate(names.categories):
        if i not in matched:
            matched[i] = _unlike(str(name), taken)
            taken.add(matched[i])
    return np.array([matched[c] if c >= 0 else None for c in names.codes], dtype=object)


def _unlike(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "'"
    return name


def _codes(labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Whole-number codes of the rows whose label is present, and which rows these are."""
    codes = pd.factorize(pd.Series(np.asarray(labels, dtype=object)))[0]
    if not (codes >= 0).any():
        raise fail("at least one label", f"{len(codes)} rows, none with a label")
    return codes[codes >= 0], codes >= 0


def _paired(truth: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
    """Codes of truth and labels on the rows whose truth is known."""
    true, known = _codes(truth)
    found = pd.factorize(pd.Series(np.asarray(labels, dtype=object)))[0]
    if len(found) != len(known):
        raise fail(f"a label for each of {len(known)} rows of the truth", f"{len(found)} labels")
    if (found[known] < 0).any():
        missing = int((found[known] < 0).sum())
        raise fail("a label wherever the truth is known", f"{missing} rows without", "Give these a label of their own.")
    return true, found[known]


def _located(
    labels: Any, xy: np.ndarray, library: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Codes, coordinates and libraries of the labelled rows."""
    codes, kept = _codes(labels)
    if len(xy) != len(kept):
        raise fail(f"coordinates for each of {len(kept)} labels", f"{len(xy)} rows")
    return codes, check_coords(np.asarray(xy)[kept], "xy"), None if library is None else np.asarray(library)[kept]
