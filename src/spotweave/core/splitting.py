"""Counts set apart before a fit, to judge it by: split molecules, held-out entries, held-out rows."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._check import fail
from .libraries import library_blocks

SMALLEST_DISPERSION = 1e-12
"""Below it a negative binomial is a Poisson: the shares drawn would differ from their mean by a millionth."""


def thin(X: Any, rng: np.random.Generator, *, share: float = 0.5) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    r"""Split counts at random: :math:`A \sim \mathrm{Binomial}(X, \pi)`, :math:`B = X - A`.

    Where counts are Poisson given the rates, A and B are independent given the rates (Poisson thinning; Neufeld et
    al. 2024, Biostatistics 25:270).

    Parameters
    ----------
    X
        Counts ``[n, g]``, CSR or dense.
    rng
        Draws the split.
    share
        Share :math:`\pi` of the molecules that go to A.

    Returns
    -------
    A and B, CSR float64 on the pattern of X.
    """
    X = sp.csr_matrix(X)
    return _split(X, rng.binomial(X.data.astype(np.int64), share))


def split_negative_binomial(
    X: Any, dispersion: float | np.ndarray, rng: np.random.Generator, *, share: float = 0.5
) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    r"""Split overdispersed counts at random into independent parts.

    With :math:`r = 1 / \alpha`,

    .. math:: A \mid x \sim \mathrm{BetaBinomial}(x, \pi r, (1 - \pi) r), \quad B = x - A.

    If :math:`x \sim \mathrm{NB}(\mu, \alpha)`, of variance :math:`\mu + \alpha \mu^2`, then A is
    :math:`\mathrm{NB}(\pi \mu, \alpha / \pi)`, B is :math:`\mathrm{NB}((1 - \pi) \mu, \alpha / (1 - \pi))`, and both
    are independent (Neufeld et al. 2024, J. Mach. Learn. Res. 25:57; the two-part case of their Dirichlet-multinomial
    splitting). Halves from `thin` would share the cell's excess. A wrong dispersion leaves them correlated: by
    :math:`\pi (1 - \pi) \mu^2 (\alpha - \alpha') / (1 + \alpha')` in covariance when :math:`\alpha'` was assumed.

    :math:`\alpha` is the noise around the mean of *each cell*. Estimated around depth alone it holds the differences
    between tissues as well, and the split then takes them for noise: a gene's own A says nothing about its B.

    Parameters
    ----------
    X
        Counts ``[n, g]``, CSR or dense.
    dispersion
        :math:`\alpha` of each gene ``[g]`` or of all, not negative; 0 is a Poisson gene and is thinned.
    rng
        Draws the split.
    share
        Expected share :math:`\pi` of the molecules that go to A, between 0 and 1.

    Returns
    -------
    A and B, CSR float64 on the pattern of X.
    """
    _check_share(share)
    X = sp.csr_matrix(X)
    alpha = check_dispersion(dispersion, X.shape[1])[X.indices]  # [nnz]
    chance = np.full(len(alpha), share, np.float64)
    over = alpha > SMALLEST_DISPERSION
    chance[over] = rng.beta(share / alpha[over], (1 - share) / alpha[over])
    return _split(X, rng.binomial(X.data.astype(np.int64), chance))


def check_dispersion(dispersion: Any, g: int) -> np.ndarray:
    """Return the dispersion of each of `g` genes ``[g]``, float64, or raise unless finite and not negative."""
    alpha = np.asarray(dispersion, dtype=np.float64)
    if alpha.shape not in {(), (g,)}:
        raise fail(f"one dispersion, or one for each of {g} genes", f"shape {list(alpha.shape)}")
    if not (np.isfinite(alpha) & (alpha >= 0)).all():
        raise fail("finite dispersions, not negative", f"{alpha[~(alpha >= 0) | np.isinf(alpha)].ravel()[0]:g}")
    return np.broadcast_to(alpha, (g,))


class HeldOut(NamedTuple):
    """Entries taken out of counts, in the order of rows, then columns."""

    train: sp.csr_matrix
    """The counts with these entries set to 0 ``[n, g]``, float64, without stored zeros."""
    rows: np.ndarray
    """[m]."""
    columns: np.ndarray
    """[m]."""
    values: np.ndarray
    """What was there ``[m]``, float64."""


def hold_out_entries(X: Any, rng: np.random.Generator, *, share: float = 0.05) -> HeldOut:
    """Set a share of the positive entries to 0, and choose as many zeros to be judged beside them.

    Two strata, each drawn without replacement. A model that takes every 0 at its word sees the held-out entries as
    zeros; only one that can ignore them is judged on missing data.

    Parameters
    ----------
    X
        Counts ``[n, g]``, CSR or dense.
    rng
        Draws the entries.
    share
        Share of the positive entries, between 0 and 1; at least one is taken. Of zeros fewer are taken where there
        are not as many.

    Returns
    -------
    Counts to fit, and the entries held out.
    """
    _check_share(share)
    train = sp.csr_matrix(X, dtype=np.float64, copy=True)
    train.sum_duplicates()
    train.eliminate_zeros()
    if not train.nnz:
        raise fail("at least one positive count to hold out", "none")
    n, g = train.shape
    places = np.repeat(np.arange(n) * g, np.diff(train.indptr)) + train.indices  # [nnz], ascending, row after row
    n_held = max(1, round(share * train.nnz))
    held = rng.choice(train.nnz, n_held, replace=False)
    zeros = _distinct(n * g - train.nnz, min(n_held, n * g - train.nnz), rng)
    # the z-th zero lies behind all positives that have at most z zeros before them
    zero_places = zeros + np.searchsorted(places - np.arange(train.nnz), zeros, side="right")
    found = np.concatenate([places[held], zero_places])
    values = np.concatenate([train.data[held], np.zeros(len(zeros))])
    train.data[held] = 0
    train.eliminate_zeros()
    order = np.argsort(found)
    rows, columns = np.divmod(found[order], g)
    return HeldOut(train, rows, columns, values[order])


def hold_out_rows(
    n: int, rng: np.random.Generator, *, share: float = 0.05, library: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Choose rows to keep out of a fit.

    Parameters
    ----------
    n
        Number of rows, at least 2.
    rng
        Draws the rows.
    share
        Share of the rows of each library that is held out, between 0 and 1; rounded, but at least one row is held out
        and one kept. A library of one row is kept.
    library
        Which library each row belongs to, ``[n]``; None for one library.

    Returns
    -------
    Rows to fit and rows held out, each ascending.
    """
    _check_share(share)
    drawn = [
        rng.choice(rows, min(max(1, round(share * len(rows))), len(rows) - 1), replace=False)
        for rows in library_blocks(n, library)
        if len(rows) > 1
    ]
    if not drawn:
        raise fail("a library of at least 2 rows to hold one out", f"{n} rows, no two of one library")
    test = np.sort(np.concatenate(drawn))
    return np.setdiff1d(np.arange(n), test), test


def _split(X: sp.csr_matrix, part: np.ndarray) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    """`part` of each stored count, and the rest; copies, as dropping zeros from one would garble the other."""
    pattern = lambda values: sp.csr_matrix((values, X.indices, X.indptr), shape=X.shape, copy=True)
    return pattern(part.astype(np.float64)), pattern(X.data - part.astype(np.float64))


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise fail("`share` between 0 and 1", repr(share))


def _distinct(n: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `size` different numbers below `n`, in memory of order `size`: there may be billions of zeros."""
    if 4 * size >= n:
        return rng.choice(n, size, replace=False)
    found = np.empty(0, np.int64)
    while len(found) < size:
        found = np.unique(np.concatenate([found, rng.integers(0, n, size + 16)]))
    return rng.choice(found, size, replace=False)
