"""Chance of an inner product between vectors turned at random within bands: saddlepoint approximation."""

import numpy as np
from scipy.special import gammaln, ive, ndtr

N_STEPS = 20
N_EXACT = 2
EXACT_FROM = 1.3
"""Scores from which Bessel functions are evaluated; below them (p above 0.2) their approximation will do."""
EDGE = 1 - 1e-5
"""Part of the greatest possible product above which all products count as this."""
NEAR_ZERO = 1e-3
"""Standard deviations within which the saddlepoint formula is 0 / 0."""
BLOCK = 100_000
"""Products at a time."""


def rotation_z(product: np.ndarray, reach: np.ndarray, size: np.ndarray) -> np.ndarray:
    r"""Standard normal scores of inner products of vectors that have no relation but for their spectra.

    Cut two vectors into bands k of :math:`n_k` coefficients with norms :math:`|a_k|, |b_k|`. Turned at random within
    each band, their inner product is

    .. math:: T = \sum_k |a_k| |b_k| u_k

    with :math:`u_k` a coordinate of a uniform point on the sphere of :math:`n_k` dimensions, of variance
    :math:`1 / n_k`: the variance of T is that of Clifford, Richardson and Hemon (1989, Biometrics 45:123), in the
    spectral domain. From the cumulant function, with the modified Bessel function I,

    .. math:: \log E e^{s u} = \log\left( \Gamma(\nu + 1) (2 / s)^\nu I_\nu(s) \right), \qquad \nu = n / 2 - 1,

    the score is :math:`r + \log(u / r) / r` (Barndorff-Nielsen 1991, Biometrika 78:557), which holds for few
    coefficients, where a normal approximation does not.

    Parameters
    ----------
    product
        T ``[p]``.
    reach
        :math:`|a_k| |b_k|` ``[p, K]``.
    size
        :math:`n_k` ``[K]``, above 1, not necessarily whole.

    Returns
    -------
    z ``[p]``; 0 where nothing can be said.
    """
    starts = range(0, len(product), BLOCK)
    parts = [_z(product[i : i + BLOCK], reach[i : i + BLOCK], np.asarray(size, float)) for i in starts]
    return np.concatenate([np.zeros(0), *parts])


def two_sided(z: np.ndarray) -> np.ndarray:
    """Two-sided p values ``2 Phi(-|z|)``, never below 1e-300."""
    return np.maximum(2 * ndtr(-np.abs(z)), 1e-300)


def _z(product: np.ndarray, reach: np.ndarray, size: np.ndarray) -> np.ndarray:
    most = reach.sum(axis=1)
    target = np.minimum(np.abs(product), EDGE * most)
    sd = np.sqrt((reach**2 / size).sum(axis=1))
    z = np.divide(target, sd, out=np.zeros(len(product)), where=sd > 0)
    some = np.flatnonzero((sd > 0) & (z > NEAR_ZERO))
    s = _point(target[some], reach[some], size)
    z[some] = _score(s, target[some], reach[some], *_approximate(s[:, None] * reach[some], size))
    far = z[some] > EXACT_FROM
    some, s = some[far], s[far]
    for _ in range(N_EXACT):
        _, slope, curvature = _bessel(s[:, None] * reach[some], size)
        step = (target[some] - (reach[some] * slope).sum(axis=1)) / (reach[some] ** 2 * curvature).sum(axis=1)
        s = np.maximum(s + step, s / 3)
    z[some] = _score(s, target[some], reach[some], *_bessel(s[:, None] * reach[some], size))
    return np.copysign(z, product)


def _point(target: np.ndarray, reach: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Saddlepoint ``[p]`` of the approximate function, whose slope is concave: Newton's steps never go too far."""
    s = target / (reach**2 / size).sum(axis=1)
    for _ in range(N_STEPS):
        _, slope, curvature = _approximate(s[:, None] * reach, size)
        s = s + (target - (reach * slope).sum(axis=1)) / (reach**2 * curvature).sum(axis=1)
    return s


def _score(
    s: np.ndarray, target: np.ndarray, reach: np.ndarray, cumulant: np.ndarray, _: np.ndarray, curvature: np.ndarray
) -> np.ndarray:
    r = np.sqrt(np.maximum(2 * (s * target - cumulant.sum(axis=1)), 1e-300))
    u = s * np.sqrt((reach**2 * curvature).sum(axis=1))
    return np.maximum(r + np.log(u / r) / r, 0)


def _approximate(x: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cumulant function and derivatives, by Amos' bound ``x / (alpha + q)`` (1974, Math. Comp. 28:239) of the first."""
    alpha, beta = (size - 1) / 2, (size + 1) / 2
    q = np.sqrt(x**2 + beta**2)
    return q - beta - alpha * np.log((alpha + q) / size), x / (alpha + q), (alpha + beta**2 / q) / (alpha + q) ** 2


def _bessel(x: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cumulant function and derivatives."""
    x, half = np.maximum(x, 1e-4), size / 2
    scaled = ive(half - 1, x)
    slope = ive(half, x) / scaled
    cumulant = gammaln(half) + (half - 1) * np.log(2 / x) + np.log(scaled) + x
    return cumulant, slope, np.maximum(1 - slope**2 - (size - 1) * slope / x, 1e-12)
