"""A smooth bend after the rigid placement, where held-out tissue says that it helps."""

from typing import NamedTuple

import numpy as np
from scipy.spatial.distance import cdist

from .features import Sites
from .field import Field, look_up
from .refine import Frozen, frozen, weighted
from .rigid import transform

AMPLITUDES = (0.25, 0.5, 1.0, 2.0)
"""Standard deviations of the displacement that are tried, in distances between sites; besides none."""
N_FOLDS = 3
N_STEPS = 6
SURE = 2.0
"""Standard errors by which held-out tissue has to fit better than without a bend."""
LEAST = 0.1
"""Share of the held-out difference that a bend has to remove: neighbouring squares share their averages."""
FOLDED = 0.1
"""No piece of tissue shrinks to less than this share of its area."""
CHUNK = 100_000


class Warp(NamedTuple):
    r"""Displacement :math:`x \mapsto x + \sum_c \exp(-\lVert x - c \rVert^2 / 2 w^2)\, a_c`."""

    centres: np.ndarray
    """``[c, 2]``; none for no bend."""
    coefficients: np.ndarray
    """``[c, 2]``, unit of the coordinates."""
    width: float
    gain: float
    """Share of the held-out squared difference that the bend removes; 0 without one."""


class _Evidence(NamedTuple):
    """What a bend is fitted to."""

    q: np.ndarray
    """Sites in their rigid place ``[m, 2]``."""
    F: np.ndarray
    field: Field
    stats: Frozen
    phi: np.ndarray
    """Basis functions at the sites ``[m, c]``."""
    prior: np.ndarray
    """Their products ``[c, c]``."""
    noise: float
    """Squared difference of a site that is to be expected, for each independent piece of tissue."""


def bend(warp: Warp, xy: np.ndarray) -> np.ndarray:
    """Displace points ``[n, 2]``."""
    if not len(warp.centres):
        return xy
    parts = [xy[i : i + CHUNK] for i in range(0, len(xy), CHUNK)]
    return np.concatenate([p + _basis(p, warp.centres, warp.width) @ warp.coefficients for p in parts])


def stretch(warp: Warp, xy: np.ndarray) -> np.ndarray:
    """Factor ``[n]`` by which the bend changes the area at points ``[n, 2]``; below 0 the tissue folds."""
    if not len(warp.centres):
        return np.ones(len(xy))
    d = (warp.centres - xy[:, None]) / warp.width**2
    J = np.eye(2) + np.einsum("nc,ncb,ca->nab", _basis(xy, warp.centres, warp.width), d, warp.coefficients)
    return np.linalg.det(J)


def fit_warp(
    T: np.ndarray, moving: Sites, field: Field, rng: np.random.Generator, *, spacing: float = 5.0, blur: float = 1.0
) -> Warp:
    r"""Fit a smooth displacement on top of a rigid placement.

    Gaussian bumps on a lattice of centres, amplitudes :math:`a` with the prior of a Gaussian process (:math:`a^T K a /
    \tau^2`, K the bumps at the centres): where nothing tells, the displacement is zero. The differences are those of
    `refine`, their standardisation and weights fixed at the rigid placement. The standard deviation :math:`\tau` is
    chosen by squares of tissue left out in turn; no bend at all unless these fit better by two standard errors.

    Parameters
    ----------
    T
        Rigid placement ``[3, 3]``.
    moving
        Places and features of the slice.
    field
        The reference.
    rng
        Deals squares of tissue out to folds.
    spacing
        Distance between centres, in distances between sites.
    blur
        Width of the average over surroundings in the features, likewise: sites nearer than that say the same.

    Returns
    -------
    The displacement, in the frame of the reference; empty for none.
    """
    side = spacing * field.step
    q = transform(T, moving.xy)
    none = Warp(np.empty((0, 2)), np.empty((0, 2)), side, 0.0)
    seen = look_up(field, q)
    if seen.on.sum() < 30:
        return none
    stats = frozen(moving.F[seen.on], seen)
    centres = _lattice(q, side)
    e, _, u = weighted(moving.F[seen.on], seen, stats)
    noise = float(np.average((e**2).sum(axis=1), weights=u)) * 4 * np.pi * blur**2
    evidence = _Evidence(q, moving.F, field, stats, _basis(q, centres, side), _basis(centres, centres, side), noise)
    block = np.unique(np.floor((q - q.min(axis=0)) / side), axis=0, return_inverse=True)[1].ravel()
    fold = rng.permutation(np.arange(block.max() + 1) % N_FOLDS)[block]
    losses = np.stack([_held_out(evidence, fold, block, tau * field.step) for tau in (0.0, *AMPLITUDES)])
    gains = losses[0] - losses[1:]
    gains = gains[:, np.isfinite(gains).all(axis=0)]
    if gains.shape[1] < 4:
        return none
    mean, error = gains.mean(axis=1), gains.std(axis=1, ddof=1) / np.sqrt(gains.shape[1])
    best = int(np.argmax(mean))
    gain = float(mean[best] / np.nanmean(losses[0]))
    if mean[best] < SURE * error[best] or gain < LEAST:
        return none
    chosen = int(np.argmax(mean >= mean[best] - error[best]))  # the stiffest one that is about as good
    for tau in AMPLITUDES[chosen::-1]:
        warp = Warp(centres, _fit(evidence, np.ones(len(q), bool), tau * field.step), side, gain)
        if stretch(warp, q).min() > FOLDED:
            return warp
    return none


