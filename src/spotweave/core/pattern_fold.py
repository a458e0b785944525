"""How much a gene's expression changes along a given pattern: log-linear estimates, shrunk."""

import numpy as np
import scipy.sparse as sp

from .._check import fail
from .libraries import library_blocks
from .pattern_section import standardised

N_GRID = 401
DENSER = 6.0
"""The grid is about 70 times as dense at 0 as at its ends."""
WIDEST = 14.0
"""Greatest change of log expression from the lowest to the highest weight."""
LEAST_SCALE = 0.02
"""Least scale of the prior, in log expression per standard deviation of the pattern."""
N_SCALES = 60
BLOCK = 2_048
"""Genes at a time."""


def pattern_fold(
    X: sp.spmatrix, target: np.ndarray, depth: np.ndarray, *, library: np.ndarray | None = None
) -> np.ndarray:
    r"""Estimate the change of each gene's log expression per unit of a pattern.

    In :math:`\log \mu_i = \log s_i + \log p_l + \beta r_i`, with a share p of the gene for each library l, the share
    drops out of the Poisson likelihood given the molecules :math:`N_l` of the gene in each library:

    .. math:: \ell(\beta) = \frac1\phi \Big(\beta \sum_i x_i r_i
              - \sum_l N_l \log \sum_{i \in l} s_i e^{\beta r_i}\Big) - \log(1 + \beta^2 / \tau^2)

    :math:`\phi \ge 1` is Pearson's dispersion of the gene. The last term is a Cauchy prior, which pulls weakly measured
    genes to 0 and leaves strong ones (Zhu, Ibrahim and Love 2019, Bioinformatics 35:2084); its scale :math:`\tau` is the
    normal prior's of greatest likelihood over all genes, given one-step estimates. For a mask this is the log ratio of
    expression inside and outside.

    Parameters
    ----------
    X
        Counts ``[n, g]``, sparse.
    target
        Weights r ``[n]``.
    depth
        Total counts of each point over all genes measured ``[n]``.
    library
        Codes ``[n]``.

    Returns
    -------
    :math:`\beta` ``[g]``, natural logarithm per unit of `target`; 0 for genes without counts.
    """
    depth = depth / depth.mean()
    sd = np.sqrt(np.cov(target, aweights=depth, ddof=0))
    r = standardised(target, depth)
    if not r.any():
        raise fail("a pattern that varies among cells with counts", "one that does not")
    Y = sp.csr_matrix(X, dtype=np.float64).T.tocsr()
    blocks = [rows for rows in library_blocks(len(depth), library) if depth[rows].any()]
    molecules = np.column_stack([np.asarray(Y[:, rows].sum(axis=1)).ravel() for rows in blocks])
    along = Y @ r
    most = max(WIDEST / np.ptp(r[depth > 0]), 4.0)
    beta = most * np.sinh(DENSER * np.linspace(-1, 1, N_GRID)) / np.sinh(DENSER)
    tilt = np.array([_log_mean(beta, r[rows], depth[rows]) for rows in blocks])
    phi = np.maximum(_dispersion(Y, depth, molecules.sum(axis=1)), 1)
    tau = _prior_scale(along, molecules, phi, r, depth, blocks)
    found = np.zeros(len(along))
    for start in range(0, len(along), BLOCK):
        g = slice(start, start + BLOCK)
        likelihood = (np.outer(along[g], beta) - molecules[g] @ tilt) / phi[g, None]
        found[g] = _peak(beta, likelihood - np.log1p((beta / tau) ** 2))
    return found / sd


def _log_mean(beta: np.ndarray, r: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Log of the mean of ``exp(beta r)`` under weights `depth` ``[grid]``; equal weights of a mask are counted once."""
    values, of = np.unique(r, return_inverse=True)
    mass = np.bincount(of, depth / depth.sum())
    values, mass = values[mass > 0], mass[mass > 0]
    top = np.maximum(beta * values[-1], beta * values[0])
    return np.array([t + np.log(mass @ np.exp(b * values - t)) for b, t in zip(beta, top, strict=True)])


def _dispersion(Y: sp.csr_matrix, depth: np.ndarray, molecules: np.ndarray) -> np.ndarray:
    """Mean of ``(x - s p)^2 / s p`` of each gene ``[g]``; 1 without counts."""
    inverse = np.divide(1, depth, out=np.zeros(len(depth)), where=depth > 0)
    square = sp.csr_matrix((Y.data**2, Y.indices, Y.indptr), shape=Y.shape) @ inverse
    filled, share = (depth > 0).sum(), molecules / depth.sum()
    return np.divide(square - share * molecules, share * filled, out=np.ones(len(share)), where=share > 0)


def _prior_scale(
    along: np.ndarray,
    molecules: np.ndarray,
    phi: np.ndarray,
    r: np.ndarray,
    depth: np.ndarray,
    blocks: list[np.ndarray],
) -> float:
    """Standard deviation of a normal prior of greatest marginal likelihood, from one-step estimates."""
    mean = np.array([np.average(r[rows], weights=depth[rows]) for rows in blocks])
    spread = np.array([np.average(r[rows] ** 2, weights=depth[rows]) for rows in blocks]) - mean**2
    information = molecules @ np.maximum(spread, 0) / phi
    told = information > 0
    if not told.any():
        return LEAST_SCALE
    step = (along - molecules @ mean)[told] / phi[told] / information[told]
    scales = np.geomspace(LEAST_SCALE, 4, N_SCALES)
    variance = scales[:, None] ** 2 + 1 / information[told]
    return float(scales[(-np.log(variance) - step**2 / variance).sum(axis=1).argmax()])


def _peak(grid: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Where each row of `height` ``[g, grid]`` is greatest: the top of the parabola through three points."""
    at = np.clip(height.argmax(axis=1), 1, len(grid) - 2)
    left, middle, right = (np.take_along_axis(height, at[:, None] + k, axis=1)[:, 0] for k in (-1, 0, 1))
    a, b = grid[at] - grid[at - 1], grid[at + 1] - grid[at]
    rise, fall = (middle - left) / a, (right - middle) / b
    bend = rise - fall
    step = np.divide(rise * b + fall * a, 2 * bend, out=np.zeros(len(at)), where=bend > 1e-300)
    return grid[at] + np.clip(step, -a, b)
