"""The route through single cells: each spot a mixture of few reference cells, each cell spread over few spots."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._check import check_range, fail
from ..imputation.pair import sizes
from .cell_profiles import cell_profiles
from .gene_factors import log_factors
from .sparse_weights import ENTRIES, TINY, Counts, candidates, fit_all, fit_weights

DISPERSION = 0.02
"""Squared coefficient of variation of a count around its mixture. Against 0 (Poisson), it takes a tenth off the error
of proportions where counts are overdispersed, and adds a hundredth where they are deep and the profiles do not fit."""
GROUP_STEPS = 50
SPOTS_OF_CELL = 20


class CellMapping(NamedTuple):
    """Reference cells on spots."""

    weights: sp.csr_matrix
    """How each cell is spread over spots ``[m, n]`` float32, rows sum to 1."""
    mass: np.ndarray
    """Spots' worth of molecules that each cell stands for ``[m]``; the sum is the number of spots with counts."""
    objective: np.ndarray
    """Log-likelihood up to a constant before each update, and after the last; it never falls."""
    genes: np.ndarray
    """Columns that the map was learned from ``[p]``."""
    log_factor: np.ndarray
    """Logarithm of how much more of these genes the spots catch than the reference ``[p]``."""

    @property
    def mixtures(self) -> sp.csr_matrix:
        """What each spot is made of: shares of its molecules by cell ``[n, m]``; rows sum to 1, or 0 without counts."""
        return sp.csr_matrix((sp.diags_array(self.mass) @ self.weights).T).astype(np.float32)

    @property
    def entropy(self) -> float:
        """Mean entropy of the rows of `weights`, weighted by mass, as a part of a uniform row's."""
        M = self.weights
        terms = sp.csr_matrix((-M.data * np.log(np.maximum(M.data, TINY)), M.indices, M.indptr), shape=M.shape)
        return float(sizes(terms) @ self.mass / max(self.mass.sum() * np.log(max(M.shape[1], 2)), TINY))


