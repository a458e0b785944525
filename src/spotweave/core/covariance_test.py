"""Test of every gene for spatial variation at several length scales, in closed form, on sparse counts."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from .._check import check_coords, check_range, fail
from .chi2_mixture import equivalent, gamma_log_tail, log_tail
from .combine import combine, false_discovery_rate
from .gene_forms import GeneForms, all_kernels, gene_forms, local_kernel
from .libraries import library_blocks
from .score_residuals import LEVELS, clip_outliers, dispersion_levels, working_weights
from .smooth_kernels import gaussian_spectrum, smooth_kernels
from .spatial_basis import Waves, box_waves

N_FUNCTIONS = 128
"""Power hardly changes from 100 to 200 functions on 3,600 spots; the time does."""
FEWEST_POINTS = 10
BROADEST = 0.4
"""Broadest scale as a part of the tissue's extent."""
FINEST = 0.3
"""What the kernel of the finest smooth scale has left at the highest frequency of the basis."""
SPARSE = 1.0
"""Skewness from a gene's own sparsity, above which a gamma distribution is no longer trusted."""
BLOCK = 128
"""Genes that a thread takes at a time."""


class CovarianceResult(NamedTuple):
    """Of each gene ``[g]``."""

    statistic: np.ndarray
    """How many standard deviations the form of the most significant scale lies above its mean; 0 if not tested."""
    pvalue: np.ndarray
    """Of all scales together; 1 for a gene that cannot be tested, never below 1e-300."""
    qvalue: np.ndarray
    """Benjamini and Hochberg, over the genes that can be tested; 1 for the others."""
    effect: np.ndarray
    """Standard deviation over the tissue of the smooth relative change of expression, at least 0 (0.3: by some 30 %)."""
    scale: np.ndarray
    """Most significant length scale, in the unit of the coordinates; NaN if not tested."""
    pvalue_scale: np.ndarray
    """p value of each length scale alone ``[g, C]``."""
    scales: np.ndarray
    """Length scales ``[C]``, broad to fine: standard deviations of Gaussians, the last the distance of neighbours."""


def covariance_test(
    X: sp.csr_matrix,
    xy: np.ndarray,
    *,
    library: np.ndarray | None = None,
    n_functions: int = N_FUNCTIONS,
    n_jobs: int | None = None,
) -> CovarianceResult:
    r"""Score test of a spatial random effect on the log expression of each gene.

    For counts :math:`x_i` with depth :math:`s_i` (total count over its mean) and share p of the gene, residuals
    :math:`e_i = w_i (x_i - s_i p)` with :math:`w_i = (s_i + a s_i^2)^{-1/2}` have equal variance under a negative
    binomial; the gene's a is one of six levels. For Gaussian kernels K of several length scales, and for small bins of
    neighbours,

    .. math:: T_K = \sum_{i \ne j} K_{ij} e_i e_j / \hat\sigma^2

    K is cut to smooth functions of position (`spotweave.core.spatial_basis`) made orthogonal to :math:`w s`: a gene
    that follows depth only is null, however depth varies over the tissue. The cost is one sparse product,
    :math:`O(\mathrm{nnz} \cdot m)`, and memory :math:`O(n m)`.

    Under the null :math:`T_K` is a weighted sum of chi-squares, the same for all genes but for its variance and
    skewness, which depend on how sparse a gene is: `log_tail` gives the former, the second and third moments over
    exchangeable residuals the latter. Where sparsity dominates the skewness, p is at least Cantelli's bound
    :math:`1 / (1 + z^2)`: such genes get conservative p values. Scales are joined by `combine`. Counts of single odd
    points are lowered first (`clip_outliers`).

    This is SPARK-X's idea (Zhu et al. 2021, Genome Biol. 22:184) with a variance model, depth and more kernels.

    Parameters
    ----------
    X
        Counts ``[n, g]``, sparse.
    xy
        Coordinates ``[n, 2 or 3]``; at least 10 points.
    library
        Codes ``[n]``: patterns are looked for within each; differences between libraries do not count.
    n_functions
        Smooth functions of all libraries together, at most.
    n_jobs
        Threads, up to 8 of the machine's when None; the result does not depend on their number.

    Returns
    -------
    Statistic, p and q value, effect and length scale of each gene, float64. A gene found on fewer than three points of
    each library is not tested.
    """
    n = X.shape[0]
    xy = check_coords(xy, "`xy`")
    check_range(n_functions, "n_functions", low=1, integer=True)
    if n < FEWEST_POINTS or len(xy) != n:
        raise fail(f"at least {FEWEST_POINTS} points and as many coordinates", f"{n} and {len(xy)}")
    Y = sp.csr_matrix(X, dtype=np.float64).T.tocsr()
    total = np.asarray(Y.sum(axis=0)).ravel()
    if total.sum() == 0:
        raise fail("at least one molecule", "none")
    depth = total / total.mean()
    parts = [rows for rows in library_blocks(n, library) if depth[rows].any() and len(rows) > 1]
    waves = [box_waves(xy[rows], max(1, round(n_functions * len(rows) / n))) for rows in parts]
    places = [_Place(rows, xy[rows], w) for rows, w in zip(parts, waves, strict=True)]
    scales = length_scales(places)
    with ThreadPoolExecutor(n_jobs or min(os.cpu_count() or 1, 8)) as pool:
        Y, levels = _prepared(Y, depth, pool.map)
        sums, pairs = _sums(Y, depth, levels, places, scales, pool.map)
    frequency = np.concatenate([w.frequency for w in waves])
    return _result(sums, pairs, gaussian_spectrum(frequency, scales), np.r_[scales, neighbor_distance(places)])


