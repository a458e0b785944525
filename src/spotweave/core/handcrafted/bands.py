"""How much structure there is of each size, and nuclei as spots of one size."""

from collections.abc import Sequence

import numpy as np

from .distribution import TINY
from .pyramid import Level

BLOB_LEVELS = (1, 2, 3)
BLOB_AMPLITUDES = (0.05, 0.15, 0.3)
"""Contrasts, in amounts of dye, at which a spot counts half: pale to dark nuclei."""


def band_energies(name: str, levels: Sequence[Level]) -> dict[str, float]:
    """Standard deviation, mean size and skewness of each band of a plane.

    Parameters
    ----------
    name
        First part of the features' names; the band of level k is called ``band<2**k>``, its scale in pixels.
    levels
        Result of `pyramid`.

    Returns
    -------
    Three features a level. Skewness above 0: dark structures (much dye) on a pale ground.
    """
    features: dict[str, float] = {}
    for k, level in enumerate(levels):
        band = level.band
        squares = band * band
        m2, m3 = float(squares.mean()), float((squares * band).mean())
        at = f"{name}_band{2**k}"
        features |= {
            f"{at}_sd": m2**0.5,
            f"{at}_abs": float(np.abs(band).mean()),
            f"{at}_skew": m3 / (m2 + TINY) ** 1.5,
        }
    return features


def blob_features(name: str, levels: Sequence[Level]) -> dict[str, float]:
    """Count the dark round spots of three sizes and say how dark they are.

    Parameters
    ----------
    name
        First part of the features' names.
    levels
        Pyramid of the amount of a dye, four levels or more.

    Returns
    -------
    Seven features a size: spots in 10,000 pixels at three contrasts, mean and spread of contrast and of the amount of
    dye at the spots. Means are drawn to 0 where spots are few (one spot of nothing is added).

    Notes
    -----
    A spot is a local maximum of a band: of the difference of Gaussians over place (Lindeberg, IJCV 30:79, 1998), at
    sizes that are given. A maximum of contrast d counts as ``d^4 / (d^4 + t^4)``: no spot comes or goes at once, and
    noise counts as nothing.
    """
    area = levels[0].plane.size / 10_000
    features: dict[str, float] = {}
    for k in BLOB_LEVELS:
        contrast, dye = find_blobs(levels[k])
        seen = [contrast**4 / (contrast**4 + t**4) for t in BLOB_AMPLITUDES]
        at = f"{name}_blob{2**k}"
        for t, weight in zip(BLOB_AMPLITUDES, seen, strict=True):
            features[f"{at}_count{100 * t:02.0f}"] = float(weight.sum()) / area
        for what, values in (("contrast", contrast), ("dye", dye)):
            features[f"{at}_{what}_mean"], features[f"{at}_{what}_sd"] = _weighted(values, seen[0])
    return features


def find_blobs(level: Level) -> tuple[np.ndarray, np.ndarray]:
    """Contrast and value ``[m]`` (float64) of the local maxima of a band above 0; the outermost pixels are none.

    A maximum is as high as its eight neighbours; of two equal neighbours the last one counts.
    """
    band = level.band
    h, w = band.shape
    middle = band[1:-1, 1:-1]
    peak = middle > 0
    for dy, dx in ((-1, -1), (-1, 0), (-1, 1), (0, -1)):
        peak &= middle >= band[1 + dy : h - 1 + dy, 1 + dx : w - 1 + dx]
        peak &= middle > band[1 - dy : h - 1 - dy, 1 - dx : w - 1 - dx]
    return middle[peak].astype(np.float64), level.plane[1:-1, 1:-1][peak].astype(np.float64)


def _weighted(values: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of values ``[m]``, of which there may be none, and a 0 of weight 1."""
    weight, values = np.append(weight, 1), np.append(values, 0)  # the spot of nothing
    mean = (weight * values).sum() / weight.sum()
    return float(mean), float(np.sqrt((weight * (values - mean) ** 2).sum() / weight.sum()))
