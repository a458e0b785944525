"""Which relations between genes differ between two conditions, against what differs between replicates."""

from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import NamedTuple

import numpy as np

from .gene_pairs import correlations, floor, signal_products
from .gene_patterns import Section
from .moderated import Moderated, moderated_contrast

MOST = 0.98
"""Correlations beyond count as this: arctanh has no bound."""
N_BLOCKS = 16
N_RELABELLED = 100
ANCHORS = 0.5
"""Part of the genes that serve as anchors."""


class Replicates(NamedTuple):
    """Fisher's z of the pairs, measured several times in each condition."""

    z: np.ndarray
    """``[R, pairs]``, in the order of ``numpy.triu_indices(g, 1)``."""
    condition: np.ndarray
    """0 or 1 ``[R]``."""
    precision: np.ndarray
    """``[R]``, mean 1."""
    sections: bool
    """Whether replicates are sections; else they are blocks of one, and say nothing of differences between animals."""


class Displacement(NamedTuple):
    """Of each gene ``[g]``."""

    displacement: np.ndarray
    """Root mean square change of Fisher's z with the anchors, less what replicates differ by; at least 0."""
    pvalue: np.ndarray
    anchor: np.ndarray
    """Genes whose relations vary least between replicates ``[g]``, bool."""


def measure_pairs(sections: Sequence[Section], places: Sequence[np.ndarray], condition: np.ndarray) -> Replicates:
    r"""Relations of all pairs of genes in each section, or in blocks of it.

    With two sections or more in each condition, each is one measurement, weighted by its precision
    :math:`1 / (\sigma^2 + v_s)`, where v is the variance that a jackknife over blocks of the section gives (median over
    pairs) and :math:`\sigma^2` what sections of a condition differ by beyond it. With fewer, the jackknife's
    pseudo-values are the measurements.

    Parameters
    ----------
    sections
        Patterns of the same genes in each section.
    places
        Coordinates ``[n, d]`` of each.
    condition
        0 or 1 for each.
    """
    whole = [pseudo_values(section, xy) for section, xy in zip(sections, places, strict=True)]
    if np.bincount(condition, minlength=2).min() < 2:
        codes = np.repeat(condition, [len(z) for z in whole])
        return Replicates(np.concatenate(whole), codes, np.ones(len(codes)), sections=False)
    z = np.stack([fisher(section)[np.triu_indices(len(section.patterns.values), 1)] for section in sections])
    within = np.array([np.median(values.var(axis=0, ddof=1)) / len(values) for values in whole])
    spread = np.median(moderated_contrast(z, condition, np.ones(len(z))).variance) - within.mean()
    precision = 1 / np.maximum(max(spread, 0) + within, 1e-12)
    return Replicates(z, condition, precision / precision.mean(), sections=True)


def fisher(section: Section) -> np.ndarray:
    """Fisher's z of the correlations of the genes' patterns ``[g, g]``."""
    patterns = section.patterns
    return _fisher(signal_products(patterns, patterns.weight), floor(patterns))


def pseudo_values(section: Section, xy: np.ndarray, n_blocks: int = N_BLOCKS) -> np.ndarray:
    """Jackknife of `fisher` over blocks of the section: pseudo-values ``[n_blocks, pairs]`` (Tukey 1958)."""
    patterns, upper = section.patterns, np.triu_indices(len(section.patterns.values), 1)
    root = np.sqrt(patterns.weight)
    coefficients, least = patterns.values * root, floor(patterns)
    whole = signal_products(patterns, patterns.weight)
    block, found = spatial_blocks(xy, n_blocks), []
    for b in range(block.max() + 1):
        part = section.functions[block == b]
        gram = part.T @ part
        without = whole - coefficients @ gram @ coefficients.T + patterns.noise[:, :, 0] * (root**2 @ np.diag(gram))
        found.append(_fisher(without, least)[upper])
    B, z = len(found), _fisher(whole, least)[upper]
    return B * z - (B - 1) * np.array(found)


