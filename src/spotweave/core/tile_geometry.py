"""The scale of a picture, from the spots that were measured on it."""

import numpy as np
from scipy.spatial import cKDTree

from .._check import check_coords, fail
from .lattice import Lattice, find_lattice

PITCH_UM = {4: 200.0, 6: 100.0}
"""Micrometres between the centres of neighbouring spots: ST (Stahl et al. 2016, square), Visium (hexagonal)."""
TECHNOLOGY = {4: "ST", 6: "Visium"}
MOST_SPOTS = {4: 2_000, 6: 15_000}
"""An ST array has 1,007 or 1,934 spots, a Visium slide 4,992 or 14,336; bins of Visium HD or Stereo-seq are more."""
BELIEVABLE_MPP = (0.05, 20.0)
"""Micrometres per pixel: finer than any light microscope resolves, coarser than a flatbed scanner. Outside lie values
that only look like a scale: the 72 dots per inch (353 um) that programs write into every picture, steps of an array."""


def spot_pitch(xy: np.ndarray) -> float:
    """Median distance of points to their nearest neighbour; points at the same place count once.

    On a jittered lattice this is less than its step, for the nearest of several is taken: 4 to 8 % on ST arrays.

    Parameters
    ----------
    xy
        Coordinates ``[n, 2]``, any unit.

    Returns
    -------
    The distance in the unit of `xy`.

    Raises
    ------
    InputError
        When there are less than two places.
    """
    places = np.unique(check_coords(xy, "`xy`"), axis=0)
    if len(places) < 2:
        raise fail("spots at two places or more", f"{len(places)}", "Pass `mpp=`, the micrometres per pixel.")
    return float(np.median(cKDTree(places).query(places, k=2)[0][:, 1]))


def infer_um_per_px(xy: np.ndarray) -> tuple[float, str]:
    """Micrometres per pixel, from the lattice that the spots of one section lie on.

    A square lattice is an ST array, 200 um from spot to spot; a hexagonal one Visium, 100 um. The step is that of the
    lattice fitted to all spots (`find_lattice`), which jitter, holes and a turned picture do not bias.

    Parameters
    ----------
    xy
        Centres of spots ``[n, 2]``, pixels of the picture.

    Returns
    -------
    Micrometres per pixel, and the technology: "ST" or "Visium".

    Raises
    ------
    InputError
        When the spots lie on no lattice, on that of finer bins, or the coordinates cannot be pixels.
    """
    xy = check_coords(xy, "`xy`")[:, :2]
    lattice = find_lattice(xy)
    if lattice is None or np.ptp(lattice.sites, axis=0).min() < 2:
        raise _unknown("spots that lie on no such lattice")
    n = len(np.unique(lattice.sites, axis=0))
    if n > MOST_SPOTS[lattice.n_neighs]:
        raise _unknown(f"{n} places on a lattice, more than {TECHNOLOGY[lattice.n_neighs]} has: bins of another method")
    um_per_px = PITCH_UM[lattice.n_neighs] / _step(lattice)
    if not BELIEVABLE_MPP[0] <= um_per_px <= BELIEVABLE_MPP[1]:
        found = f"spots {_step(lattice):.3g} apart: rows and columns of the array, or another unit?"
        raise _unknown(found, "Pass coordinates in pixels of the picture, or `mpp=`, the micrometres per pixel.")
    return um_per_px, TECHNOLOGY[lattice.n_neighs]


def _step(lattice: Lattice) -> float:
    """Distance between neighbours of the regular lattice with the same number of sites an area."""
    angle = 2 * np.pi / lattice.n_neighs
    return float(np.sqrt(abs(np.linalg.det(lattice.basis)) / np.sin(angle)))


def _unknown(found: str, remedy: str = "Pass `mpp=`, the micrometres per pixel.") -> Exception:
    return fail("pixel coordinates of ST spots (square lattice) or Visium spots (hexagonal)", found, remedy)
