"""What deconvolution reads of a reference: sums of counts by type, and how much cells of a type differ."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

PSEUDO = 10.0
"""Counts of the pooled reference that each type gets when its shares are first estimated."""
LEAST_DISPERSION = 0.01


class Reference(NamedTuple):
    """Sums over the cells of each type, and the spread around them."""

    counts: np.ndarray
    """Counts of each gene in each type ``[t, g]``."""
    n_cells: np.ndarray
    """Cells of each type ``[t]``."""
    size: np.ndarray
    """Mean counts of a cell of each type ``[t]``."""
    evenness: np.ndarray
    """One over the number of equally deep cells that would tell as much ``[t]``."""
    dispersion: np.ndarray
    """Squared coefficient of variation of each gene between cells of a type, beyond Poisson ``[g]``."""

    @property
    def shares(self) -> np.ndarray:
        """Share of each gene in the counts of each type ``[t, g]``, none of them 0 but for genes without counts."""
        total, pooled = self.counts.sum(axis=1, keepdims=True), self.counts.sum(axis=0)
        return (self.counts + PSEUDO * pooled / max(pooled.sum(), 1.0)) / (total + PSEUDO)


def summarise(R: sp.csr_matrix, labels: np.ndarray, n_types: int) -> Reference:
    r"""Sum up a reference by type, in one pass over its stored entries.

    With shares :math:`s_{tg}` and the depth :math:`d_i` of a cell, the dispersion of a gene is the moment estimate

    .. math:: \phi_g = \frac{\sum_i a_{t(i)} (x_{ig} - d_i s_{t(i)g})^2 - d_i s_{t(i)g}}{\sum_i (d_i s_{t(i)g})^2}

    with :math:`a_t = n_t / (n_t - 1)`, over types of two cells or more, drawn towards the ratio of the sums over genes.

    Parameters
    ----------
    R
        Counts of cells ``[m, g]``.
    labels
        Type of each cell ``[m]``, 0 to `n_types` - 1; each occurs.
    n_types
        Number of types t.

    Returns
    -------
    Sums by type and the dispersion of genes.
    """
    m = R.shape[0]
    member = sp.csr_matrix((np.ones(m), (labels, np.arange(m))), shape=(n_types, m))
    depth = np.asarray(R.sum(axis=1), np.float64).ravel()
    n_cells, total = np.bincount(labels, minlength=n_types), np.bincount(labels, weights=depth, minlength=n_types)
    square = np.bincount(labels, weights=depth**2, minlength=n_types)
    counts = np.asarray((member @ R).todense(), np.float64)
    summary = Reference(counts, n_cells, total / n_cells, square / np.maximum(total, 1.0) ** 2, np.zeros(R.shape[1]))
    squares = member @ R.power(2)
    by_depth = member @ sp.diags_array(depth) @ R
    return summary._replace(dispersion=_dispersion(summary, squares, by_depth, square))


def _dispersion(reference: Reference, squares: sp.sparray, by_depth: sp.sparray, square: np.ndarray) -> np.ndarray:
    """Moment estimate, gene by gene, drawn towards that of all genes together."""
    S, n = reference.shares, reference.n_cells
    several = (n > 1).astype(float)[:, None]  # a lone cell is its own mean
    factor = (n / np.maximum(n - 1, 1))[:, None]
    mean_square = S**2 * square[:, None]  # [t, g], sum over cells of the squared mean
    around = np.asarray(squares.todense()) - 2 * S * np.asarray(by_depth.todense()) + mean_square
    excess = (several * (factor * around - S * (reference.size * n)[:, None])).sum(axis=0)
    weight = (several * mean_square).sum(axis=0)
    common = max(excess.sum() / max(weight.sum(), 1e-12), LEAST_DISPERSION)
    prior = max(float(np.median(weight)), 1e-12)
    return np.maximum((excess + common * prior) / (weight + prior), LEAST_DISPERSION)
