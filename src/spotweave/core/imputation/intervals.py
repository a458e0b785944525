"""Intervals of predicted counts: how far held-out genes lay from their predictions, in groups of genes and cells."""

from typing import NamedTuple

import numpy as np

from ..conformal import Conformal, bounds, coverage, fit_conformal, group_of, quantile_groups
from ..likelihood import fit_dispersion

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Levels whose coverage is reported."""
GENE_GROUPS, LEAST_GENES = 3, 40
"""Groups of genes by expected quality; each needs so many calibration genes, so that small panels have one group."""
CELL_GROUPS = 3
"""Groups of cells by depth."""


class Intervals(NamedTuple):
    """Everything that an interval needs."""

    conformal: Conformal
    dispersion: float
    """Of held-out counts around their predictions, median over genes."""
    edges: np.ndarray
    """Between groups of genes, by expected quality."""

    def bounds(
        self, means: np.ndarray, quality: np.ndarray, cell_group: np.ndarray, level: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends ``[n, b]`` of counts expected to be `means` ``[n, b]``, quality expected ``[b]``."""
        spread = scale(means, self.dispersion)
        return bounds(self.conformal, means, spread, group_of(quality, self.edges), cell_group, level)


def fit_intervals(
    counts: np.ndarray, means: np.ndarray, quality: np.ndarray, cell_group: np.ndarray, levels: tuple[float, ...]
) -> Intervals:
    """Calibrate on held-out genes.

    Parameters
    ----------
    counts, means
        What was measured and what was expected of held-out genes ``[r, p]``.
    quality
        Expected quality of each ``[p]``.
    cell_group
        Group of each cell ``[r]``, from `depth_groups`.
    levels
        Shares of cells to cover, ascending.
    """
    some = counts.any(axis=0)
    dispersions = fit_dispersion(lambda: iter([(slice(None), counts[:, some])]), lambda rows: means[rows][:, some])
    alpha = float(np.median(dispersions)) if some.any() else 1.0
    edges = quantile_groups(quality, GENE_GROUPS, least_genes=LEAST_GENES)
    chunks = lambda: iter([(slice(None), counts, means, scale(means, alpha))])
    fitted = fit_conformal(chunks, group_of(quality, edges), cell_group, levels, least_genes=5)
    return Intervals(fitted, alpha, edges)


def cross_coverage(
    counts: np.ndarray, means: np.ndarray, quality: np.ndarray, cell_group: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """Coverage of held-out genes at `LEVELS`, calibrated on the genes of the other folds: ``[len(LEVELS), p]``."""
    found = np.full((len(LEVELS), counts.shape[1]), np.nan)
    for k in np.unique(fold):
        out, rest = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        fitted = fit_intervals(counts[:, rest], means[:, rest], quality[rest], cell_group, LEVELS)
        for i, level in enumerate(LEVELS):
            ends = fitted.bounds(means[:, out], quality[out], cell_group, level)
            found[i, out] = coverage(counts[:, out], *ends)
    return found


def scale(means: np.ndarray, dispersion: float) -> np.ndarray:
    """Standard deviation of a count expected to be `means`, at least that of a hundredth of a count."""
    means = np.maximum(np.asarray(means, np.float64), 0.01)
    return np.sqrt(means + dispersion * means**2)


def depth_edges(depth: np.ndarray) -> np.ndarray:
    """Depths that part cells into `CELL_GROUPS` groups of equal size."""
    return np.unique(np.quantile(depth, np.arange(1, CELL_GROUPS) / CELL_GROUPS))


def depth_groups(depth: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Group of each cell ``[n]``."""
    return np.searchsorted(edges, depth, side="right")