class _Place(NamedTuple):
    """One library."""

    rows: np.ndarray
    xy: np.ndarray
    waves: Waves


def length_scales(places: Sequence[_Place]) -> np.ndarray:
    """Standard deviations of the Gaussians, broad to fine, about halving."""
    broadest = BROADEST * max(np.ptp(place.xy, axis=0).max() for place in places)
    frequency = max(place.waves.frequency.max(initial=0) for place in places)
    if frequency == 0:
        raise fail("points at two places at least, within a library", "all at one")
    finest = min(np.sqrt(-np.log(FINEST) / 2) / np.pi / frequency, broadest)
    return np.geomspace(broadest, finest, 1 + int(np.rint(np.log2(broadest / finest))))


def neighbor_distance(places: Sequence[_Place]) -> float:
    """Median distance to the sixth neighbour, over some points of each library."""
    found = []
    for _, xy, _ in places:
        some = np.unique(np.linspace(0, len(xy) - 1, min(len(xy), 2000)).astype(np.intp))
        found.append(cKDTree(xy).query(xy[some], min(7, len(xy)))[0][:, -1])
    return float(np.median(np.concatenate(found)))


Map = Callable[..., Iterator]


def _blocks(genes: np.ndarray) -> list[np.ndarray]:
    return [genes[start : start + BLOCK] for start in range(0, len(genes), BLOCK)]


def _prepared(Y: sp.csr_matrix, depth: np.ndarray, run: Map) -> tuple[sp.csr_matrix, np.ndarray]:
    def prepare(genes: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
        block = clip_outliers(Y[genes[0] : genes[-1] + 1], depth)
        return block, dispersion_levels(block, depth)

    done = list(run(prepare, _blocks(np.arange(Y.shape[0]))))
    return sp.vstack([block for block, _ in done], format="csr"), np.concatenate([level for _, level in done])


def _sums(
    Y: sp.csr_matrix, depth: np.ndarray, levels: np.ndarray, places: Sequence[_Place], scales: np.ndarray, run: Map
) -> tuple[GeneForms, np.ndarray]:
    """Forms of all genes, added up over libraries, and the sums over pairs ``[C, C]`` of the first level in use."""
    (g, n), C = Y.shape, len(scales) + 1
    sums, pairs = GeneForms(*(np.zeros((g, k)) for k in (C, C, C, C, 1, 1))), np.zeros((C, C))
    for rows, xy, waves in places:
        part, local = Y if len(rows) == n else Y[:, rows], local_kernel(xy)
        for level in np.unique(levels):
            weights = working_weights(depth[rows], LEVELS[level])
            kernels = all_kernels(smooth_kernels(xy, weights.q, waves, scales), local)
            pairs += kernels.pairs * (level == levels.min())
            blocks = _blocks(np.flatnonzero(levels == level))
            work = lambda genes: gene_forms(part[genes], depth[rows], weights, kernels)  # noqa: B023 (used up at once)
            for genes, found in zip(blocks, list(run(work, blocks)), strict=True):
                for total, values in zip(sums, found, strict=True):
                    total[genes] += values
    return sums, pairs


def _result(sums: GeneForms, pairs: np.ndarray, spectrum: np.ndarray, scales: np.ndarray) -> CovarianceResult:
    tested = np.all(sums.variance > 0, axis=1)
    variance = np.where(tested[:, None], sums.variance, 1)
    z = sums.form / np.sqrt(variance)
    log_p = _log_p(z, np.maximum(sums.cumulant, 0) / variance**1.5, spectrum)
    sparse = sums.sparse > SPARSE * variance**1.5
    log_p = np.where(sparse, np.maximum(log_p, -np.log1p(np.maximum(z, 0) ** 2)), log_p)
    sd = np.sqrt(np.maximum(np.diag(pairs), 0))  # a broad kernel on few points may have no pair sum to speak of
    together = combine(log_p, np.divide(pairs, np.outer(sd, sd), out=np.eye(len(sd)), where=np.outer(sd, sd) > 0))
    pvalue = np.where(tested, np.exp(np.maximum(together, np.log(1e-300))), 1.0)
    qvalue, best = np.ones(len(z)), log_p.argmin(axis=1)
    qvalue[tested] = false_discovery_rate(pvalue[tested])
    effect = np.sqrt(np.maximum(sums.signal, 0) / np.where(tested[:, None], sums.norm, 1))[:, 0]
    statistic = np.where(tested, np.take_along_axis(z, best[:, None], axis=1)[:, 0], 0.0)
    alone = np.where(tested[:, None], np.exp(np.maximum(log_p, np.log(1e-300))), 1.0)
    return CovarianceResult(statistic, pvalue, qvalue, effect, np.where(tested, scales[best], np.nan), alone, scales)


def _log_p(z: np.ndarray, skewness: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """Logs of p of each channel ``[g, C]``: the smooth ones against their weighted chi-squares, the local one alone."""
    found = np.empty_like(z)
    for k, weights in enumerate(spectrum.T):
        sd = np.sqrt(2 * (weights**2).sum())
        like = equivalent(z[:, k], skewness[:, k], 8 * (weights**3).sum() / sd**3)
        found[:, k] = log_tail(weights.sum() + sd * like, weights)
    found[:, -1] = gamma_log_tail(z[:, -1], skewness[:, -1])
    return found
