"""How the values of a plane are distributed, and how two planes go together."""

import numpy as np

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
TINY = 1e-4
"""Added to variances that divide: contrast below 1 % of a plane's unit counts as none."""


def distribution(name: str, plane: np.ndarray) -> dict[str, float]:
    """Mean, standard deviation, skewness and five quantiles of a plane.

    Parameters
    ----------
    name
        First part of the features' names.
    plane
        float32, any shape.

    Returns
    -------
    Eight features. The skewness is ``m3 / (m2 + 1e-4)^1.5`` with ``m`` the central moments, 0 on a flat plane.
    """
    values = np.sort(plane, axis=None)
    mean = values.mean()
    centred = values - mean
    squares = centred * centred
    m2, m3 = float(squares.mean()), float((squares * centred).mean())
    features = {f"{name}_mean": float(mean), f"{name}_sd": m2**0.5, f"{name}_skew": m3 / (m2 + TINY) ** 1.5}
    for q in QUANTILES:
        at = q * (values.size - 1)
        i = int(at)
        low, high = float(values[i]), float(values[min(i + 1, values.size - 1)])
        features[f"{name}_q{100 * q:02.0f}"] = low + (at - i) * (high - low)
    return features


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson correlation of two planes, drawn to 0 where one is flat: ``cov / sqrt((var_a + 1e-4) (var_b + 1e-4))``."""
    a, b = a - a.mean(), b - b.mean()
    variances = (float((x * x).mean()) + TINY for x in (a, b))
    return float((a * b).mean()) / float(np.sqrt(np.prod(list(variances))))


def share_above(plane: np.ndarray, threshold: float, *, width: float) -> float:
    """Share of pixels above a threshold; within ``width`` of it a pixel counts in part: ``clip(0.5 + (x - t) / (2 w))``.

    A hard threshold would let a little more light move many pixels at once.
    """
    ramp = (plane - np.float32(threshold - width)) * np.float32(0.5 / width)
    return float(np.clip(ramp, 0, 1, out=ramp).mean())
