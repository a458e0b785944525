"""Colour as the eye sees it: lightness, two opponent colours, saturation."""

import numpy as np

_CODES = np.arange(256) / 255
# the curve of sRGB (IEC 61966-2-1)
LINEAR_OF = np.where(_CODES <= 0.04045, _CODES / 12.92, ((_CODES + 0.055) / 1.055) ** 2.4).astype(np.float32)
# linear sRGB to CIE XYZ, relative to the white point D65: each row sums to 1
_TO_XYZ = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
TO_XYZ = (_TO_XYZ / _TO_XYZ.sum(axis=1, keepdims=True)).astype(np.float32)
_EPSILON, _SLOPE = 216 / 24389, 841 / 108


def linear_light(rgb: np.ndarray) -> np.ndarray:
    """Amounts of light, float32 from 0 to 1, of sRGB codes, uint8 of any shape."""
    return np.take(LINEAR_OF, rgb)


def lab(light: np.ndarray) -> np.ndarray:
    """CIE 1976 L*, a* and b*.

    Parameters
    ----------
    light
        Linear red, green and blue, float32 ``[3, ...]``, 0 to 1.

    Returns
    -------
    float32 ``[3, ...]``: L* from 0 to 100, a* (green to red), b* (blue to yellow).

    Notes
    -----
    ``L* = 116 f(Y) - 16``, ``a* = 500 (f(X) - f(Y))``, ``b* = 200 (f(Y) - f(Z))`` with X, Y, Z relative to D65 and
    ``f(t)`` the cube root of t, or ``841/108 t + 4/29`` below ``(6/29)**3``.
    """
    r, g, b = light
    x, y, z = (_cube_root(r * m[0] + g * m[1] + b * m[2]) for m in TO_XYZ)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def saturation(rgb: np.ndarray) -> np.ndarray:
    """Distance from grey, ``(max - min) / (max + 1)`` of red, green and blue: float32 ``[3, ...]`` of 0 to 255."""
    high, low = np.maximum(np.maximum(rgb[0], rgb[1]), rgb[2]), np.minimum(np.minimum(rgb[0], rgb[1]), rgb[2])
    return (high - low) / (high + 1)


def _cube_root(t: np.ndarray) -> np.ndarray:
    return np.where(
        t > np.float32(_EPSILON), np.power(t, np.float32(1 / 3)), np.float32(_SLOPE) * t + np.float32(4 / 29)
    )
