"""Adaptive shrinkage: noisy log ratios are drawn to 0 as far as all of them together say that most of them are 0."""

import numpy as np

SCALES = np.array([0.0, 0.1, 0.2, 0.4, 0.7, 1.0, 1.5, 2.2, 3.0])
"""Standard deviations of the normal distributions that make up the prior; the first one is a point at 0."""
MOST = 40_000
"""Values that the prior is learned from."""
CHUNK = 200_000
"""Values that are shrunk at a time."""


def shrink(values: np.ndarray, variance: np.ndarray, *, n_steps: int = 60) -> np.ndarray:
    r"""Posterior means of normal values whose prior is a mixture around 0, learned from all of them.

    .. math:: z_j \sim N(\theta_j, v_j), \quad \theta_j \sim \sum_k \pi_k N(0, \sigma_k^2), \quad
       E[\theta_j | z_j] = \sum_k r_{jk} \frac{\sigma_k^2}{\sigma_k^2 + v_j} z_j

    with responsibilities r; the weights :math:`\pi` by EM (Stephens 2017, Biostatistics 18:275).

    Parameters
    ----------
    values
        Estimates z, any shape.
    variance
        Their variances v, of the same shape, above 0.
    n_steps
        Steps of EM.

    Returns
    -------
    Posterior means, of the shape of `values`: nearer to 0 than they are.
    """
    z, v = np.ravel(values), np.ravel(variance)
    step = max(len(z) // MOST, 1)
    weight = np.full(len(SCALES), 1 / len(SCALES))
    L = _likelihood(z[::step], v[::step])
    for _ in range(n_steps):
        weight = _posterior(L, weight).mean(axis=0)
    out = np.empty(len(z))
    for start in range(0, len(z), CHUNK):
        part = slice(start, start + CHUNK)
        factor = SCALES**2 / (SCALES**2 + v[part, None])
        out[part] = (_posterior(_likelihood(z[part], v[part]), weight) * factor).sum(axis=1) * z[part]
    return out.reshape(np.shape(values))


def _likelihood(z: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Density of each value under each scale ``[n, k]``, up to one factor a value."""
    total = v[:, None] + SCALES**2
    log = -0.5 * z[:, None] ** 2 / total - 0.5 * np.log(total)
    return np.exp(log - log.max(axis=1, keepdims=True))


def _posterior(L: np.ndarray, weight: np.ndarray) -> np.ndarray:
    r = L * weight
    return r / r.sum(axis=1, keepdims=True)
