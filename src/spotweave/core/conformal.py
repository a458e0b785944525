r"""Intervals for predicted counts of genes that were not measured, calibrated on held-out genes that were.

What is exchangeable here are *genes*: a gene held out of the panel stands for a gene outside of it. The cells of one
gene share its errors, so that many cells do not make up for few genes. With :math:`F_k(t)` the share of the cells of
gene k whose score is at most t, the bound of a stratum is the smallest t with

.. math:: \frac{1}{G} \sum_{k=1}^{G} F_k(t) \ge \beta ,

:math:`\beta` the level, or with the correction :math:`\beta (G + 1) / G`, infinite where that exceeds 1. The corrected
bound is that of hierarchical conformal prediction (Lee, Barber and Willett 2023, arXiv:2306.06342): if the next gene
is exchangeable with the G of its stratum, the expected share of its cells inside is at least :math:`\beta`, and at most
about :math:`\beta + 1 / (G + 1)` where no scores tie; as all genes have the same cells, these need not be exchangeable.
A finite bound takes :math:`G \ge \beta / (1 - \beta)` genes, 19 at 95 %. Without correction (pooled distribution
functions; Dunn, Wasserman and Ramdas 2023, J. Am. Stat. Assoc. 118:2491) only :math:`\beta \, G / (G + 1)` is sure: at
95 % 0.79 with 5 genes, 0.93 with 50. Either holds on average over genes, not for each gene.

Scores by strata of genes and cells, over a local spread, are those of TISSUE (Sun et al. 2024, Nat. Methods 21:444);
its correction counts entries, genes times cells, as if these were exchangeable.

No formula sees that panels are chosen and not drawn: groups of genes by a feature known for every gene
(`quantile_groups`) make up for a difference in this feature and for no other. Held-out genes must be predicted as
wanted ones are, above all not scaled by their own counts.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .._check import check_range, fail

Chunks = Callable[[], Iterator[tuple[slice | np.ndarray, np.ndarray, np.ndarray, np.ndarray]]]
"""Rows among all cells, and of them the truth, the prediction and its scale, each ``[b, p]``."""

ROUNDING = 1e-6
"""Part by which intervals are widened: many counts tie, and rounding must not leave all of a tie outside."""


class Conformal(NamedTuple):
    """How many scales the truth lies from its prediction, at most, in a share of cases."""

    levels: np.ndarray
    """These shares ``[l]``, ascending."""
    quantiles: np.ndarray
    """Quantiles of the score ``|x - q| / s`` ``[gene groups, cell groups, l]``; infinite: too few genes to say."""
    n_genes: np.ndarray
    """Calibration genes of each gene group that have any score ``[gene groups]``."""


def fit_conformal(
    chunks: Chunks,
    gene_group: np.ndarray,
    cell_group: np.ndarray,
    levels: Sequence[float] | np.ndarray,
    *,
    least_genes: int = 5,
    correction: bool = False,
) -> Conformal:
    """Quantiles of the score ``|x - q| / s`` in each stratum; formula, sources and what they promise: see the module.

    Every gene of a stratum weighs the same, however many of its cells were measured. A stratum with scores of fewer
    than `least_genes` genes (or than all genes, if these are fewer) takes the quantiles of all genes in its cell group;
    if these are too few as well, as in a cell group without rows, those of all genes and cells.

    Parameters
    ----------
    chunks
        Gives blocks of rows anew at each call: the rows (slice or indices into `cell_group`), truth x, prediction q and
        scale s, each ``[b, p]``. Scales are positive. NaN in the truth: not measured there, left out. Four bytes are
        kept for each entry, and some 40 used for each of the largest stratum: pass a sample of rows (20,000, say)
        where there are more.
    gene_group
        Group of each calibration gene ``[p]``, whole numbers from 0.
    cell_group
        Group of each cell ``[n]``, whole numbers from 0, also of cells in no chunk.
    levels
        Shares of cells to cover ``[l]``, ascending, between 0 and 1.
    least_genes
        Genes that a stratum needs for quantiles of its own.
    correction
        Apply the (G + 1) / G rule, G the genes of the stratum: wider intervals that cover at least the level on
        average, infinite ones where the genes are too few for this.

    Returns
    -------
    Levels, quantiles of each stratum, and numbers of genes.
    """
    levels = _check_levels(levels)
    gene_group, cell_group = _check_group(gene_group, "gene_group"), _check_group(cell_group, "cell_group")
    check_range(least_genes, "least_genes", low=1, integer=True)
    scores, group = _scores(chunks, len(gene_group), cell_group)  # [rows, p], [rows]
    scored = ~np.isnan(scores).all(axis=0)
    if not scored.any():
        raise fail("at least one measured count to calibrate on", "none")
    least = min(least_genes, int(scored.sum()))
    n_genes = np.bincount(gene_group, weights=scored).astype(np.intp)
    quantiles = np.full((len(n_genes), cell_group.max() + 1, len(levels)), np.nan)
    for c in range(quantiles.shape[1]):
        inside = scores[group == c]
        for g in range(len(n_genes)):
            quantiles[g, c] = _pooled_quantiles(inside[:, gene_group == g], levels, least, correction=correction)
        lacking = np.isnan(quantiles[:, c, 0])
        if lacking.any():
            quantiles[lacking, c] = _pooled_quantiles(inside, levels, least, correction=correction)
    lacking = np.isnan(quantiles[:, :, 0])
    if lacking.any():
        quantiles[lacking] = _pooled_quantiles(scores, levels, least, correction=correction)
    return Conformal(levels, quantiles, n_genes)


def _scores(chunks: Chunks, p: int, cell_group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores ``[rows, p]``, float32, NaN where there is no truth, and the cell group of each row."""
    scores, groups = [np.empty((0, p), np.float32)], [np.empty(0, np.intp)]
    for rows, *blocks in chunks():
        groups.append(cell_group[rows])
        truth, predicted, scale = _check_blocks(*blocks, shape=(len(groups[-1]), p))
        scores.append((np.abs(truth - predicted) / scale).astype(np.float32))
    return np.concatenate(scores), np.concatenate(groups)


