"""Patterns of genes as coefficients of smooth functions of position, and the noise that they share."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .._check import check_coords, fail
from .leakage import leakage
from .score_residuals import LEVELS, clip_outliers, dispersion_levels, working_weights
from .smooth_kernels import smooth_kernels
from .spatial_basis import Waves, box_waves

N_FUNCTIONS = 128
"""Smooth functions of a section, at most."""
POINTS_EACH = 4
"""Points of a section for each of its functions: the rest tells the noise."""
FIRST_BAND = 2
"""Functions of the band of lowest frequency; each band is half as large again as the one before."""
FEWEST_POINTS = 20
CHUNK = 4_096
"""Points whose counts are dense at a time."""


class Patterns(NamedTuple):
    """Of g genes in one section, or in several side by side."""

    values: np.ndarray
    """Coefficients ``[g, m]``, each with noise of variance 1."""
    noise: np.ndarray
    """Correlation of the noise of two genes ``[g, g, sections]``, 1 on the diagonal; 0 for a gene without counts."""
    band: np.ndarray
    """Band of each coefficient ``[m]``: whole numbers from 0."""
    section: np.ndarray
    """Section of each coefficient ``[m]``: whole numbers from 0."""
    weight: np.ndarray
    """What of a coefficient's variance is pattern, over all genes of the section ``[m]``."""
    whitening: np.ndarray
    """Weight over variance ``[m]``: makes broad and fine patterns count alike, as far as they are seen."""
    leakage: np.ndarray
    """How much more the inner products of independent patterns vary, since tissue has edges ``[m]``, at least 1."""


class Section(NamedTuple):
    """Coefficients of one section, and the functions that they belong to."""

    patterns: Patterns
    functions: np.ndarray
    """``[n, m]``, orthonormal."""


def section_patterns(X: sp.csr_matrix, xy: np.ndarray, depth: np.ndarray) -> Section:
    r"""Fit smooth functions of position to the log expression of genes, by one step from a flat pattern.

    Residuals :math:`e_i = w_i (x_i - s_i p)` of the negative binomial score (`spotweave.core.score_residuals`) at one
    level of overdispersion, the middle one of the genes, are projected on functions :math:`B` orthonormal and
    orthogonal to :math:`w s`, so that all genes share them: :math:`c = B^T e / \hat\sigma`. What of the residuals lies
    outside B estimates the noise: its variance :math:`\hat\sigma^2` for each gene and its correlation for each pair,
    since genes of one kind of cell vary together from point to point without any pattern. Coefficients are weighted by
    the part of their variance that is not noise, pooled over genes within bands of frequency (Wiener's filter).

    Parameters
    ----------
    X
        Counts ``[n, g]`` of the genes chosen, sparse.
    xy
        Coordinates ``[n, 2 or 3]``.
    depth
        Total counts of each point over all genes measured ``[n]``, in any unit.

    Returns
    -------
    Coefficients and functions. The cost is :math:`O(n m^2 + \mathrm{nnz} \, m + n g^2)`.
    """
    xy, n = check_coords(xy, "`xy`"), len(xy)
    if n < FEWEST_POINTS or X.shape[0] != n or len(depth) != n:
        raise fail(f"at least {FEWEST_POINTS} points with counts and depth", f"{n}, {X.shape[0]} and {len(depth)}")
    if not depth.sum() > 0:
        raise fail("at least one molecule", "none")
    depth = depth / depth.mean()
    Y = clip_outliers(sp.csr_matrix(X, dtype=np.float64).T.tocsr(), depth)
    weights = working_weights(depth, LEVELS[int(np.median(dispersion_levels(Y, depth)))])
    waves = box_waves(xy, max(1, min(N_FUNCTIONS, n // POINTS_EACH)))
    B, frequency = _functions(xy, weights.q, waves)
    m = B.shape[1]
    E = sp.csr_matrix((Y.data * weights.w[Y.indices], Y.indices, Y.indptr), shape=Y.shape)
    coefficients = E @ B  # q is orthogonal to B, so the mean needs no taking away
    rest = residual_products(E, weights.q) - coefficients @ coefficients.T
    variance = np.maximum(np.diag(rest) / max(n - 1 - m, 1), 0)
    found = variance > 1e-10 * np.maximum((coefficients**2).mean(axis=1), 1e-300)
    scale = np.divide(1, np.sqrt(variance), out=np.zeros(len(variance)), where=found)
    noise = np.clip(rest / max(n - 1 - m, 1) * np.outer(scale, scale), -1, 1)
    values, band = coefficients * scale[:, None], bands(m)
    power = smooth_power(values[found], band)
    weight = 1 - 1 / power
    leak = np.full(m, leakage(B, xy, frequency, power))
    return Section(
        Patterns(values, noise[:, :, None], band, np.zeros(m, dtype=np.intp), weight, weight / power, leak), B
    )


def _functions(xy: np.ndarray, q: np.ndarray, waves: Waves) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal functions ``[n, m]``, orthogonal to q, and their frequencies."""
    scale = 1 / (2 * np.pi * max(waves.frequency.max(initial=0), 1e-300))
    kernels = smooth_kernels(xy, q, waves, np.array([scale]))
    return kernels.functions, np.sqrt(-np.log(kernels.spectrum[:, 0]) / 2) / (np.pi * scale)


def residual_products(E: sp.csr_matrix, q: np.ndarray) -> np.ndarray:
    """Inner products ``[g, g]`` of weighted counts ``[g, n]`` less their part along `q` ``[n]``, by chunks of points."""
    along = E @ q / max(float(np.sqrt(q @ q)), 1e-300)
    total = -np.outer(along, along)
    by_point = E.T.tocsr()
    for start in range(0, len(q), CHUNK):
        block = by_point[start : start + CHUNK].toarray()
        total += block.T @ block
    return total


def bands(m: int) -> np.ndarray:
    """Cut m functions in ascending order of frequency into bands ``[m]`` that widen; a short last one joins in."""
    band, size, first = np.zeros(m, dtype=np.intp), float(FIRST_BAND), 0
    while first < m:
        band[first:] = band[first - 1] + 1 if first else 0
        first, size = first + round(size), size * 1.25
        if m - first < size / 2:
            break
    return band


def smooth_power(values: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Mean square over genes of coefficients ``[g, m]``, by bands and between their middles ``[m]``, at least 1."""
    if not values.size:
        return np.ones(len(band))
    size = np.bincount(band)
    power = np.bincount(band, (values**2).mean(axis=0)) / size
    place = np.log(np.arange(len(band)) + 1)
    middle = np.bincount(band, place) / size
    return np.exp(np.interp(place, middle, np.log(np.maximum(power, 1))))


def side_by_side(parts: Sequence[Patterns]) -> Patterns:
    """Patterns of the same genes in several sections, as if these were one: no pattern goes across."""
    offset = np.cumsum([0, *(part.band.max(initial=-1) + 1 for part in parts)])
    return Patterns(
        np.hstack([part.values for part in parts]),
        np.concatenate([part.noise for part in parts], axis=2),
        np.concatenate([part.band + offset[i] for i, part in enumerate(parts)]),
        np.concatenate([part.section + i for i, part in enumerate(parts)]),
        np.concatenate([part.weight for part in parts]),
        np.concatenate([part.whitening for part in parts]),
        np.concatenate([part.leakage for part in parts]),
    )
