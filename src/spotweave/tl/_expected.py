"""Expected counts of chosen genes, block by block: the model's means, the guard's weights, what changed in space."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from ..core.autocorrelation import morans_i
from ..core.flatness import Flattened
from ..core.likelihood import poisson_deviance
from ..core.shrinkage import Guard, Means, evidence, gene_blocks, posterior_mean, posterior_variance, weights
from ._denoise_methods import DenoiseFit

N_DRAWS = 12  # of the latent space, behind its part of the standard deviation
SCORED_ROWS = 20_000  # cells that held-out scores are taken over


class Weighing(NamedTuple):
    """What the guard decided, for any means of the model."""

    flat: Flattened | None
    """How much of the pattern each gene gets; None: all of it."""
    guard: Guard

    def of(self, means: Means, X: sp.csr_matrix) -> Means:
        """Means with as much pattern as their genes get, for these counts."""
        if self.flat is None:
            return means
        size, total = (np.asarray(X.sum(axis=axis), np.float64).ravel() for axis in (1, 0))
        return replace(self.flat, means=means, size=size, share=total / max(size.sum(), 1.0))


def unguarded(n_genes: int) -> Weighing:
    """The model alone."""
    return Weighing(None, Guard(np.zeros(n_genes), np.zeros(n_genes), np.zeros(1)))


class Expected(NamedTuple):
    """What is written."""

    mean: np.ndarray
    """Expected counts at each cell's own depth [n, genes], float32."""
    sd: np.ndarray | None
    """Posterior standard deviation of them [n, genes], float32."""
    table: pd.DataFrame
    """Weights and Moran's I of each gene."""


class Space(NamedTuple):
    """What is looked at in space."""

    used: sp.csr_matrix
    """Graph that the estimates may use; without edges when they may not."""
    shown: sp.csr_matrix
    """Graph of Moran's I before and after."""
    library: np.ndarray | None


def expected_counts(
    fit: DenoiseFit,
    X: sp.csr_matrix,
    space: Space,
    weighing: Weighing,
    genes: np.ndarray,
    *,
    sd: bool,
    rng: np.random.Generator,
) -> Expected:
    """Estimate the counts of `genes` (indices) in all cells, a few genes at a time."""
    n, columns, guard = X.shape[0], X.tocsc(), weighing.guard
    means = weighing.of(fit.means, X)
    size = np.asarray(X.sum(axis=1), np.float64).ravel()
    scale = np.divide(np.median(size[size > 0]), size, out=np.zeros(n), where=size > 0)[:, None]
    mean = np.empty((n, len(genes)), np.float32)
    deviation = np.empty_like(mean) if sd else None
    draws = [weighing.of(fit.sample(rng), X) for _ in range(N_DRAWS)] if sd and fit.sample else []
    parts = []
    for block in gene_blocks(len(genes), max(1, min(64, 8_000_000 // n))):
        index = genes[block]
        e = evidence(means, columns, space.used, None, index)
        alpha, reach = guard.dispersion[index], guard.reach[index]
        mean[:, block] = posterior_mean(e, alpha, reach)
        if deviation is not None:
            deviation[:, block] = np.sqrt(posterior_variance(e, alpha, reach) + _latent_variance(draws, index, n))
        shares = weights(e, alpha, reach).mean(axis=1)
        before, after = (
            _moran(np.log1p(values * scale), space) for values in (e.counts, mean[:, block].astype(np.float64))
        )
        parts.append(np.vstack([shares, before, after]))
    names = ["weight_latent", "weight_neighbors", "weight_own", "moran_before", "moran_after"]
    table = pd.DataFrame(np.hstack(parts).T, columns=names)
    if weighing.flat is not None:
        table = table.assign(pattern=weighing.flat.exponent[genes], pattern_gain=weighing.flat.gain[genes])
    return Expected(mean, deviation, table)


def held_out_deviance(
    means: Means,
    train: sp.csr_matrix,
    held_out: sp.csr_matrix,
    ratio: float,
    W: sp.csr_matrix,
    weighing: Weighing,
    *,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Poisson deviance of unseen molecules, mean over cells: of the estimates, and of depth times gene share ``[g]``."""
    n, g = train.shape
    rows = np.arange(n) if n <= SCORED_ROWS else np.sort(rng.choice(n, SCORED_ROWS, replace=False))
    columns, target = train.tocsc(), held_out[rows].tocsc()
    size = np.asarray(train.sum(axis=1), np.float64).ravel()[rows, None]
    share = np.asarray(train.sum(axis=0), np.float64).ravel() / max(float(train.sum()), 1.0)
    ours, plain = np.empty(g), np.empty(g)
    for genes in gene_blocks(g):
        e = evidence(weighing.of(means, train), columns, W, rows, genes)
        x = target[:, genes].toarray()
        estimate = posterior_mean(e, weighing.guard.dispersion[genes], weighing.guard.reach[genes])
        ours[genes] = poisson_deviance(x, ratio * estimate).mean(axis=0)
        plain[genes] = poisson_deviance(x, ratio * size * share[genes]).mean(axis=0)
    return ours, plain


def _latent_variance(draws: list[Means], genes: np.ndarray, n: int) -> np.ndarray | float:
    """Variance over draws of the latent space; 0 without draws."""
    if not draws:
        return 0.0
    total, square = np.zeros((n, len(genes))), np.zeros((n, len(genes)))
    for draw in draws:
        value = draw(slice(None), genes).astype(np.float64)
        total += value
        square += value**2
    return np.maximum(square - total**2 / len(draws), 0.0) / (len(draws) - 1)


def _moran(values: np.ndarray, space: Space) -> np.ndarray:
    """Moran's I of each column, centred on each slide; NaN where there is nothing to look at."""
    if space.shown.nnz == 0 or len(values) < 4:
        return np.full(values.shape[1], np.nan)
    if space.library is not None:
        for code in np.unique(space.library):
            rows = space.library == code
            values[rows] -= values[rows].mean(axis=0)
    return morans_i(values, space.shown).statistic