def _pooled_quantiles(scores: np.ndarray, levels: np.ndarray, least: int, *, correction: bool) -> np.ndarray:
    """Quantiles ``[l]`` of scores ``[cells, genes]`` at one weight a gene; NaN if fewer than `least` have any."""
    seen = ~np.isnan(scores)
    n_cells = seen.sum(axis=0)
    n_genes = np.count_nonzero(n_cells)
    if n_genes < least:
        return np.full(len(levels), np.nan)
    weight = np.broadcast_to(1 / (np.maximum(n_cells, 1) * n_genes), scores.shape)[seen]
    values = scores[seen]
    order = np.argsort(values)
    below = np.cumsum(weight[order])
    share = levels * (n_genes + 1) / n_genes if correction else levels
    share = share * (1 - 1e-9)  # sums of weights are rounded: 9 times 0.1 reaches 0.9
    first = np.searchsorted(below, share)
    return np.where(share > 1, np.inf, values[order[np.minimum(first, len(order) - 1)]])


def bounds(
    conformal: Conformal,
    predicted: np.ndarray,
    scale: np.ndarray,
    gene_group: np.ndarray,
    cell_group: np.ndarray,
    level: float,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Interval of each count, :math:`q \pm t s` with the quantile t of its stratum, below 0 cut off.

    Parameters
    ----------
    conformal
        From `fit_conformal`.
    predicted, scale
        A block of predictions and their positive scales ``[b, t]``, made as those of the calibration genes.
    gene_group
        Group of each gene ``[t]``.
    cell_group
        Group of each cell of the block ``[b]``.
    level
        One of the levels fitted, or between two of them: t is then interpolated linearly, and what the module promises
        of fitted levels is promised no more.

    Returns
    -------
    Lower and upper ends ``[b, t]``; both belong to the interval.
    """
    levels, quantiles = conformal.levels, conformal.quantiles
    check_range(level, "level", low=levels[0], high=levels[-1], why="the levels fitted")
    _, predicted, scale = _check_blocks(predicted, predicted, scale, shape=(len(cell_group), len(gene_group)))
    gene_group = _check_group(gene_group, "gene_group", quantiles.shape[0])
    cell_group = _check_group(cell_group, "cell_group", quantiles.shape[1])
    after = int(np.searchsorted(levels, level))
    t = quantiles[:, :, after]
    if levels[after] != level:
        part = (level - levels[after - 1]) / (levels[after] - levels[after - 1])
        t = (1 - part) * quantiles[:, :, after - 1] + part * t
    half = t.T[np.ix_(cell_group, gene_group)] * scale * (1 + ROUNDING)  # [b, t]
    return np.maximum(predicted - half, 0), predicted + half


def coverage(truth: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    """Share of cells of each gene inside its interval ``[t]``, ends included; all ``[n, t]``.

    NaN in the truth is left out; a gene without any count gets NaN.
    """
    truth, lower, upper = np.asarray(truth), np.asarray(lower), np.asarray(upper)
    if truth.ndim != 2 or not truth.shape == lower.shape == upper.shape:
        raise fail("three arrays of one shape [n, t]", f"{[list(A.shape) for A in (truth, lower, upper)]}")
    measured = (~np.isnan(truth)).sum(axis=0)
    inside = ((truth >= lower) & (truth <= upper)).sum(axis=0)
    return np.divide(inside, measured, out=np.full(truth.shape[1], np.nan), where=measured > 0)


def quantile_groups(values: np.ndarray, n_groups: int, *, least_genes: int = 5) -> np.ndarray:
    """Edges between groups of about equal numbers of calibration genes, as many as the genes allow.

    values : [p], finite, a feature that wanted genes have too (mean level in the reference, expected quality).  Returns
    at most ``n_groups - 1`` ascending edges for `group_of`, none for a small panel or values that all tie: each group
    has `least_genes` calibration genes or more. The outermost groups take all that lies beyond them.
    """
    check_range(n_groups, "n_groups", low=1, integer=True)
    check_range(least_genes, "least_genes", low=1, integer=True)
    values = _check_values(values)
    n_groups = max(1, min(n_groups, len(values) // least_genes))
    first = np.arange(1, n_groups) * len(values) // n_groups
    edges = np.unique(np.sort(values)[first])
    while len(edges):  # ties make groups uneven
        sizes = np.bincount(group_of(values, edges), minlength=len(edges) + 1)
        if sizes.min() >= least_genes:
            break
        edges = np.delete(edges, max(int(sizes.argmin()) - 1, 0))
    return edges


def group_of(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Group of each gene ``[t]``, the number of edges at or below its value."""
    return np.searchsorted(edges, _check_values(values), side="right")


def _check_values(values: Any) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not values.size or not np.isfinite(values).all():
        raise fail("a finite value for each gene", f"shape {list(values.shape)}, or NaN or infinite values in it")
    return values


def _check_levels(levels: Any) -> np.ndarray:
    levels = np.asarray(levels, np.float64)
    if levels.ndim != 1 or not levels.size or not (np.diff(levels, prepend=0, append=1) > 0).all():
        raise fail("ascending `levels` between 0 and 1", f"{levels.tolist()}")
    return levels


def _check_group(group: Any, name: str, n_groups: float = np.inf) -> np.ndarray:
    group = np.asarray(group)
    if group.ndim != 1 or not group.size or group.dtype.kind not in "iu":
        raise fail(f"`{name}` to be a list of whole numbers", f"shape {list(group.shape)} of {group.dtype}")
    if group.min() < 0 or group.max() >= n_groups:
        raise fail(f"`{name}` from 0 to {n_groups - 1:g}", f"{group.min()} to {group.max()}")
    return group


def _check_blocks(truth: Any, predicted: Any, scale: Any, *, shape: tuple[int, int]) -> list[np.ndarray]:
    truth, predicted, scale = blocks = [np.asarray(block, np.float64) for block in (truth, predicted, scale)]
    if not truth.shape == predicted.shape == scale.shape == shape:
        raise fail(f"blocks of shape {list(shape)}", f"{[list(block.shape) for block in blocks]}")
    if np.isinf(truth).any() or not np.isfinite(predicted).all():
        raise fail("finite counts (NaN: not measured) and finite predictions", "NaN or infinite values")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise fail("positive, finite scales", f"{scale[~(np.isfinite(scale) & (scale > 0))][0]:g}")
    return blocks
