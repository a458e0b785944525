"""Pairs of genes that share a pattern in space, against independent patterns of the same smoothness."""

from typing import NamedTuple

import numpy as np

from .gene_patterns import Patterns
from .rotation_null import rotation_z, two_sided

FAINT = 2.0
"""Standard errors of a gene's pattern, below which its correlations shrink to 0."""
NEGLIGIBLE = 0.002
BLOCK = 64
"""Genes at a time."""


class PairScores(NamedTuple):
    """Of all pairs a < b ``[pairs]``, in the order of ``numpy.triu_indices(g, 1)``."""

    correlation: np.ndarray
    """Of the patterns, less noise."""
    z: np.ndarray
    pvalue: np.ndarray


def pair_scores(patterns: Patterns) -> PairScores:
    r"""Test of each pair of genes for a common pattern.

    .. math:: T_{ab} = \sum_j \lambda_j (c_{aj} c_{bj} - \rho_{ab})

    over coefficients c of unit noise, their weights :math:`\lambda` and the correlation :math:`\rho` of the two genes'
    noise. The null is not flat genes but two patterns as strong and as smooth as these, which have nothing to do with
    each other: `spotweave.core.rotation_null.rotation_z`. Two broad gradients make a high correlation by chance; their
    pair then has a modest z.

    Parameters
    ----------
    patterns
        Of g genes, m coefficients.

    Returns
    -------
    Correlation, z and two-sided p of all pairs; 0 and 1 for genes without counts.
    """
    white = patterns.values * np.sqrt(patterns.whitening)
    size = effective_size(white, patterns.band, patterns.leakage)
    norm = band_norms(white, patterns.band)
    product = signal_products(patterns, patterns.whitening)
    g = len(product)
    z = np.zeros(g * (g - 1) // 2)
    used = _matter((norm**2).mean(axis=0) ** 2 / size)
    done = 0
    for start in range(0, g, BLOCK):
        first, second = _pairs(start, min(start + BLOCK, g), g)
        reach = norm[first][:, used] * norm[second][:, used]
        z[done : done + len(first)] = rotation_z(product[first, second], reach, size[used])
        done += len(first)
    return PairScores(
        correlations(signal_products(patterns, patterns.weight), floor(patterns))[np.triu_indices(g, 1)],
        z,
        two_sided(z),
    )


def signal_products(patterns: Patterns, weight: np.ndarray) -> np.ndarray:
    """Inner products of patterns less those of noise ``[g, g]``; weight : [m]."""
    whole = (patterns.values * weight) @ patterns.values.T
    return whole - patterns.noise @ np.bincount(patterns.section, weight)


def floor(patterns: Patterns) -> float:
    """Square norm of a pattern that is just seen."""
    return FAINT * float(np.sqrt(2 * (patterns.weight**2).sum()))


def correlations(product: np.ndarray, least: float) -> np.ndarray:
    """Cosines ``[g, g]`` from inner products; a square norm below `least` counts as this."""
    norm = np.sqrt(np.maximum(np.diag(product), max(least, 1e-300)))
    return np.clip(product / np.outer(norm, norm), -1, 1)


def band_norms(values: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Norm of each gene's coefficients in each band ``[g, K]``."""
    member = np.eye(band.max(initial=-1) + 1)[band]
    return np.sqrt(values**2 @ member)


def effective_size(values: np.ndarray, band: np.ndarray, leakage: np.ndarray) -> np.ndarray:
    r"""Coefficients of each band that count ``[K]``: fewer than there are where some are larger than others.

    .. math:: \frac{n}{\kappa \ell}, \qquad \kappa = \frac{n + 2}{3} \, \mathrm{mean}_g \frac{\sum_j c_j^4}{(\sum_j c_j^2)^2} \ge 1

    since the variance of an inner product is :math:`\sum_j s_{aj} s_{bj}` of the two spectra, which an average over
    the band understates where they peak; :math:`\kappa = 1` for vectors turned at random, :math:`\ell` is the
    `leakage` ``[m]``.
    """
    member = np.eye(band.max(initial=-1) + 1)[band]
    size, square = member.sum(axis=0), values**2 @ member
    some = (square > 0).all(axis=1) if (square > 0).any(axis=0).all() else square.any(axis=1)
    peaked = (values[some] ** 4 @ member) / np.maximum(square[some] ** 2, 1e-300)
    kappa = (size + 2) / 3 * (peaked.mean(axis=0) if some.any() else 1.0)
    return np.maximum(size / np.maximum(kappa, 1) / (leakage @ member / size), 1)


def _matter(variance: np.ndarray) -> np.ndarray:
    """Bands but those which together make less than `NEGLIGIBLE` of the variance ``[K]``, bool."""
    order = np.argsort(variance)
    matter = np.empty(len(variance), dtype=bool)
    matter[order] = np.cumsum(variance[order]) > NEGLIGIBLE * variance.sum()
    return matter


def _pairs(start: int, stop: int, g: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs whose first gene is from start to stop, in the order of ``triu_indices``."""
    first = np.concatenate([np.zeros(0, dtype=np.intp), *(np.full(g - 1 - a, a) for a in range(start, stop))])
    second = np.concatenate([np.zeros(0, dtype=np.intp), *(np.arange(a + 1, g) for a in range(start, stop))])
    return first, second
