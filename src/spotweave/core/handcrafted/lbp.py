"""Local binary patterns: which of its eight neighbours a pixel is paler than."""

import numpy as np

N_BINS = 10
MARGIN = 0.001
"""Least difference that counts, in optical density: less than any step of an 8-bit camera, so that rounding does not."""
_RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))  # row, column; bit 7 to bit 0


def lbp_features(name: str, plane: np.ndarray, *, radius: int) -> dict[str, float]:
    """Shares of the ten uniform patterns, whatever their direction.

    Parameters
    ----------
    name
        First part of the features' names.
    plane
        ``[h, w]``, sides of ``2 radius + 1`` or more.
    radius
        Rows and columns from a pixel to its neighbours.

    Returns
    -------
    Ten features with sum 1.

    Notes
    -----
    Ojala, Pietikäinen and Mäenpää (IEEE PAMI 24:971, 2002), "riu2": with at most two changes around the ring the bin is
    the number of darker neighbours (0 to 8: spot, edge, corner, flat), else it is 9. The neighbours are those of the
    pixel grid, so quarter turns and mirrored planes change nothing. A neighbour must be higher by a margin (Heikkilä and
    Pietikäinen, IEEE PAMI 28:657, 2006).
    """
    codes = lbp_codes(plane, radius=radius)
    by_code = np.bincount(codes.ravel(), minlength=256)
    shares = np.bincount(BIN_OF, weights=by_code, minlength=N_BINS) / codes.size
    return {f"{name}_{k}": float(share) for k, share in enumerate(shares)}


def lbp_codes(plane: np.ndarray, *, radius: int) -> np.ndarray:
    """Bits of the neighbours that are higher than a pixel, uint8 ``[h - 2 radius, w - 2 radius]``."""
    h, w = (size - 2 * radius for size in plane.shape)
    middle = plane[radius:-radius, radius:-radius] + plane.dtype.type(MARGIN)
    codes = np.zeros(middle.shape, dtype=np.uint8)
    for down, right in _RING:
        y, x = radius * (1 + down), radius * (1 + right)
        higher = plane[y : y + h, x : x + w] > middle
        codes += codes
        codes |= higher.view(np.uint8)
    return codes


def _bins() -> np.ndarray:
    """Bin of each of the 256 codes."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), N_BINS - 1)


BIN_OF = _bins()
