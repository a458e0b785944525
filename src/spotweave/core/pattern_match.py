"""Genes that follow a given pattern in space: score test, and comparison with random patterns as smooth as it."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import log_ndtr

from .._check import check_choice, fail
from .chi2_mixture import to_normal
from .combine import false_discovery_rate
from .field_covariance import field_covariance
from .gene_forms import FEWEST_OCCUPIED
from .pattern_section import Section, make_sections, prepared, residuals, standardised
from .rotation_null import rotation_z
from .score_residuals import dispersion_levels

FAINT = 2.0
"""Standard errors of a gene's whole spatial variance, below which the share of the pattern shrinks to 0."""
ALTERNATIVES = ("greater", "less", "two-sided")
STEP = 0.05
"""Of the factor by which bands lose dimensions: genes of one factor are treated together."""
UNSEEN = 1e-6
"""Part of the pattern's square norm within smooth functions, below which nothing is said of its smooth part."""


class PatternMatch(NamedTuple):
    """Of each gene ``[g]``; scores of 0 and p of 1 where it is found on too few points to be tested."""

    score: np.ndarray
    """Standard normal score against a flat gene; positive where expression rises with the pattern."""
    pvalue: np.ndarray
    qvalue: np.ndarray
    """Benjamini and Hochberg, over the genes that can be tested."""
    specificity: np.ndarray
    """Share of the gene's smooth variation over space, less noise, that the pattern explains, 0 to 1."""
    score_pattern: np.ndarray
    """Standard normal score against patterns of the same smoothness."""
    pvalue_pattern: np.ndarray
    qvalue_pattern: np.ndarray
    match: np.ndarray
    """Strength and likeness in one: root of score times score_pattern times specificity, 0 where one has the wrong sign."""
    smooth: float
    """Share of the pattern that lies in smooth functions: all from `specificity` on speaks of this part."""


class _Sums(NamedTuple):
    """Of each gene ``[g]``; they add up over libraries."""

    product: np.ndarray
    """Of residuals and pattern."""
    variance: np.ndarray
    cumulant: np.ndarray
    """The third."""
    smooth_product: np.ndarray
    smooth_variance: np.ndarray
    signal: np.ndarray
    """Square norm of the gene's coefficients less noise."""
    error: np.ndarray
    """Variance of `signal` for a flat gene."""
    norm: np.ndarray
    """Square norm of the pattern's coefficients."""
    whole: np.ndarray
    """Square norm of the pattern."""
    turned: np.ndarray
    """Variance of `smooth_product` when the pattern is turned, for a gene of the spectrum of all."""
    drawn: np.ndarray
    """Its variance when the gene is a random field of this spectrum."""


