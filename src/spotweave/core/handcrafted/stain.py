"""How much dye lies in the light: optical density, haematoxylin and eosin."""

import numpy as np

# Optical densities of haematoxylin, eosin and diaminobenzidine in red, green and blue (Ruifrok and Johnston 2001,
# table 1). No diaminobenzidine is in the tissue here: the third holds what the two dyes do not explain.
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
STAINS /= np.linalg.norm(STAINS, axis=1, keepdims=True)
UNMIX = np.linalg.inv(STAINS).astype(np.float32)
DENSITY_OF = -np.log((np.arange(256) + 1) / 256).astype(np.float32)


def optical_density(rgb: np.ndarray) -> np.ndarray:
    """Optical density of each channel by the law of Beer and Lambert, ``-ln((v + 1) / 256)``.

    Parameters
    ----------
    rgb
        Intensities, uint8, any shape.

    Returns
    -------
    float32 of the same shape: 0 for white, 5.5 for black (the 1 keeps it finite).
    """
    return np.take(DENSITY_OF, rgb)


def unmix(density: np.ndarray) -> np.ndarray:
    """Amounts of haematoxylin, eosin and the residual.

    Parameters
    ----------
    density
        Optical density of red, green and blue, float32 ``[3, ...]``.

    Returns
    -------
    float32 ``[3, ...]``: the amounts ``c`` that solve ``c @ STAINS = density`` in each pixel; below 0 where a pixel's
    hue lies outside of the dyes'.

    Notes
    -----
    Colour deconvolution of Ruifrok and Johnston (Anal. Quant. Cytol. Histol. 23:291, 2001).
    """
    # sums by hand: a matrix product may round differently with another number of threads
    r, g, b = density
    amounts = np.empty_like(density)
    for k, a in enumerate(UNMIX.T):
        np.multiply(r, a[0], out=amounts[k])
        amounts[k] += g * a[1]
        amounts[k] += b * a[2]
    return amounts
