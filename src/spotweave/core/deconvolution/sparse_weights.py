"""Mixtures of few candidates for each spot: who the candidates are, and multiplicative updates of their weights."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

ENTRIES = 4_000_000
"""Entries of a block, 16 MB."""
TINY = 1e-20
"""Rates and weights do not fall below it: a weight of 0 would never rise again."""

Counts = Callable[[np.ndarray | slice], np.ndarray]
"""Counts of some spots, dense float32 ``[b, p]``."""


class Weights(NamedTuple):
    """Weights of candidates."""

    W: sp.csr_matrix
    """``[n, m]`` float32, above 0 where it has entries."""
    objective: np.ndarray
    """Log-likelihood up to a constant, before each update and after the last ``[steps + 1]``."""


def update(x: np.ndarray, mu: np.ndarray, dispersion: float) -> tuple[np.ndarray, np.ndarray]:
    r"""Count ratios ``[b, p]`` whose products with profiles are numerator and denominator of an update.

    For counts with variance :math:`\mu + \phi \mu^2` around a mixture :math:`\mu = w C`,

    .. math:: w_c \leftarrow w_c
       \frac{\sum_g C_{cg} x_g / \mu_g}{\sum_g C_{cg} (1 + \phi x_g) / (1 + \phi \mu_g)}

    never lowers the likelihood (Gouvert et al. 2020, IEEE Signal Process. Lett. 27:815), and is the EM step of a
    Poisson mixture for :math:`\phi = 0`.
    """
    return x / mu, (1 + dispersion * x) / (1 + dispersion * mu)


def log_likelihood(x: np.ndarray, mu: np.ndarray, dispersion: float) -> float:
    """Of negative binomial counts with means `mu`, without the terms that do not depend on these."""
    gain = float((x * np.log(mu)).sum(dtype=np.float64))
    if dispersion == 0:
        return gain - float(mu.sum(dtype=np.float64))
    return gain - float(((x + 1 / dispersion) * np.log1p(dispersion * mu)).sum(dtype=np.float64))


def fit_all(x: np.ndarray, C: np.ndarray, *, dispersion: float, n_steps: int) -> np.ndarray:
    """Weights ``[b, t]`` of the same t profiles ``[t, p]`` in all spots ``[b, p]``, from equal ones."""
    w = np.repeat(x.sum(axis=1, keepdims=True) / C.sum() + TINY, len(C), axis=1).astype(np.float32)
    for _ in range(n_steps):
        above, below = update(x, np.maximum(w @ C, TINY), dispersion)
        w *= (above @ C.T) / np.maximum(below @ C.T, TINY)
    return w


def candidates(
    counts: Counts,
    groups: np.ndarray,
    means: np.ndarray,
    profiles: np.ndarray,
    group: np.ndarray,
    quota: tuple[int, int],
) -> sp.csr_matrix:
    r"""Find the cells that each spot may be made of, and the weights to start from.

    Let :math:`v_{it}` be the weights of groups in spots. If each group were all of its cells in equal parts, the next
    update of their weights would give

    .. math:: v_{it} \sum_g C_{cg} \frac{x_{ig}}{(v_i \bar C)_g} / \sum_g C_{cg}

    to cell c of group t: most to those that explain what the group's mean leaves over. Candidates are the cells with
    most in their group for each spot, and the spots with most for each cell, so that neither a rare group nor a cell
    is without a place. A group's weight is dealt out to its candidates in equal parts: how many cells it has in the
    reference does not count.

    Parameters
    ----------
    counts
        Of n spots.
    groups
        Weights v ``[n, t]``.
    means, profiles
        Of groups ``[t, p]``, of cells ``[m, p]``.
    group
        Of each cell ``[m]``.
    quota
        Candidates of each group in a spot, and spots of each cell.

    Returns
    -------
    ``[n, m]``, above 0 at candidates.
    """
    n, m = len(groups), len(profiles)
    order = np.argsort(group, kind="stable")
    ends = np.cumsum(np.bincount(group, minlength=len(means)))
    scaled = np.ascontiguousarray((profiles / np.maximum(profiles.sum(axis=1, keepdims=True), TINY))[order].T)
    size = np.maximum(groups.sum(axis=1, keepdims=True), TINY)
    best = _Best(m, min(quota[1], n))
    found = []
    for rows in _slices(n, max(1, ENTRIES // m)):
        x = counts(rows)
        gain = (x / np.maximum(groups[rows] @ means, TINY)) @ scaled  # [b, m], cells by group
        for first, last in zip(np.r_[0, ends[:-1]], ends, strict=True):
            found.append(_highest(gain[:, first:last], quota[0]) + np.array([[rows.start], [first]]))
        best.add(gain * (groups[rows] / size[rows])[:, group[order]], rows.start)
    i, j = np.hstack([*found, best.pairs()])
    pattern = sp.csr_matrix((np.ones(len(i), np.float32), (i, order[j])), shape=(n, m))
    pattern.data[:] = 1
    return _dealt_out(pattern, groups, group)


def fit_weights(
    counts: Counts, start: sp.csr_matrix, profiles: np.ndarray, *, dispersion: float, n_steps: int
) -> Weights:
    """Update the weights of candidates, see `update`, in blocks of spots with about as many candidates.

    Parameters
    ----------
    counts
        Of n spots.
    start
        ``[n, m]``, above 0 at candidates; sorted indices.
    profiles
        Of cells ``[m, p]``.
    dispersion
        See `update`.
    n_steps
        Updates.
    """
    number, fitted, objective = np.diff(start.indptr), np.empty(start.nnz, np.float32), np.zeros(n_steps + 1)
    for spots in _blocks(number, profiles.shape[1]):
        width = int(number[spots].max())
        real = np.arange(width) < number[spots][:, None]  # [b, k]: spots with fewer candidates are filled up
        at = np.where(real, start.indptr[spots][:, None] + np.arange(width), 0)
        C = profiles[start.indices[at]]  # [b, k, p]
        w, path = _updated(counts(spots), C, np.where(real, start.data[at], 0), dispersion, n_steps)
        fitted[at[real]] = np.maximum(w[real], TINY)
        objective += path
    return Weights(sp.csr_matrix((fitted, start.indices, start.indptr), shape=start.shape), objective)


def _updated(
    x: np.ndarray, C: np.ndarray, w: np.ndarray, dispersion: float, n_steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``[b, k]`` of the spots' own profiles ``[b, k, p]`` after the updates, and the objective."""
    path = np.empty(n_steps + 1)
    whole = C.sum(axis=2)
    for step in range(n_steps + 1):
        mu = np.maximum((w[:, None, :] @ C)[:, 0], TINY)
        path[step] = log_likelihood(x, mu, dispersion)
        if step == n_steps:
            break
        above, below = update(x, mu, dispersion)
        gain = (C @ above[:, :, None])[:, :, 0]
        cost = (C @ below[:, :, None])[:, :, 0] if dispersion else whole
        w = w * (gain / np.maximum(cost, TINY))
    return w, path


