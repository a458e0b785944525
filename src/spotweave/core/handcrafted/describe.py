"""From tiles to vectors: all families of features, in one order."""

import numpy as np

from ..._check import fail
from .bands import band_energies, blob_features
from .color import lab, linear_light, saturation
from .distribution import correlation, distribution, share_above
from .edges import edge_features
from .glcm import glcm_features
from .lbp import lbp_features
from .pyramid import blur, halve, pyramid
from .stain import optical_density, unmix

VERSION = "1"
"""Changes whenever a number does."""
TILE_PX = 224
SCALES = (1.0, 2.0, 4.0)
"""Sides of tiles in multiples of the smallest: nuclei, their surroundings, the tissue."""
MIN_PX = 32

# where the grey steps end: about the darkness of a nucleus; what is darker is in the last step
_HIGH = {"density": 1.2, "haematoxylin": 1.5}
_GLASS, _DARK = (0.1, 0.2), 0.8
_NUCLEAR = (0.3, 0.6, 1.0)


def describe_tiles(tiles: np.ndarray) -> np.ndarray:
    """Describe the colour and texture of each tile.

    Parameters
    ----------
    tiles
        RGB pictures, uint8 ``[b, px, px, 3]`` with px of 32 or more (meant for 224). The colours of the dyes are those
        of haematoxylin and eosin.

    Returns
    -------
    float32 ``[b, d]``, finite, named by `FEATURE_NAMES`. A tile has the same vector in any batch.

    Raises
    ------
    InputError
        When `tiles` have another type or shape.

    Notes
    -----
    Statistics of colour and dyes are those of 2 x 2 means; texture is that of the optical density and of haematoxylin.
    A tile turned by a quarter or mirrored has the same vector but for rounding, where px is a multiple of 32 as 224 is.
    Scales are in pixels: vectors of tiles of different px or micrometres per pixel are not comparable.
    """
    tiles = np.asarray(tiles)
    shape = tiles.shape
    if tiles.dtype != np.uint8 or tiles.ndim != 4 or shape[1] != shape[2] or shape[3] != 3 or shape[1] < MIN_PX:
        raise fail(
            f"tiles of type uint8 and shape [b, px, px, 3] with px of {MIN_PX} or more", f"{tiles.dtype} {list(shape)}"
        )
    vectors = [list(_describe(tile).values()) for tile in tiles]
    return np.array(vectors, dtype=np.float32).reshape(len(tiles), len(FEATURE_NAMES))


def _describe(tile: np.ndarray) -> dict[str, float]:
    """Features of one tile ``[px, px, 3]`` by name: planes of one tile fit the processor's cache, those of many do not."""
    rgb = np.ascontiguousarray(tile.transpose(2, 0, 1))
    by_channel = optical_density(rgb)
    haematoxylin, eosin, _ = unmix(by_channel)
    density = (by_channel[0] + by_channel[1] + by_channel[2]) * np.float32(1 / 3)
    return _colour(rgb, halve(by_channel)) | _texture(density, haematoxylin, eosin)


def _colour(rgb: np.ndarray, by_channel: np.ndarray) -> dict[str, float]:
    """Features without place, of 2 x 2 means: codes uint8 ``[3, px, px]``, density ``[3, px // 2, px // 2]``."""
    mean = halve(rgb.astype(np.float32))
    haematoxylin, eosin, residual = stains = unmix(by_channel)
    density = by_channel.mean(axis=0)
    lightness, green_red, blue_yellow = lab(halve(linear_light(rgb))) * np.float32(0.01)
    planes = {
        **dict(zip(("red", "green", "blue"), mean * np.float32(1 / 255), strict=True)),
        "haematoxylin": haematoxylin,
        "eosin": eosin,
        "residual": residual,
        "lightness": lightness,
        "green_red": green_red,
        "blue_yellow": blue_yellow,
        "saturation": saturation(mean),
        "density": density,
    }
    features: dict[str, float] = {}
    for name, plane in planes.items():
        features |= distribution(name, plane)
    for t in _GLASS:
        features[f"share_glass{100 * t:02.0f}"] = 1 - share_above(density, t, width=0.05)
    features[f"share_dark{100 * _DARK:02.0f}"] = share_above(density, _DARK, width=0.2)
    for t in _NUCLEAR:
        features[f"share_nuclear{100 * t:02.0f}"] = share_above(haematoxylin, t, width=0.15)
    for a, b, pair in ((0, 1, "haematoxylin_eosin"), (0, 2, "haematoxylin_residual"), (1, 2, "eosin_residual")):
        features[f"correlation_{pair}"] = correlation(stains[a], stains[b])
    return features


def _texture(density: np.ndarray, haematoxylin: np.ndarray, eosin: np.ndarray) -> dict[str, float]:
    """Features of the arrangement of pixels, planes ``[px, px]``."""
    levels = {"density": pyramid(density), "haematoxylin": pyramid(haematoxylin)}
    features = band_energies("eosin", pyramid(eosin)) | blob_features("haematoxylin", levels["haematoxylin"])
    for name, (fine, half, *coarse) in levels.items():
        features |= band_energies(name, [fine, half, *coarse])
        features |= edge_features(name, fine.smooth)
        features |= lbp_features(f"{name}_lbp1", fine.plane, radius=1)
        features |= lbp_features(f"{name}_lbp3", blur(blur(fine.smooth)), radius=3)  # standard deviation 1.7 pixels
        for distance in (1, 3):  # 2 and 6 pixels of the tile
            features |= glcm_features(f"{name}_glcm{2 * distance}", half.plane, high=_HIGH[name], distance=distance)
    return features


FEATURE_NAMES: tuple[str, ...] = tuple(_describe(np.zeros((MIN_PX, MIN_PX, 3), np.uint8)))
