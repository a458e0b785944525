"""How steep edges are, and whether neighbouring edges run the same way (fibres) or not (round nuclei)."""

import numpy as np

from .distribution import distribution
from .pyramid import halve, pool

BLOCKS = (8, 32)
"""Sides in pixels of the squares in which directions are compared."""
NOISE = 1e-4
"""Energy of the gradient of glass: a change of 1 % of a unit from pixel to pixel."""


def edge_features(name: str, smooth: np.ndarray) -> dict[str, float]:
    r"""Distribution of the gradient's size, and coherence of its direction.

    Parameters
    ----------
    name
        First part of the features' names.
    smooth
        Blurred plane ``[h, w]``, sides of 32 pixels or more.

    Returns
    -------
    Eight features of the gradient, and mean and spread of the coherence over squares of two sizes.

    Notes
    -----
    In each square the structure tensor (Bigun and Granlund, ICCV 1987) holds the means of :math:`g_x^2`, :math:`g_y^2`
    and :math:`g_x g_y`. Coherence is the difference of its eigenvalues over their sum,

    .. math:: \sqrt{(J_{xx} - J_{yy})^2 + 4 J_{xy}^2} \, / \, (J_{xx} + J_{yy} + 10^{-4})

    1 for straight parallel edges, 0 where all directions are alike or nothing is seen.
    """
    x, y = gradient(smooth)
    xx, yy, xy = x * x, y * y, x * y
    energy = xx + yy
    features = distribution(f"{name}_gradient", halve(np.sqrt(energy)))
    tensor = np.stack([pool(plane, BLOCKS[0]) for plane in (xx - yy, xy, energy)])
    for side in BLOCKS:
        difference, product, total = pool(tensor, side // BLOCKS[0])
        coherence = np.sqrt(difference**2 + 4 * product**2) / (total + np.float32(NOISE))
        features[f"{name}_coherence{side}_mean"] = float(coherence.mean())
        features[f"{name}_coherence{side}_sd"] = float(coherence.std())
    return features


def gradient(plane: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Central differences along x and y, ``[h, w]`` each, a pixel apart on either side; edges are mirrored."""
    wide = np.concatenate([plane[:, :1], plane, plane[:, -1:]], axis=1)
    high = np.concatenate([plane[:1], plane, plane[-1:]])
    return wide[:, 2:] - wide[:, :-2], high[2:] - high[:-2]