def spatial_blocks(xy: np.ndarray, n_blocks: int) -> np.ndarray:
    """Cut points into blocks of equal numbers, always across the longest side; codes ``[n]``."""
    parts = [np.arange(len(xy))]
    while len(parts) < min(n_blocks, len(xy) // 2):
        rows = parts.pop(0)
        axis = np.ptp(xy[rows], axis=0).argmax()
        order = rows[np.argsort(xy[rows, axis], kind="stable")]
        parts += [order[: len(order) // 2], order[len(order) // 2 :]]
    codes = np.empty(len(xy), dtype=np.intp)
    for code, rows in enumerate(parts):
        codes[rows] = code
    return codes


def pair_difference(measured: Replicates) -> Moderated:
    """Moderated t of each pair's change ``[pairs]``, condition 1 less condition 0."""
    return moderated_contrast(measured.z, measured.condition, measured.precision)


def displacement(measured: Replicates, n_genes: int, *, rng: np.random.Generator) -> Displacement:
    r"""Change of each gene's relations with anchors: a measure that needs no alignment of the sections.

    .. math:: F_g = \mathrm{mean}_{a \ne g}\ t_{ga}^2

    over anchors a, the genes whose relations vary least between replicates of a condition. The null is F of all genes
    with the labels of the replicates shuffled (all ways but the true one, or a hundred); p counts genes and shuffles
    together.

    Parameters
    ----------
    measured
        Of the pairs of `n_genes` genes.
    """
    change = pair_difference(measured)
    anchor = _anchors(_square(change.variance, n_genes))
    found, null = _mean_square(change, anchor, n_genes), []
    for labels in relabelled(measured.condition, rng=rng):
        null.append(_mean_square(moderated_contrast(measured.z, labels, measured.precision), anchor, n_genes))
    pool = np.sort(np.concatenate(null))
    pvalue = (1 + len(pool) - np.searchsorted(pool, found)) / (1 + len(pool))
    excess = _mean_over(change.difference**2 - change.se**2, anchor, n_genes)
    return Displacement(np.sqrt(np.maximum(excess, 0)), pvalue, anchor)


def relabelled(condition: np.ndarray, *, rng: np.random.Generator) -> list[np.ndarray]:
    """Other ways to share the replicates out to two conditions of the same sizes; a hundred at most."""
    R, ones = len(condition), int(condition.sum())
    if comb(R, ones) <= 2 * N_RELABELLED + 2:
        every = [np.isin(np.arange(R), chosen).astype(int) for chosen in combinations(range(R), ones)]
    else:
        every = [rng.permutation(condition) for _ in range(N_RELABELLED)]
    return [labels for labels in every if (labels != condition).any() and (labels == condition).any()]


def _anchors(variance: np.ndarray) -> np.ndarray:
    mean = variance.sum(axis=1) / max(len(variance) - 1, 1)
    n = max(min(10, len(mean)), round(ANCHORS * len(mean)))
    return np.isin(np.arange(len(mean)), np.argsort(mean, kind="stable")[:n])


def _mean_square(change: Moderated, anchor: np.ndarray, g: int) -> np.ndarray:
    return _mean_over((change.difference / change.se) ** 2, anchor, g)


def _mean_over(values: np.ndarray, anchor: np.ndarray, g: int) -> np.ndarray:
    return _square(values, g)[:, anchor].sum(axis=1) / np.maximum(anchor.sum() - anchor, 1)


def _square(values: np.ndarray, g: int) -> np.ndarray:
    """Pairs as a symmetric matrix ``[g, g]`` with zeros on the diagonal."""
    full = np.zeros((g, g))
    full[np.triu_indices(g, 1)] = values
    return full + full.T


def _fisher(product: np.ndarray, least: float) -> np.ndarray:
    return np.arctanh(np.clip(correlations(product, least), -MOST, MOST))
