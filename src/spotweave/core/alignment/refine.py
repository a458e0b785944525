"""Rotation and shift made exact: Gauss-Newton steps up the agreement of two slices."""

from typing import NamedTuple

import numpy as np

from .features import Sites
from .field import Field, Seen, look_up
from .rigid import similarity, transform
from .score import correlations, information, slope


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
        best = now if now.score > best.score else best
        step, size = _step(transform(T, moving.xy)[seen.on], moving.F[seen.on], seen, field.step, scale=scale)
        if size < tolerance * field.step:
            converged = True
            break
        T = step @ T
    return best._replace(converged=converged)


def residuals(F: np.ndarray, seen: Seen) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weighted differences ``[q, f]`` of standardised features, their gradient ``[q, f, 2]``, weights of points [q]."""
    G, u = seen.F, np.ones(len(F))
    for _ in range(2):
        w = np.sqrt(slope(correlations(F, G, u)))
        (F0, _), (G0, sd) = _standardised(F, u), _standardised(G, u)
        e = w * (G0 - F0)
        squared = (e**2).sum(axis=1)
        u = 1 / (1 + squared / max(3 * np.median(squared), 1e-12))
    return e, seen.gradient * (w / sd)[:, None], u


def _standardised(F: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    F0 = F - np.average(F, axis=0, weights=u)
    sd = np.sqrt(np.average(F0**2, axis=0, weights=u)).clip(1e-9)
    return F0 / sd, sd


def _placed(T: np.ndarray, moving: Sites, field: Field, seen: Seen) -> Placed:
    least = min(len(moving.xy), len(field.F))
    n = int(seen.on.sum())
    r = correlations(moving.F[seen.on], seen.F) if n > 3 else np.zeros(moving.F.shape[1])
    share = min(n / least, 1.0)
    return Placed(T, share * float(information(r)), share, r, converged=True)


def _step(q: np.ndarray, F: np.ndarray, seen: Seen, step: float, *, scale: bool) -> tuple[np.ndarray, float]:
    """Small rotation, shift and scale, and how far they move the points at most."""
    if len(q) < 4:
        return np.eye(3), 0.0
    middle = q.mean(axis=0)
    arm = q - middle
    reach = max(float(np.linalg.norm(arm, axis=1).max()), 1e-9)
    e, J, u = residuals(F, seen)
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