def _held_out(evidence: _Evidence, fold: np.ndarray, block: np.ndarray, tau: float) -> np.ndarray:
    """Mean squared difference of each square of tissue, fitted without it; NaN where there is nothing below."""
    total, count = np.zeros(block.max() + 1), np.zeros(block.max() + 1)
    for f in range(N_FOLDS):
        a = _fit(evidence, fold != f, tau) if tau else np.zeros((evidence.phi.shape[1], 2))
        out = np.flatnonzero(fold == f)
        seen = look_up(evidence.field, evidence.q[out] + evidence.phi[out] @ a)
        e, _, u = weighted(evidence.F[out][seen.on], seen, evidence.stats)
        total += np.bincount(block[out][seen.on], u * (e**2).sum(axis=1), len(total))
        count += np.bincount(block[out][seen.on], u, len(total))
    return np.divide(total, count, out=np.full(len(total), np.nan), where=count > 0)


def _fit(evidence: _Evidence, used: np.ndarray, tau: float) -> np.ndarray:
    """Amplitudes ``[c, 2]`` by Gauss-Newton steps."""
    phi, c = evidence.phi[used], evidence.phi.shape[1]
    a = np.zeros((c, 2))
    P = evidence.prior / tau**2 + 1e-6 * np.eye(c) / tau**2
    for _ in range(N_STEPS):
        seen = look_up(evidence.field, evidence.q[used] + phi @ a)
        e, J, u = weighted(evidence.F[used][seen.on], seen, evidence.stats)
        B, u = phi[seen.on], u / evidence.noise
        M = np.einsum("q,qfa,qfb->qab", u, J, J)
        v = np.einsum("q,qfa,qf->qa", u, J, e)
        A = np.block([[B.T @ (M[:, i, j, None] * B) + P * (i == j) for j in (0, 1)] for i in (0, 1)])
        rhs = np.concatenate([B.T @ v[:, i] + P @ a[:, i] for i in (0, 1)])
        change = -np.linalg.solve(A, rhs).reshape(2, c).T
        a = a + change
        if np.abs(phi @ change).max() < 0.02 * evidence.field.step:
            break
    return a


def _basis(xy: np.ndarray, centres: np.ndarray, width: float) -> np.ndarray:
    return np.exp(-0.5 * (cdist(xy, centres) / width) ** 2)


def _lattice(q: np.ndarray, side: float) -> np.ndarray:
    """Corners of squares that hold or touch tissue."""
    low = q.min(axis=0) - 0.5 * (np.ceil(np.ptp(q, axis=0) / side) * side - np.ptp(q, axis=0))
    corner = np.unique(np.floor((q - low) / side), axis=0)
    corners = np.concatenate([corner + [i, j] for i in (0, 1) for j in (0, 1)])
    return low + side * np.unique(corners, axis=0)
