"""Fixed smooth functions of position: cosines over the tissue, made orthonormal on its points."""

from itertools import product
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from .._check import check_range, fail
from .libraries import library_blocks

DEPENDENT = 1e-8
"""Part of a function's square norm that must be new: what lies below is rounding, or points on a line."""


class Basis(NamedTuple):
    """Smooth functions on the points, from the broadest to the finest of each library."""

    functions: np.ndarray
    """Values ``[n, m]``, orthonormal columns, each orthogonal to the constant; zero outside its library."""
    frequency: np.ndarray
    """Cycles per unit of length ``[m]``."""


class Waves(NamedTuple):
    """Products of cosines over a bounding box: all that is needed to evaluate them on any rows."""

    corner: np.ndarray
    """Lower corner of the box ``[d]``."""
    extent: np.ndarray
    """Its edges ``[d]``; 1 where the points do not extend."""
    half_waves: np.ndarray
    """Whole numbers of half waves along each axis ``[m, d]``."""
    frequency: np.ndarray
    """Cycles per unit of length ``[m]``, ascending."""

    def __call__(self, xy: np.ndarray) -> np.ndarray:
        """Values ``[rows, m]`` at the points `xy` ``[rows, d]``, between -1 and 1."""
        unit, values = np.pi * (xy - self.corner) / self.extent, np.ones((len(xy), len(self.frequency)))
        for axis, k in enumerate(self.half_waves.T):
            table = np.cos(unit[:, [axis]] * np.arange(k.max(initial=0) + 1))  # [rows, most half waves + 1]
            values *= table[:, k]
        return values


def spatial_basis(xy: np.ndarray, n_functions: int, *, library: np.ndarray | None = None) -> Basis:
    r"""Smooth functions of position, orthonormal on the points.

    .. math:: \phi_{ab}(x, y) = \cos(\pi a u) \cos(\pi b v), \qquad
              f_{ab} = \tfrac12 \sqrt{(a / L_x)^2 + (b / L_y)^2}

    with :math:`u, v` the position within the bounding box :math:`L_x \times L_y` (a third axis alike): the modes of a
    box with free edges, so that no pattern need repeat or vanish at the border. In ascending order of frequency, each
    is made orthogonal to the constant and to those before it on the points themselves, whatever shape they fill;
    functions that the points cannot tell from earlier ones are dropped. Costs :math:`O(n m^2)`.

    Parameters
    ----------
    xy
        Coordinates ``[n, d]``, d of 1 to 3.
    n_functions
        Functions of all libraries together, at most; shared out in proportion to their points.
    library
        Codes ``[n]``: each library gets functions of its own, orthogonal to its own constant.

    Returns
    -------
    Functions and their frequencies; fewer than asked for where the points are few.
    """
    check_range(n_functions, "n_functions", low=1, integer=True)
    parts, frequency = [], []
    for rows in library_blocks(len(xy), library):
        waves = box_waves(xy[rows], max(1, round(n_functions * len(rows) / len(xy))))
        values = np.column_stack([np.ones(len(rows)), waves(xy[rows])])
        mix, kept = orthonormal(values.T @ values)
        block = np.zeros((len(xy), len(kept) - 1))
        block[rows] = values[:, kept] @ mix[:, 1:]
        parts.append(block)
        frequency.append(waves.frequency[kept[1:] - 1])
    return Basis(np.hstack(parts), np.concatenate(frequency))


def box_waves(xy: np.ndarray, n_functions: int) -> Waves:
    """Choose the lowest `n_functions` frequencies, but the constant's, of the points' bounding box."""
    if not len(xy):
        raise fail("at least one point", "none")
    corner, extent = xy.min(axis=0), np.ptp(xy, axis=0)
    flat = extent <= 1e-12 * max(extent.max(), 1e-300)
    extent = np.where(flat, 1.0, extent)
    half_waves = _lowest(extent, flat, min(n_functions, len(xy) - 1))
    return Waves(corner, extent, half_waves, np.sqrt(((half_waves / extent) ** 2).sum(axis=1)) / 2)


def _lowest(extent: np.ndarray, flat: np.ndarray, m: int) -> np.ndarray:
    """The m nonzero ``[a, b, ...]`` of least frequency, from a box of candidates that holds them all."""
    d = max(int((~flat).sum()), 1)
    size = np.exp(np.log(extent[~flat]).mean()) if d and not flat.all() else 1.0
    reach = 2.0 * (m + 1) ** (1 / d) + 2
    while True:
        most = np.where(flat, 0, np.floor(reach * extent / size)).astype(int)
        inside = np.array(list(product(*[range(k + 1) for k in most])))
        frequency = ((inside / extent) ** 2).sum(axis=1)
        complete = frequency <= (reach / size) ** 2 * (1 + 1e-12)  # no candidate outside the box is lower
        if complete.sum() > m or flat.all():
            break
        reach *= 1.5
    order = np.argsort(np.round(frequency / max(frequency.max(), 1e-300), 12), kind="stable")
    return inside[order[1 : m + 1]]


def orthonormal(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn a Gram matrix into the mixing that makes functions orthonormal, in order, without dependent ones.

    gram : [m, m] inner products.  Returns ``mix [k, k]`` (upper triangular) and ``kept [k]``: the columns of
    ``F[:, kept] @ mix`` are orthonormal. Gram-Schmidt, as a Cholesky factorisation that skips columns.
    """
    kept: list[int] = []
    lower = np.zeros_like(gram, dtype=np.float64)  # rows in the order kept
    for j in range(len(gram)):
        row = solve_triangular(lower[: len(kept), : len(kept)], gram[kept, j], lower=True) if kept else np.zeros(0)
        rest = gram[j, j] - row @ row
        if rest > DEPENDENT * gram[j, j]:
            lower[len(kept), : len(kept)], lower[len(kept), len(kept)] = row, np.sqrt(rest)
            kept.append(j)
    k = len(kept)
    return solve_triangular(lower[:k, :k], np.eye(k), lower=True).T, np.array(kept, dtype=np.intp)