def _dealt_out(pattern: sp.csr_matrix, groups: np.ndarray, group: np.ndarray) -> sp.csr_matrix:
    """Weights of groups ``[n, t]`` in equal parts to their candidates; a tenth of all is shared by all groups."""
    (n, t), spot = groups.shape, np.repeat(np.arange(len(groups)), np.diff(pattern.indptr))
    smoothed = 0.9 * groups + 0.1 * groups.mean(axis=1, keepdims=True)
    key = spot * t + group[pattern.indices]
    data = np.maximum(smoothed.ravel()[key] / np.bincount(key, minlength=n * t)[key], TINY)
    return sp.csr_matrix((data.astype(np.float32), pattern.indices, pattern.indptr), shape=pattern.shape)


def _highest(values: np.ndarray, k: int) -> np.ndarray:
    """Rows and columns of the k largest entries in each row ``[2, b * k]``; of equals, any."""
    k = min(k, values.shape[1])
    columns = np.argpartition(-values, k - 1, axis=1)[:, :k] if k else np.empty((len(values), 0), np.intp)
    return np.stack([np.repeat(np.arange(len(values)), k), columns.ravel()])


class _Best:
    """Spots with the largest values for each cell so far."""

    def __init__(self, m: int, k: int) -> None:
        self.value, self.spot = np.full((m, k), -1.0, np.float32), np.zeros((m, k), np.intp)

    def add(self, values: np.ndarray, first: int) -> None:
        """Take in a block ``[b, m]`` of spots that starts at `first`."""
        k = self.value.shape[1]
        spots = np.broadcast_to(np.arange(first, first + len(values)), values.T.shape)
        value, spot = np.hstack([self.value, values.T]), np.hstack([self.spot, spots])
        kept = np.argpartition(-value, k - 1, axis=1)[:, :k]
        self.value, self.spot = (np.take_along_axis(a, kept, axis=1) for a in (value, spot))

    def pairs(self) -> np.ndarray:
        """Spots and cells ``[2, m * k]``."""
        m, k = self.value.shape
        return np.stack([self.spot.ravel(), np.repeat(np.arange(m), k)])


def _blocks(number: np.ndarray, p: int) -> Iterator[np.ndarray]:
    """Spots in order of how many candidates they have, in blocks of `ENTRIES` entries."""
    order = np.argsort(-number, kind="stable")
    start = 0
    while start < len(order):
        step = max(1, ENTRIES // max(int(number[order[start]]) * p, 1))
        yield order[start : start + step]
        start += step


def _slices(n: int, step: int) -> Iterator[slice]:
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