def map_cells(
    X: sp.csr_matrix,
    R: sp.csr_matrix,
    group: np.ndarray | None = None,
    *,
    n_candidates: int = 100,
    n_genes: int = 400,
    n_steps: int = 100,
    dispersion: float = DISPERSION,
    rng: np.random.Generator,
) -> CellMapping:
    r"""Map reference cells to spots: the sparse mixtures of cells that make the counts most likely.

    Counts of gene g in spot i are negative binomial with dispersion :math:`\phi` around

    .. math:: \mu_{ig} = \delta_g \sum_{c \in C(i)} w_{ic} \, p_{cg}

    with profiles p (`cell_profiles`), what the platform catches of a gene :math:`\delta` (`log_factors`), and
    candidates C (`candidates`) that start from the weights of their groups. Multiplicative updates (`fit_weights`)
    raise the likelihood in every step and need no learning rate.

    What GraphST and Tangram (Biancalani et al. 2021, Nat. Methods 18:1352) learn is a dense matrix of cells x spots
    whose objective, cosines or distances of vectors that are all alike, is nearly flat around equal weights; each cell
    weighs as much as any other there, so that the composition of the reference becomes that of the tissue. Here a
    spot's molecules are what is dealt out: a cell gets as much as explains them, and `CellMapping.mass` says how much.
    Depth of spots and cells cancels out, as shares of molecules.

    Parameters
    ----------
    X
        Counts of spots ``[n, g]``.
    R
        Counts of reference cells ``[m, g]``, the same genes, each row with some.
    group
        Type of each cell ``[m]``, 0 to t - 1, each of which occurs; None: found by k-means. A spot has candidates of
        every group, and groups start alike, however many cells they have.
    n_candidates
        Cells that a spot chooses as its candidates (one of each group at least). Besides, each cell chooses 20 spots.
    n_genes
        Genes to learn from, those that tell most about groups.
    n_steps
        Updates.
    dispersion
        :math:`\phi`; 0 for Poisson counts.
    rng
        Seeds k-means; not used with `group`.

    Returns
    -------
    The map. Memory grows as (n + m) times candidates, and m times genes.

    Raises
    ------
    InputError
        When shapes differ, a cell or all spots have no counts, `group` does not fit or a number is out of range.
    """
    X, R = (sp.csr_matrix(A, dtype=np.float32) for A in (X, R))
    _check(X, R, group)
    for name, value in (("n_candidates", n_candidates), ("n_genes", n_genes), ("n_steps", n_steps)):
        check_range(value, name, low=1, integer=True)
    check_range(dispersion, "dispersion", low=0)
    cells = cell_profiles(R, group, n_genes=n_genes, rng=rng)
    X = X[:, cells.genes]
    counts: Counts = lambda rows: X[rows].toarray()
    plain = _group_weights(X, cells.means, dispersion)
    factor = log_factors(((counts(rows), plain[rows] @ cells.means) for rows in _slices(X)), X.shape[1])
    means, profiles = cells.means * np.exp(factor), cells.profiles * np.exp(factor).astype(np.float32)
    groups = _group_weights(X, means, dispersion)
    quota = max(1, n_candidates // len(means)), SPOTS_OF_CELL
    start = candidates(counts, groups, means, profiles, cells.group, quota)
    found = fit_weights(counts, start, profiles, dispersion=dispersion, n_steps=n_steps)
    filled = sizes(X) > 0
    mixtures = sp.csr_matrix(sp.diags_array(filled / np.maximum(sizes(found.W), TINY)) @ found.W)
    weights, mass = _spread(mixtures)
    return CellMapping(weights, mass, found.objective, cells.genes, factor)


def map_proportions(
    X: sp.csr_matrix, R: sp.csr_matrix, labels: np.ndarray, n_types: int, *, rng: np.random.Generator
) -> np.ndarray:
    """Proportions of types in spots ``[n, t]`` by `map_cells`: shares of molecules, rows sum to 1.

    `labels` ``[m]`` are 0 to `n_types` - 1, each of which occurs. A spot without counts of the genes has equal shares.
    """
    found = map_cells(X, R, labels, rng=rng)
    member = sp.csr_matrix((np.ones(len(labels)), (np.arange(len(labels)), labels)), shape=(len(labels), n_types))
    P = (found.mixtures @ member).toarray()
    total = P.sum(axis=1, keepdims=True)
    return np.where(total > 0, P / np.where(total > 0, total, 1), 1 / n_types)


def _check(X: sp.csr_matrix, R: sp.csr_matrix, group: np.ndarray | None) -> None:
    if X.shape[1] != R.shape[1] or min(X.shape) < 1 or R.shape[0] < 2:
        raise fail("X [n, g] and R [m, g] with two cells or more", f"shapes {X.shape} and {R.shape}")
    if not (sizes(R) > 0).all() or not X.data.any():
        raise fail("counts in every cell of R and in some spots of X", "none", "Leave out cells without counts.")
    if group is not None and (len(group) != R.shape[0] or min(group) < 0 or not np.bincount(group).all()):
        raise fail(f"`group` of {R.shape[0]} numbers, 0 to t - 1, each of which occurs", f"{len(group)} others")


def _slices(X: sp.csr_matrix) -> Iterator[slice]:
    """Spots in blocks of `ENTRIES` counts."""
    step = max(1, ENTRIES // max(X.shape[1], 1))
    return (slice(start, start + step) for start in range(0, X.shape[0], step))


def _group_weights(X: sp.csr_matrix, means: np.ndarray, dispersion: float) -> np.ndarray:
    """Weights of all groups ``[n, t]``, block by block."""
    C = means.astype(np.float32)
    fit = lambda rows: fit_all(X[rows].toarray(), C, dispersion=dispersion, n_steps=GROUP_STEPS)
    return np.vstack([fit(rows) for rows in _slices(X)])


def _spread(mixtures: sp.csr_matrix) -> tuple[sp.csr_matrix, np.ndarray]:
    """Weights of each cell over spots ``[m, n]``, rows of sum 1, and its sum over spots ``[m]``."""
    M = sp.csr_matrix(mixtures.T, dtype=np.float64)
    mass = sizes(M)
    return sp.csr_matrix(sp.diags_array(1 / np.maximum(mass, np.finfo(float).tiny)) @ M).astype(np.float32), mass
