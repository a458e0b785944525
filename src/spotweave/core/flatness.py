"""How much of a model's pattern a gene is given: none where held-out counts do not support one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from .shrinkage import Genes, Means, gene_blocks, poisson_log_likelihood, shared_prior

EXPONENTS = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
"""Candidates for the share of the pattern, in logarithms."""
MOST_FLAT = 0.5
"""Posterior probability of no pattern above which a gene gets none."""
SUPPORT = 1.353
"""Gain in log-likelihood that one gene in twenty without a pattern reaches: half the 90 % point of chi-squared, as the
share of the pattern cannot be negative (Self and Liang 1987, J. Am. Stat. Assoc. 82:605)."""


@dataclass(frozen=True)
class Flattened:
    r"""Means between those of a model and those of depth alone.

    .. math:: \mu^{(\gamma)}_{ij} = c_j (s_i p_j)^{1 - \gamma_j} \mu_{ij}^{\gamma_j}

    with :math:`s_i p_j` depth times gene share; c keeps the gene's sum over the cells it was chosen on.
    """

    means: Means
    """The model."""
    size: np.ndarray
    """Counts of each cell [n]."""
    share: np.ndarray
    """Share of each gene in all counts [g]."""
    exponent: np.ndarray
    """Share of the pattern [g], 0 to 1."""
    scale: np.ndarray
    """c [g]."""
    gain: np.ndarray
    """Held-out log-likelihood won by a pattern against none [g]; above `SUPPORT` a pattern is supported."""

    def __call__(self, rows: np.ndarray | slice, genes: Genes) -> np.ndarray:
        """Means ``[rows, genes]``, float32."""
        flat = self.size[rows][:, None] * self.share[genes]
        return (self.scale[genes] * blend(self.means(rows, genes), flat, self.exponent[genes])).astype(np.float32)


def blend(mean: np.ndarray, flat: np.ndarray, exponent: np.ndarray | float) -> np.ndarray:
    """``flat^(1 - exponent) mean^exponent``; 0 where either is."""
    ratio = np.divide(mean, flat, out=np.ones_like(flat), where=flat > 0)
    return flat * ratio**exponent


def fit_flatness(
    means: Means,
    X: sp.csr_matrix,
    held_out: sp.csc_matrix,
    ratio: float,
    rows: np.ndarray,
    *,
    strict: bool = False,
) -> Flattened:
    """Choose how much of the model's pattern each gene gets, by the likelihood of held-out molecules.

    The candidates' prior is shared by all genes and estimated from them (`core.shrinkage.shared_prior`). A gene whose
    posterior probability of no pattern is above one half gets none, the others the posterior mean. This gives genes
    with few counts the benefit of the doubt; `strict` gives a pattern only where the gene's own
    held-out counts support it at the 5 % level.

    Parameters
    ----------
    means
        The model, fitted to `X`.
    X
        Counts ``[n, g]``.
    held_out
        Molecules that the model has not seen ``[n, g]``.
    ratio
        Expected held-out molecules for one in `X`.
    rows
        Cells to choose on.
    strict
        No pattern without support.

    Returns
    -------
    Means that can be asked for any cells and genes.
    """
    size = np.asarray(X.sum(axis=1), np.float64).ravel()
    total = np.asarray(X.sum(axis=0), np.float64).ravel()
    share = total / max(size.sum(), 1.0)
    g = len(share)
    L, sums, seen = np.zeros((len(EXPONENTS), g)), np.zeros((len(EXPONENTS), g)), np.zeros(g)
    for genes, mean, flat in _blocks(means, size[rows], share, rows):
        target = held_out[:, genes][rows].tocoo()
        seen[genes] = np.bincount(target.col, target.data, minlength=mean.shape[1])
        for i, exponent in enumerate(EXPONENTS):
            value = blend(mean, flat, exponent)
            sums[i, genes] = value.sum(axis=0)
            scaled = value * _scale(mean.sum(axis=0), sums[i, genes])
            L[i, genes] = poisson_log_likelihood(target, scaled * ratio)
    prior, _ = shared_prior(L[:, seen > 0])
    with np.errstate(divide="ignore"):
        score = L + np.log(prior)[:, None]
    posterior = np.exp(score - score.max(axis=0))
    posterior /= posterior.sum(axis=0)
    chosen = np.where(posterior[0] > MOST_FLAT, 0.0, EXPONENTS @ posterior)
    gain = L[1:].max(axis=0) - L[0]
    if strict:
        chosen[gain < SUPPORT] = 0.0
    whole = np.zeros(g)
    for genes, mean, flat in _blocks(means, size[rows], share, rows):
        whole[genes] = _scale(mean.sum(axis=0), blend(mean, flat, chosen[genes]).sum(axis=0))
    return Flattened(means, size, share, chosen, whole, gain)


def _blocks(
    means: Means, size: np.ndarray, share: np.ndarray, rows: np.ndarray
) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    for genes in gene_blocks(len(share)):
        yield genes, means(rows, genes).astype(np.float64), size[:, None] * share[genes]


def _scale(wanted: np.ndarray, found: np.ndarray) -> np.ndarray:
    return np.divide(wanted, found, out=np.ones(len(found)), where=found > 0)
