"""Counts and smooth functions of one section, as tests of given patterns need them; the pattern of one gene."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .._check import check_coords, fail
from .gene_forms import CONSTANT
from .libraries import library_blocks
from .score_residuals import LEVELS, Weights, clip_outliers, dispersion_levels, power, residual_moments, working_weights
from .smooth_kernels import smooth_kernels
from .spatial_basis import box_waves

N_FUNCTIONS = 128
"""Smooth functions of a library, at most."""
POINTS_EACH = 4
"""Points of a library for each of its functions: the rest tells the noise."""
FEWEST_POINTS = 20
FIRST_BAND = 2
"""Functions of the band of lowest frequency; each band is half as large again as the one before."""
ROUNDING = 1e-9
"""Standard deviation, as a part of the greatest value, below which values do not differ."""


class Section(NamedTuple):
    """Smooth functions on the points of one library, for genes of one level of overdispersion."""

    rows: np.ndarray
    weights: Weights
    level: float
    """Of `spotweave.core.score_residuals.LEVELS`."""
    functions: np.ndarray
    """B ``[rows, m]``, orthonormal, orthogonal to q."""
    band: np.ndarray
    """Band of frequency of each function ``[m]``."""
    frequency: np.ndarray
    """Of each function ``[m]``, in cycles per unit of length."""


class Residuals(NamedTuple):
    """Of some genes in one section."""

    weighted: sp.csr_matrix
    """Counts times w ``[g, rows]``: residuals but for a multiple of q."""
    share: np.ndarray
    variance: np.ndarray
    """Mean square ``[g]``; 0 for genes that are constant there."""
    skewness: np.ndarray
    coefficients: np.ndarray
    """Of the functions ``[g, m]``."""
    noise: np.ndarray
    """Variance of what lies outside the functions ``[g]``."""


def prepared(X: sp.spmatrix, xy: np.ndarray, depth: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    """Counts ``[g, n]`` with odd ones lowered, from counts ``[n, g]``, and depth of mean 1."""
    n = X.shape[0]
    if n < FEWEST_POINTS or len(check_coords(xy, "`xy`")) != n or len(depth) != n:
        raise fail(f"at least {FEWEST_POINTS} points, each with coordinates and depth", f"{n}, {len(xy)}, {len(depth)}")
    if not depth.sum() > 0:
        raise fail("at least one molecule", "none")
    depth = depth / depth.mean()
    return clip_outliers(sp.csr_matrix(X, dtype=np.float64).T.tocsr(), depth), depth


def make_sections(xy: np.ndarray, depth: np.ndarray, library: np.ndarray | None, level: int) -> list[Section]:
    """Functions for one of `LEVELS`, in each library with depth on at least `FEWEST_POINTS` points."""
    sections = []
    for rows in library_blocks(len(depth), library):
        if (depth[rows] > 0).sum() < FEWEST_POINTS:
            continue
        weights = working_weights(depth[rows], LEVELS[level])
        waves = box_waves(xy[rows], max(1, min(N_FUNCTIONS, len(rows) // POINTS_EACH)))
        scale = 1 / (2 * np.pi * max(waves.frequency.max(initial=0), 1e-300))
        kernels = smooth_kernels(xy[rows], weights.q, waves, np.array([scale]))
        frequency = np.sqrt(np.maximum(-np.log(kernels.spectrum[:, 0]) / 2, 0)) / (np.pi * scale)  # of those kept
        B = kernels.functions
        sections.append(Section(rows, weights, LEVELS[level], B, bands(B.shape[1]), frequency))
    return sections


def bands(m: int) -> np.ndarray:
    """Cut m functions in ascending order of frequency into bands that widen ``[m]``; a short last one joins in."""
    edges = [0]
    while edges[-1] < m:
        edges.append(edges[-1] + round(FIRST_BAND * 1.5 ** (len(edges) - 1)))
    if len(edges) > 2 and m - edges[-2] < (edges[-1] - edges[-2]) / 2:
        del edges[-2]
    return np.searchsorted(edges[1:], np.arange(m), side="right")


def residuals(Y: sp.csr_matrix, depth: np.ndarray, section: Section) -> Residuals:
    """Residuals of counts ``[g, n]`` of all points in one section, and what of them is smooth."""
    part = Y if len(section.rows) == Y.shape[1] else Y[:, section.rows]
    powers = [part, *(power(part, k) for k in (2, 3, 4))]
    moments, w = residual_moments(powers, depth[section.rows], section.weights), section.weights.w
    n, m = len(w), section.functions.shape[1]
    weighted = sp.csr_matrix((part.data * w[part.indices], part.indices, part.indptr), shape=part.shape)
    c = weighted @ section.functions
    varying = moments.square > CONSTANT * (powers[1] @ w**2)
    noise = np.maximum(moments.square - (c**2).sum(axis=1), 0) / max(n - 1 - m, 1)
    return Residuals(
        weighted, moments.share, np.where(varying, moments.square / (n - 1), 0), moments.skewness, c, noise
    )


def standardised(values: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Values of mean 0 and standard deviation 1 under weights `depth`; zeros where they do not differ."""
    centred = values - np.average(values, weights=depth)
    sd = np.sqrt(np.average(centred**2, weights=depth))
    return centred / sd if sd > ROUNDING * np.abs(values).max() else np.zeros(len(values))


def smooth_pattern(
    x: sp.spmatrix, xy: np.ndarray, depth: np.ndarray, *, library: np.ndarray | None = None
) -> np.ndarray:
    r"""Estimate the pattern of one gene in space.

    One step from a flat pattern towards the log expression, cut to smooth functions; each band of frequency is weighted
    by the part of its variance that is not noise (Wiener's filter).

    Parameters
    ----------
    x
        Counts ``[n, 1]``, sparse.
    xy
        Coordinates ``[n, 2 or 3]``; at least 20 points.
    depth
        Total counts of each point over all genes measured ``[n]``, in any unit.
    library
        Codes ``[n]``: a pattern in each, none across.

    Returns
    -------
    Relative change of expression ``[n]``, of mean 0 and standard deviation 1 over the points weighted by depth; zeros
    for a gene of no visible pattern.
    """
    Y, depth = prepared(x, xy, depth)
    pattern = np.zeros(len(depth))
    for section in make_sections(xy, depth, library, int(dispersion_levels(Y, depth)[0])):
        found, q = residuals(Y, depth, section), section.weights.q
        if not (found.variance[0] > 0 and found.noise[0] > 0):
            continue
        c, size = found.coefficients[0], np.bincount(section.band)
        strength = np.bincount(section.band, c**2) / size / found.noise[0]
        weight = np.maximum(1 - 1 / np.maximum(strength, 1), 0)[section.band]
        change = section.functions @ (c * weight) / found.share[0]
        pattern[section.rows] = np.divide(change, q, out=np.zeros(len(q)), where=q > 0)
    return standardised(pattern, depth)
