"""Tail of a weighted sum of chi-square variables, and of quadratic forms that nearly are one."""

import numpy as np
from scipy.special import log_ndtr

N_NODES = 1500
"""Points of the table: neighbours differ by about 0.01 in log p up to p = 1e-10."""
NEAR_MEAN = 1e-4
"""Below this argument the saddlepoint formula divides zero by zero; the table interpolates across."""
LEAST_SKEWNESS = 1e-4
"""Below it a gamma variable is normal."""


def log_tail(statistic: np.ndarray, weights: np.ndarray) -> np.ndarray:
    r"""Log of ``P(sum_j weights_j z_j^2 > statistic)`` for independent standard normal z.

    The saddlepoint formula (Kuonen 1999, Biometrika 86:929): with
    :math:`K(t) = -\tfrac12 \sum_j \log(1 - 2 t \lambda_j)` and :math:`K'(\hat t) = T`,

    .. math:: P(T > x) \approx \bar\Phi\left(w + \tfrac1w \log \tfrac uw\right), \quad
              w = \mathrm{sign}(\hat t) \sqrt{2 (\hat t x - K(\hat t))}, \quad u = \hat t \sqrt{K''(\hat t)}

    It is evaluated on a table over :math:`\hat t`, so that no equation is solved; beyond the table the tail falls as
    :math:`\exp(-x / 2 \lambda_1)`.

    Parameters
    ----------
    statistic
        Values, any shape.
    weights
        Positive weights ``[m]``.

    Returns
    -------
    Log of the upper tail, of the shape of `statistic`; 0 at and below 0.
    """
    weights = np.asarray(weights, np.float64)
    top = weights.max()
    up = -np.expm1(-(np.linspace(0.01, 16, N_NODES) ** 1.5) / 2) / (2 * top)  # towards the pole at 1 / 2 lambda_1
    down = -np.geomspace(1e-3, 1e4, N_NODES // 2)[::-1] / (2 * top)
    t = np.concatenate([down, up])
    t = t[np.abs(t) * top > NEAR_MEAN]
    lever = np.zeros((3, len(t)))
    for value in weights:  # one weight at a time: the table times the weights would be large
        rest = 1 - 2 * t * value
        lever += [-0.5 * np.log(rest), value / rest, 2 * (value / rest) ** 2]
    x = lever[1]
    w = np.sign(t) * np.sqrt(np.maximum(2 * (t * x - lever[0]), 1e-300))
    logs = log_ndtr(-(w + np.log(t * np.sqrt(lever[2]) / w) / w))
    found = np.interp(statistic, np.r_[0, x], np.r_[0, logs])
    return np.where(statistic > x[-1], logs[-1] - (statistic - x[-1]) / (2 * top), found)


def gamma_log_tail(z: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """Log upper tail of a standardised gamma variable, from `to_normal`.

    Parameters
    ----------
    z
        Standardised values, any shape.
    skewness
        Of the variable, at least 0.

    Returns
    -------
    Logs, of the shape of `z`.
    """
    return log_ndtr(-to_normal(z, skewness))


def equivalent(z: np.ndarray, skewness: np.ndarray, to_skewness: float) -> np.ndarray:
    """Move a standardised statistic from one gamma-like null to the same quantile of another.

    Parameters
    ----------
    z
        Standardised values, any shape.
    skewness
        Of their own null, at least 0.
    to_skewness
        Of the other.

    Returns
    -------
    Standardised values; `z` itself where the skewnesses agree, but for the cut at the lower end of its gamma.
    """
    root = 2 / max(to_skewness, LEAST_SKEWNESS)
    return root * (np.maximum(to_normal(z, skewness) / (3 * root) + 1 - 1 / (9 * root**2), 0) ** 3 - 1)


def to_normal(z: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    r"""Normal score of a standardised gamma variable, by the cube root of Wilson and Hilferty (1931, PNAS 17:684).

    With shape :math:`k = 4 / \gamma^2`, :math:`3 \sqrt k \, [(1 + z / \sqrt k)^{1/3} - 1 + 1 / 9k]`.
    """
    root = 2 / np.maximum(skewness, LEAST_SKEWNESS)
    return 3 * root * (np.cbrt(np.maximum(1 + z / root, 0)) - 1 + 1 / (9 * root**2))
