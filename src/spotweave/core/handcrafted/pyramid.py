"""Planes at halved resolutions, without any preferred direction."""

from typing import NamedTuple

import numpy as np

N_LEVELS = 5


class Level(NamedTuple):
    """A plane at one resolution."""

    plane: np.ndarray
    """``[h, w]``."""
    smooth: np.ndarray
    """The same, blurred ``[h, w]``."""

    @property
    def band(self) -> np.ndarray:
        """What the blur removes ``[h, w]``: structures about as large as a pixel of this level."""
        return self.plane - self.smooth


def pyramid(plane: np.ndarray, *, n_levels: int = N_LEVELS) -> list[Level]:
    """Blur and halve, `n_levels` times.

    Parameters
    ----------
    plane
        ``[h, w]``, float32.
    n_levels
        How many; level k has sides of ``h // 2**k`` and ``w // 2**k``.

    Returns
    -------
    Levels from fine to coarse.

    Notes
    -----
    The Laplacian pyramid of Burt and Adelson (IEEE Trans. Commun. 31:532, 1983) with :func:`halve` where they keep
    every second pixel, so that a mirrored or turned plane has the mirrored or turned pyramid. The blur has a
    variance of ``4**k`` and the mean one of ``4**k / 4`` pixels of the tile, so that the band of level k is about the
    difference of Gaussians with standard deviations of ``0.6 * 2**k`` (0 for k = 0) and ``1.2 * 2**k`` (1).
    """
    levels = []
    for _ in range(n_levels):
        levels.append(Level(plane, blur(plane)))
        plane = halve(levels[-1].smooth)
    return levels


def blur(plane: np.ndarray) -> np.ndarray:
    """Convolve ``[h, w]`` with the binomial weights 1, 4, 6, 4, 1 (sum 1) along both axes, mirrored at the edges.

    They are four means of two neighbours each: eight sums of shifted planes, and exact on a flat plane.
    """
    for _ in range(2):
        plane = np.concatenate([plane[1::-1], plane, plane[:-3:-1]]).T
    for _ in range(4):
        plane = plane[:-1] + plane[1:]
        plane = plane[:, :-1] + plane[:, 1:]
    return plane * plane.dtype.type(1 / 256)


def halve(planes: np.ndarray) -> np.ndarray:
    """Mean of each 2 x 2 pixels, ``[..., h, w]`` to ``[..., h // 2, w // 2]``; the last of an odd side is left out."""
    return pool(planes, 2)


def pool(planes: np.ndarray, side: int) -> np.ndarray:
    """Mean of each square of `side` pixels, ``[..., h, w]`` to ``[..., h // side, w // side]``."""
    h, w = (size // side * side for size in planes.shape[-2:])
    rows = planes[..., 0:h:side, :w].copy()
    for i in range(1, side):
        rows += planes[..., i:h:side, :w]
    total = rows[..., 0::side].copy()
    for i in range(1, side):
        total += rows[..., i::side]
    total *= total.dtype.type(1 / side**2)
    return total
