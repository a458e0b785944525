"""Local binary patterns: which of its eight neighbours a pixel is paler than."""

import numpy as np

N_BINS = 10
MARGIN = 0.003
"""Least difference that counts: two steps of one channel of an 8-bit camera in bright light, in optical density."""
_RING = ((-1, -1), (-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1))  # row, column; once around


def lbp_features(name: str, plane: np.ndarray) -> dict[str, float]:
    """Shares of the ten uniform patterns, whatever their direction.

    Parameters
    ----------
    name
        First part of the features' names.
    plane
        ``[h, w]``, sides of 3 or more.

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
    codes = lbp_codes(plane)
    by_code = np.bincount(codes.ravel(), minlength=256)
    shares = np.bincount(BIN_OF, weights=by_code, minlength=N_BINS) / codes.size
    return {f"{name}_{k}": float(share) for k, share in enumerate(shares)}


def lbp_codes(plane: np.ndarray) -> np.ndarray:
    """Bits of the neighbours that are higher than a pixel, uint8 ``[h - 2, w - 2]``."""
    h, w = plane.shape
    middle = plane[1:-1, 1:-1] + plane.dtype.type(MARGIN)
    codes = np.zeros(middle.shape, dtype=np.uint8)
    for k, (dy, dx) in enumerate(_RING):
        higher = plane[1 + dy : h - 1 + dy, 1 + dx : w - 1 + dx] > middle
        codes |= higher.view(np.uint8) << np.uint8(k)
    return codes


def _bins() -> np.ndarray:
    """Bin of each of the 256 codes."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), N_BINS - 1)


BIN_OF = _bins()
