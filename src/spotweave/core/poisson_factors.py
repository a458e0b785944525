"""Low-rank Poisson models of counts: few gene profiles, and each cell's weights on them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.special import xlogy

from .._check import check_range, fail
from .likelihood import MEAN_FLOOR
from .poisson_em import TINY, at_stored, em_step, row_chunks, rows_to_one, weight_steps, without_tiny

RANKS = (2, 3, 5, 7, 10, 15, 20, 30, 50, 80)
"""Ranks that `choose_rank` is meant to be given."""
N_PROJECT = 30  # steps for the rows that the profiles were not learned on; the problem is convex
HELD_ROWS = 5_000  # rows that a rank is judged on
N_WORSE = 2  # ranks in a row without a gain that end the search


class PoissonFactors(NamedTuple):
    """Fit of ``X ~ Poisson(size W H)``."""

    weights: np.ndarray
    """W [n, k], float32, not negative."""
    profiles: np.ndarray
    """H [k, g], float32, not negative; rows sum to 1."""
    log_likelihood: float
    """Mean over the counted molecules of the fitted rows, without ``log x!``."""
    converged: bool
    n_steps: int
    """Updates made."""


class RankChoice(NamedTuple):
    """Ranks judged by held-out molecules."""

    rank: int
    """The likeliest."""
    ranks: tuple[int, ...]
    """Those tried, ascending."""
    log_likelihood: np.ndarray
    """Mean over held-out molecules for each rank tried, without ``log x!``."""


def poisson_factors(
    X: Any,
    size: np.ndarray,
    rank: int,
    *,
    rng: np.random.Generator,
    n_steps: int = 100,
    tolerance: float = 1e-5,
    max_rows: int = 20_000,
    prior: float = 0.0,
) -> PoissonFactors:
    r"""Fit :math:`x_{ig} \sim \mathrm{Poisson}(s_i \sum_k w_{ik} h_{kg})` with profiles that sum to 1.

    EM, which for this model is the multiplicative update of NMF with the Kullback-Leibler divergence (Lee and Seung
    2001, NIPS 13; as EM: Cemgil 2009, Comput. Intell. Neurosci. 785152), here with an offset. With
    :math:`r_{ig} = x_{ig} / \sum_k w_{ik} h_{kg}`, zero wherever the count is,

    .. math:: w_{ik} \leftarrow \frac{w_{ik}}{s_i} \sum_g r_{ig} h_{kg}, \qquad
              h_{kg} \leftarrow \frac{h_{kg} \sum_i w_{ik} r_{ig} + \beta p_g}{\sum_{g'} (\cdot)}

    from the same r, so that no step lowers the likelihood (with :math:`\beta > 0`: the posterior). The start is the
    mean profile p times random numbers. The optimum is a local one.

    Parameters
    ----------
    X
        Counts ``[n, g]``, CSR or dense.
    size
        Offset :math:`s_i` ``[n]``, such as the counts of each cell over all genes; positive where there are counts.
    rank
        Number of profiles k, at most ``min(n, g)``.
    rng
        Draws the start and the rows.
    n_steps
        Most updates.
    tolerance
        Converged when the log-likelihood of a molecule gains less in one update.
    max_rows
        Above it, profiles are learned on a random part of the rows; all rows then get weights by `project`.
    prior
        Pseudo-counts :math:`\beta` of the mean profile added to each profile (a Dirichlet prior around it).

    Returns
    -------
    Weights, profiles and likelihood of the same parameters. A cell without counts has weights 0 or, where its size is
    0 too, those of the mean cell; a gene without counts has profile 0.
    """
    X, size = _checked(X, size)
    check_range(rank, "rank", low=1, high=min(X.shape), integer=True, why="the smaller of rows and genes")
    check_range(prior, "prior", low=0)
    if not X.sum():
        raise fail("at least one count", "none")
    if X.shape[0] > max_rows:
        rows = np.sort(rng.choice(X.shape[0], max_rows, replace=False))
        fit = poisson_factors(
            X[rows], size[rows], rank, rng=rng, n_steps=n_steps, tolerance=tolerance, max_rows=max_rows, prior=prior
        )
        return fit._replace(weights=project(X, size, fit.profiles, n_steps=N_PROJECT))
    total = _sums(X, 0)
    share = total / total.sum()  # [g]
    H = rows_to_one(share * rng.gamma(2.0, 0.5, (rank, len(share))))
    W = _started(X, size, rng.gamma(2.0, 0.5, (X.shape[0], rank)))
    return _em(X, size, (W, H), prior * share, n_steps, tolerance * total.sum())


def project(X: Any, size: np.ndarray, profiles: np.ndarray, *, n_steps: int = 50) -> np.ndarray:
    """Give counts their likeliest weights on known profiles.

    Parameters
    ----------
    X, size
        Counts of the profiles' genes ``[n, g]`` and offset ``[n]``, see `poisson_factors`.
    profiles
        H ``[k, g]``, rows sum to 1.
    n_steps
        Updates from equal weights on; each raises the likelihood, which has one maximum.

    Returns
    -------
    ``[n, k]`` float32. Counts of a gene that no profile has are ignored.
    """
    X, size = _checked(X, size)
    H = np.asarray(profiles, np.float32)
    if H.ndim != 2 or H.shape[1] != X.shape[1]:
        raise fail(f"profiles of {X.shape[1]} genes", f"shape {list(H.shape)}")
    W = _started(X, size, np.ones((X.shape[0], len(H))))
    W = weight_steps(X, size, W, H, n_steps)
    return _filled(W, size)


def choose_rank(
    train: Any,
    held_out: Any,
    size: np.ndarray,
    ratio: float,
    ranks: Sequence[int] = RANKS,
    *,
    smooth: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    n_steps: int = 100,
    tolerance: float = 1e-5,
    prior: float = 0.0,
) -> RankChoice:
    """Choose the number of profiles by the Poisson likelihood of held-out molecules.

    From small to large, until two ranks in a row are no better than the best before them. Expected held-out counts are
    ``ratio * size * (smooth(W) @ H)``, at least `likelihood.MEAN_FLOOR`.

    Parameters
    ----------
    train, held_out
        Counts to fit, and other molecules of the same cells and genes ``[n, g]``; at most 5,000 rows of these are used.
    size, ratio
        Offset of the counts to fit ``[n]``, and expected held-out molecules for one of them.
    ranks
        Candidates; those of ``min(n, g)`` and more are left out (1 is tried if none remains).
    smooth
        Makes of weights ``[n, k]`` those to predict with, for example their average with their neighbours'.
    rng
        Draws the rows and the starts.
    n_steps, tolerance, prior
        See `poisson_factors`.

    Returns
    -------
    The best rank, and the likelihood of each that was tried.
    """
    train, size = _checked(train, size)
    held_out = sp.csr_matrix(held_out)
    if held_out.shape != train.shape:
        raise fail(f"held-out counts of shape {list(train.shape)}", f"shape {list(held_out.shape)}")
    n = len(size)
    rows = np.arange(n) if n <= HELD_ROWS else np.sort(rng.choice(n, HELD_ROWS, replace=False))
    target, depth = held_out[rows], ratio * size[rows]
    tried, scores = [], list[float]()
    for rank in sorted({r for r in ranks if r < min(train.shape)}) or [1]:
        fit = poisson_factors(train, size, rank, rng=rng, n_steps=n_steps, tolerance=tolerance, prior=prior)
        tried.append(rank)
        scores.append(_held_out_log_likelihood(target, depth, smooth(fit.weights)[rows], fit.profiles))
        if len(scores) - 1 - int(np.argmax(scores)) == N_WORSE:
            break
    return RankChoice(tried[int(np.argmax(scores))], tuple(tried), np.array(scores))


def _em(
    X: sp.csr_matrix,
    size: np.ndarray,
    start: tuple[np.ndarray, np.ndarray],
    pseudo: np.ndarray,
    n_steps: int,
    gain: float,
) -> PoissonFactors:
    """Update weights and profiles from a start until the objective gains less than `gain`."""
    counts, (W, H), before = _sums(X, 1), start, -np.inf
    offset = float(xlogy(counts, size).sum())
    for step in range(n_steps + 1):
        W_next, H_next, log_rates = em_step(X, size, W, H, pseudo)
        likelihood = offset + log_rates - float(size @ (W @ H.sum(axis=1)))
        value = likelihood + float(xlogy(pseudo, np.maximum(H, TINY)).sum())
        converged = value - before < gain
        if converged or step == n_steps:
            break
        W, H, before = W_next, H_next, value
    return PoissonFactors(_filled(W, size), H, likelihood / float(counts.sum()), converged, step)


def _held_out_log_likelihood(X: sp.csr_matrix, depth: np.ndarray, W: np.ndarray, H: np.ndarray) -> float:
    molecules = float(X.sum(dtype=np.float64))
    if not molecules:
        raise fail("at least one held-out count", "none")
    value = -float(depth @ (W @ H.sum(axis=1)))
    for rows in row_chunks(*X.shape):
        block = X[rows]
        mean = at_stored((depth[rows, None] * W[rows]).astype(np.float32) @ H, block)
        value += float((block.data * np.log(np.maximum(mean, MEAN_FLOOR))).sum(dtype=np.float64))
    return value / molecules


def _checked(X: Any, size: Any) -> tuple[sp.csr_matrix, np.ndarray]:
    X, size = sp.csr_matrix(X, dtype=np.float32), np.asarray(size, np.float64)
    if size.shape != X.shape[:1]:
        raise fail(f"one size for each of {X.shape[0]} rows", f"shape {list(size.shape)}")
    if not (np.isfinite(size) & (size >= 0)).all():
        raise fail("finite sizes, not negative", f"{size[~(size >= 0) | np.isinf(size)][0]:g}")
    odd = (size == 0) & (_sums(X, 1) > 0)
    if odd.any():
        raise fail("sizes above 0 for rows with counts", f"size 0 in row {np.flatnonzero(odd)[0]}")
    return X, size


def _sums(X: sp.csr_matrix, axis: int) -> np.ndarray:
    return np.asarray(X.sum(axis=axis, dtype=np.float64)).ravel()


def _started(X: sp.csr_matrix, size: np.ndarray, portions: np.ndarray) -> np.ndarray:
    """Weights in these portions whose expected counts are each row's."""
    rate = np.divide(_sums(X, 1), size, out=np.zeros(len(size)), where=size > 0)
    return without_tiny(portions * (rate / portions.sum(axis=1))[:, None])


def _filled(W: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Give rows of size 0 the weights of the mean cell."""
    W[size == 0] = size @ W / max(size.sum(), TINY)
    return W
