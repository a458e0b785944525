"""Rotation and shift made exact: Gauss-Newton steps up the agreement of two slices."""

from typing import NamedTuple

import numpy as np

from .features import Sites
from .field import Field, Seen, look_up
from .rigid import similarity, transform
from .score import correlations, information, slope

EXACT = 0.999
"""Correlations count as no higher: where a slice is nearly in place, the last bit shows."""


class Placed(NamedTuple):
    """A slice in its place."""

    T: np.ndarray
    """Matrix ``[3, 3]``."""
    score: float
    """Share of overlap times information."""
    share: float
    """Overlap, share of the smaller slice."""
    r: np.ndarray
    """Correlation of each feature over the overlap ``[f]``."""
    converged: bool


def place(T: np.ndarray, moving: Sites, field: Field) -> Placed:
    """Score a placement at the sites of the moving slice."""
    return _placed(T, moving, field, look_up(field, transform(T, moving.xy)))


def refine(
    T: np.ndarray,
    moving: Sites,
    field: Field,
    *,
    scale: bool = False,
    n_steps: int = 40,
    tolerance: float = 0.02,
) -> Placed:
    r"""Move a slice to where its features agree best with those of the reference.

    With both sides standardised over the overlap, each step solves the weighted least squares problem of

    .. math:: \sum_i u_i \sum_k w_k \left(\hat g_k(T x_i) - \hat f_{ik}\right)^2, \qquad w_k = \frac{r_k}{1 - r_k^2}

    for a small rotation and shift (and scale; Lucas and Kanade 1981): these weights make it a step up the information of the
    correlations r. The points' weights u are Cauchy's, so that tissue without counterpart is of little account.

    Parameters
    ----------
    T
        Where to start ``[3, 3]``.
    moving
        Places and features of the slice.
    field
        The reference.
    scale
        Fit a scale too.
    n_steps
        At most.
    tolerance
        Largest move of a point, in distances between sites, that ends the search.

    Returns
    -------
    The best placement on the way.
    """
    best, converged = place(T, moving, field), False
    for _ in range(n_steps):
        seen = look_up(field, transform(T, moving.xy))
        now = _placed(T, moving, field, seen)
        best = now if now.score >= best.score else best
        step, size = _step(transform(T, moving.xy)[seen.on], moving.F[seen.on], seen, field.step, scale=scale)
        if size < tolerance * field.step:
            converged = True
            break
        T = step @ T
    return best._replace(converged=converged)


class Frozen(NamedTuple):
    """How features of both sides are made comparable."""

    mean_f: np.ndarray
    sd_f: np.ndarray
    mean_g: np.ndarray
    sd_g: np.ndarray
    weight: np.ndarray
    """Square root of the weight of each feature."""
    scale: float
    """Squared difference at which a point counts half."""


def frozen(F: np.ndarray, seen: Seen) -> Frozen:
    """Standardisation and weights of features ``[q, f]`` over the overlap, robust to tissue without counterpart."""
    u = np.ones(len(F))
    for _ in range(2):
        means = [np.average(A, axis=0, weights=u) for A in (F, seen.F)]
        sds = [
            np.sqrt(np.average((A - m) ** 2, axis=0, weights=u)).clip(1e-9)
            for A, m in zip((F, seen.F), means, strict=True)
        ]
        weight = np.sqrt(slope(correlations(F, seen.F, u)))
        stats = Frozen(means[0], sds[0], means[1], sds[1], weight, 1.0)
        squared = (_differences(F, seen.F, stats) ** 2).sum(axis=1)
        stats = stats._replace(scale=max(3 * float(np.median(squared)), 1e-12))
        u = 1 / (1 + squared / stats.scale)
    return stats


def weighted(F: np.ndarray, seen: Seen, stats: Frozen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted differences ``[q, f]`` of standardised features, their gradient ``[q, f, 2]``, weights of points [q]."""
    e = _differences(F, seen.F, stats)
    u = 1 / (1 + (e**2).sum(axis=1) / stats.scale)
    return e, seen.gradient * (stats.weight / stats.sd_g)[:, None], u


def _differences(F: np.ndarray, G: np.ndarray, stats: Frozen) -> np.ndarray:
    return stats.weight * ((G - stats.mean_g) / stats.sd_g - (F - stats.mean_f) / stats.sd_f)


def _placed(T: np.ndarray, moving: Sites, field: Field, seen: Seen) -> Placed:
    least = min(len(moving.xy), len(field.F))
    n = int(seen.on.sum())
    r = correlations(moving.F[seen.on], seen.F) if n > 3 else np.zeros(moving.F.shape[1])
    share = min(n / least, 1.0)
    return Placed(T, share * float(information(r, ceiling=EXACT)), share, r, converged=True)


def _step(q: np.ndarray, F: np.ndarray, seen: Seen, step: float, *, scale: bool) -> tuple[np.ndarray, float]:
    """Small rotation, shift and scale, and how far they move the points at most."""
    if len(q) < 4:
        return np.eye(3), 0.0
    middle = q.mean(axis=0)
    arm = q - middle
    reach = max(float(np.linalg.norm(arm, axis=1).max()), 1e-9)
    e, J, u = weighted(F, seen, frozen(F, seen))
    turn = np.stack([-arm[:, 1], arm[:, 0]], axis=1)
    ways = [turn / reach, arm / reach] if scale else [turn / reach]
    D = np.stack([J[..., 0], J[..., 1], *(np.einsum("qfc,qc->qf", J, way) for way in ways)], axis=2)  # all in lengths
    D = D - np.average(D, axis=0, weights=u)  # the mean is fitted anew
    A, b = np.einsum("q,qfa,qfb->ab", u, D, D), -np.einsum("q,qfa,qf->a", u, D, e)
    p = np.linalg.solve(A + 1e-3 * max(np.trace(A), 1e-12) * np.eye(len(b)), b)
    p *= min(1.0, step / max(float(np.abs(p).max()), 1e-12))
    R = similarity(float(p[2] / reach), np.zeros(2), scale=float(np.exp(p[3] / reach)) if scale else 1.0)
    R[:2, 2] = middle - R[:2, :2] @ middle + p[:2]
    return R, float(np.abs(p).sum())
