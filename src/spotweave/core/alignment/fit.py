"""All slices brought into the frame of one of them."""

from typing import NamedTuple

import numpy as np

from ..._check import check_coords
from ..libraries import library_blocks
from .features import Sites
from .pair import Pair, compare, lay_over
from .params import AlignParams
from .rigid import transform

FEWEST = 10
"""Points of a slice."""


class Alignment(NamedTuple):
    """Slices in one frame."""

    xy: np.ndarray
    """Places ``[n, 2]`` in the frame of the reference."""
    transforms: np.ndarray
    """From the frame of each slice to the reference's ``[s, 3, 3]``, without the warp."""
    pairs: list[Pair | None]
    """How each slice fits; None for the reference."""


def align(
    H: np.ndarray,
    xy: np.ndarray,
    library: np.ndarray,
    *,
    reference: int = 0,
    warp: bool = False,
    allow_reflection: bool = False,
    scale: bool = False,
    rng: np.random.Generator | None = None,
    params: AlignParams | None = None,
) -> Alignment:
    """Lay all slices over one of them.

    Parameters
    ----------
    H
        Embedding ``[n, d]`` that slices share, leading columns first; each slice is centred here.
    xy
        Coordinates ``[n, 2]``.
    library
        Slice of each row ``[n]``, sortable.
    reference
        Which of the slices, in sorted order, keeps its coordinates.
    warp
        Bend slices smoothly after placing them.
    allow_reflection
        Let slices be mirrored.
    scale
        Fit one scale for each slice.
    rng
        For the split of a warp's evidence.
    params
        Settings.

    Returns
    -------
    Places, matrices and fits, slices in sorted order.
    """
    settings = params or AlignParams()
    points = np.asarray(check_coords(xy, "xy"))[:, :2]
    rows = library_blocks(len(points), library)
    slices = [Sites(points[r], np.asarray(H[r], dtype=np.float64)) for r in rows]
    transforms, placed, pairs = [], np.empty_like(points), []
    for i, moving in enumerate(slices):
        pair = (
            None
            if i == reference
            else lay_over(
                compare(moving, slices[reference], settings), settings, allow_reflection=allow_reflection, scale=scale
            )
        )
        T = np.eye(3) if pair is None else pair.placed.T
        transforms.append(T)
        pairs.append(pair)
        placed[rows[i]] = transform(T, moving.xy)
    return Alignment(placed, np.stack(transforms), pairs)