def pattern_match(
    X: sp.spmatrix,
    xy: np.ndarray,
    target: np.ndarray,
    depth: np.ndarray,
    *,
    library: np.ndarray | None = None,
    alternative: str = "greater",
) -> PatternMatch:
    r"""Test every gene for expression that follows a given pattern.

    For a pattern r, the score test of :math:`\beta` in :math:`\log \mu_{ij} = \log s_i + \log p_j + \beta_j r_i` is,
    with residuals :math:`e_i = w_i (x_i - s_i p)` (`spotweave.core.score_residuals`) and :math:`q = w s`,

    .. math:: U = \sum_i t_i e_i, \qquad t_i = q_i (r_i - \bar r), \qquad \mathrm{Var}\,U = \hat\sigma^2 \sum_i t_i^2,

    :math:`\bar r` such that t is orthogonal to q: neither depth nor the level of the gene counts. The third moment of
    the residuals, shared out to points as a negative binomial has it, corrects p for sparse genes and small regions.

    A gene with any smooth pattern matches most others a little. So the coefficients :math:`c = B^T e`,
    :math:`b = B^T t` of smooth functions B are compared too: :math:`c^T b` against what it is when b is turned at
    random within each band of frequency, which keeps the smoothness of both
    (`spotweave.core.rotation_null.rotation_z`). Since tissue has edges and spectra fall within a band, :math:`c^T b`
    varies more than that for a gene that is a random field (`spotweave.core.field_covariance.field_covariance`, with
    the spectrum of all genes); the number of dimensions that turn is less by this factor. The share explained is, cut to 0 and 1,

    .. math:: \frac{((c^T b)^2 - \hat\sigma^2 |b|^2) / |b|^2}{|c|^2 - m \hat\sigma^2}

    The cost is one sparse product, :math:`O(\mathrm{nnz} \cdot m + n m^2)`.

    Parameters
    ----------
    X
        Counts ``[n, g]``, sparse.
    xy
        Coordinates ``[n, 2 or 3]``; at least 20 points.
    target
        Pattern r ``[n]``, in any unit.
    depth
        Total counts of each point over all genes measured ``[n]``, in any unit.
    library
        Codes ``[n]``: only what varies within a library counts; those of fewer than 20 points do not.
    alternative
        Which match is looked for: ``"greater"`` (expression rises with the pattern), ``"less"`` or ``"two-sided"``.

    Returns
    -------
    Scores, p and q values and specificity of each gene, float64.

    Raises
    ------
    InputError
        When the pattern does not vary within a library.
    """
    check_choice(alternative, ALTERNATIVES, "alternative")
    Y, depth = prepared(X, xy, depth)
    levels, target = dispersion_levels(Y, depth), standardised(target, depth)
    sums = _Sums(*np.zeros((len(_Sums._fields), Y.shape[0])))
    score_pattern = np.zeros(Y.shape[0])
    for level in np.unique(levels):
        genes, block = np.flatnonzero(levels == level), Y[levels == level]
        parts = [_compare(block, xy, depth, target, s) for s in make_sections(xy, depth, library, level)]
        if not parts or not sum(part.whole[0] for part, _, _ in parts) > 0:
            raise fail("a pattern that varies among the cells of a library", "one that does not")
        for total, *values in zip(sums, *(part for part, _, _ in parts), strict=True):
            total[genes] = np.sum(values, axis=0)
        reach, size = np.hstack([r for _, r, _ in parts]), np.concatenate([s for _, _, s in parts])
        score_pattern[genes] = _turned(sums, genes, reach, size)
    return _result(sums, score_pattern, np.diff(Y.indptr) >= FEWEST_OCCUPIED, alternative)


def _compare(
    Y: sp.csr_matrix, xy: np.ndarray, depth: np.ndarray, target: np.ndarray, section: Section
) -> tuple[_Sums, np.ndarray, np.ndarray]:
    """Sums of one section, norms of genes' coefficients times the pattern's by band ``[g, K]``, sizes of bands."""
    found, q, B = residuals(Y, depth, section), section.weights.q, section.functions
    r = target[section.rows]
    centred = r - (q**2 @ r) / (q @ q)
    t = q * (centred if np.abs(centred).max() > 1e-9 else np.zeros(len(r)))
    b, whole = B.T @ t, float(t @ t)
    skewed = _third_moments(section, depth[section.rows])
    member = np.eye(section.band.max() + 1)[section.band]
    size, m, norm = member.sum(axis=0), len(b), float(b @ b)
    flat, c = np.ones(Y.shape[0]), found.coefficients
    signal = (c**2).sum(axis=1) - m * found.noise
    spectrum, per_band = _spectrum(c, found.noise, section.band), b**2 @ member / size
    S = field_covariance(B, xy[section.rows], section.frequency, spectrum)
    like = np.maximum(signal, 0) / max(float(spectrum.sum()), 1e-300)
    sums = _Sums(
        product=found.weighted @ t,
        variance=found.variance * whole,
        cumulant=found.skewness * found.variance**1.5 * (skewed @ t**3),
        smooth_product=c @ b,
        smooth_variance=found.noise * norm,
        signal=signal,
        error=2 * m * found.noise**2,
        norm=norm * flat,
        whole=whole * flat,
        turned=found.noise * norm + like * (per_band @ (spectrum @ member)),
        drawn=found.noise * norm + like * (b @ S @ b),
    )
    return sums, np.sqrt(c**2 @ member) * np.sqrt(b**2 @ member), size


