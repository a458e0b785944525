"""Cell types that lie together: correlations of their shares, beyond what a fixed sum forces on them."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .._check import check_range, fail

N_SHUFFLES = 50
"""Enough: each shuffle is an average over all spots already."""
LEAST_SPREAD = 1e-6
"""A share of smaller standard deviation is constant, but for rounding."""


class Colocation(NamedTuple):
    """Each type against each other ``[t, t]``, symmetric; NaN where a share does not vary."""

    correlation: np.ndarray
    """Of the shares as they are."""
    expected: np.ndarray
    """What the fixed sum alone would give."""
    excess: np.ndarray
    """`correlation` - `expected`: above 0, the two are found together."""


def colocation(
    P: np.ndarray,
    *,
    graph: sp.csr_matrix | None = None,
    n_shuffles: int = N_SHUFFLES,
    rng: int | np.random.Generator = 0,
) -> Colocation:
    r"""Correlate the shares of each two types over spots, and subtract what their fixed sum forces on them.

    Where one share rises the others must fall, so that even types which know nothing of each other correlate
    negatively, the more so the fewer and the more abundant they are. What this alone does is found by shuffling each
    share over the spots by itself and dividing rows by their sums again.

    With a graph, the share of one type is correlated with the mean share of the other over a spot's neighbours:

    .. math:: r_{tu} = \tfrac{1}{2} \big[ \mathrm{cor}(p_t, W p_u) + \mathrm{cor}(p_u, W p_t) \big], \quad
       e^W_{tu} = e_{tu} \sqrt{a_t a_u}, \quad a_t = \max(r_{tt}, 0)

    Where: W is the graph with rows divided by their sums, and e what the fixed sum gives within spots; it fades with
    distance as the shares themselves do.

    Parameters
    ----------
    P
        Shares ``[n, t]``; rows are divided by their sums. Spots without any are left out.
    graph
        Neighbouring spots ``[n, n]``, weights of 0 or more; within spots when None. Spots without neighbours are left
        out.
    n_shuffles
        Shuffles that `expected` is the mean of.
    rng
        Seed or generator.

    Returns
    -------
    Correlations, what the fixed sum gives, and the difference. No p values: neighbouring spots are alike, and would
    be counted as if they were independent.

    Raises
    ------
    InputError
        When shares are negative or not finite, fewer than 3 spots have any, or the graph is of another size.

    Notes
    -----
    Shuffling and dividing again is how ReBoot corrects for closure (Faust et al., PLoS Computational Biology 8:
    e1002606, 2012).

    Examples
    --------
    >>> import numpy as np
    >>> P = np.random.default_rng(0).dirichlet(np.ones(3), 500)  # nothing but the sum binds them
    >>> found = colocation(P)
    >>> bool(found.correlation[0, 1] < -0.4), bool(abs(found.excess[0, 1]) < 0.1)
    (True, True)
    """
    P = np.asarray(P, np.float64)
    _check(P, graph)
    check_range(n_shuffles, "n_shuffles", low=1, integer=True)
    generator = np.random.default_rng(rng)
    total = P.sum(axis=1)
    filled = total > 0
    if filled.sum() < 3:
        raise fail("shares above 0 in 3 or more spots", f"{filled.sum()} such spots")
    P = P[filled] / total[filled, None]
    expected = np.mean([_shuffled(P, generator) for _ in range(n_shuffles)], axis=0)
    if graph is None:
        found = _correlation(P, P)
    else:
        found, expected = _among_neighbours(P, sp.csr_matrix(graph)[filled][:, filled], expected)
    return Colocation(found, expected, found - expected)


def _check(P: np.ndarray, graph: sp.csr_matrix | None) -> None:
    if P.ndim != 2 or not np.isfinite(P).all() or P.min(initial=0.0) < 0:
        raise fail("shares [n, t], finite and at least 0", f"shape {list(P.shape)}, or negative or missing values")
    if graph is not None and graph.shape != (len(P), len(P)):
        raise fail(f"a graph of the {len(P):,} spots", f"shape {list(graph.shape)}")


def _shuffled(P: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Correlation when each share is shuffled by itself and rows are closed again; rows of nothing are dropped."""
    S = rng.permuted(P, axis=0)
    total = S.sum(axis=1)
    S = S[total > 0] / total[total > 0, None]
    return _correlation(S, S)


def _among_neighbours(P: np.ndarray, graph: sp.csr_matrix, closure: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation with neighbours, and the part of it that is the fixed sum's."""
    degree = np.asarray(graph.sum(axis=1)).ravel()
    joined = degree > 0
    if joined.sum() < 3:
        raise fail("neighbours of 3 or more spots in `graph`", f"{joined.sum()} such spots")
    around = (graph @ P)[joined] / degree[joined, None]
    one_way = _correlation(P[joined], around)
    found = (one_way + one_way.T) / 2
    own = np.sqrt(np.maximum(np.diag(found), 0.0))
    return found, closure * np.outer(own, own)


def _correlation(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    """Pearson correlation of each column of A with each of B, NaN for a constant one."""
    A, B = A - A.mean(axis=0), B - B.mean(axis=0)
    a, b = (np.sqrt((X**2).mean(axis=0)) for X in (A, B))
    scale = np.outer(np.where(a > LEAST_SPREAD, a, np.nan), np.where(b > LEAST_SPREAD, b, np.nan))
    return (A.T @ B) / len(A) / scale