def _third_moments(section: Section, depth: np.ndarray) -> np.ndarray:
    r"""Third moments of residuals over their mean ``[rows]``: those of a negative binomial up to a factor."""
    extra = section.level * depth
    third = section.weights.w**3 * depth * (1 + extra) * (1 + 2 * extra)
    return third / third.mean()


def _spectrum(c: np.ndarray, noise: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Variance of coefficients beyond noise ``[m]``, in units of the noise: by bands, and between their middles."""
    told = noise > 0
    if not told.any():
        return np.zeros(len(band))
    size = np.bincount(band)
    power = np.bincount(band, (c[told] ** 2 / noise[told, None]).mean(axis=0)) / size
    place = np.log(np.arange(len(band)) + 1)
    smooth = np.interp(place, np.bincount(band, place) / size, np.log(np.maximum(power, 1)))
    return np.expm1(smooth)


def _turned(sums: _Sums, genes: np.ndarray, reach: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Scores against patterns turned at random; fewer dimensions in each band where fields vary more than these."""
    product, turned = sums.smooth_product[genes], np.maximum(sums.turned[genes], 1e-300)
    fewer, score = np.maximum(np.round(sums.drawn[genes] / turned / STEP) * STEP, 1), np.zeros(len(genes))
    for factor in np.unique(fewer):
        some = fewer == factor
        score[some] = rotation_z(product[some], reach[some], np.maximum(size / factor, 1))
    return score


def _result(sums: _Sums, score_pattern: np.ndarray, enough: np.ndarray, alternative: str) -> PatternMatch:
    tested = enough & (sums.variance > 0)
    variance = np.where(tested, sums.variance, 1)
    score = np.where(tested, _normal(sums.product / np.sqrt(variance), sums.cumulant / variance**1.5), 0)
    smooth = float(np.median(sums.norm / sums.whole))
    seen = tested & (smooth > UNSEEN)
    explained = (sums.smooth_product**2 - sums.smooth_variance) / np.maximum(sums.norm, 1e-300)
    least = np.maximum(FAINT * np.sqrt(sums.error), 1e-300)
    specificity = np.where(seen, np.clip(explained / np.maximum(sums.signal, least), 0, 1), 0)
    score_pattern = np.where(seen, score_pattern, 0)
    p, q = _p_values(score, tested, alternative)
    p_pattern, q_pattern = _p_values(score_pattern, seen, alternative)
    match = np.maximum(directed(score, alternative), 0) * np.maximum(directed(score_pattern, alternative), 0)
    match = np.sqrt(match * specificity)
    return PatternMatch(score, p, q, specificity, score_pattern, p_pattern, q_pattern, match, smooth)


def directed(score: np.ndarray, alternative: str) -> np.ndarray:
    """Scores that are high for what is looked for."""
    return {"greater": score, "less": -score, "two-sided": np.abs(score)}[alternative]


def _normal(z: np.ndarray, skewness: np.ndarray) -> np.ndarray:
    """Normal scores of standardised gamma variables of any skewness."""
    sign = np.where(skewness < 0, -1.0, 1.0)
    return sign * to_normal(sign * z, np.abs(skewness))


def _p_values(score: np.ndarray, tested: np.ndarray, alternative: str) -> tuple[np.ndarray, np.ndarray]:
    """P and q values ``[g]``; 1 where not tested, p never below 1e-300."""
    log_p = log_ndtr(-directed(score, alternative)) + (np.log(2) if alternative == "two-sided" else 0)
    p, q = np.where(tested, np.exp(np.maximum(log_p, np.log(1e-300))), 1.0), np.ones(len(score))
    q[tested] = false_discovery_rate(p[tested])
    return p, q
