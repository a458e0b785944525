"""How many domains: the number that two independent halves of the counts agree on."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.metrics import adjusted_rand_score

from .mixture import tied_mixture

MAX_ROWS = 5_000  # the curve needs many fits, and its noise is that of the splits, not of the rows


class Curve(NamedTuple):
    """Scores of each number of domains tried."""

    n_domains: np.ndarray
    """[m]."""
    stability: np.ndarray
    """Agreement (adjusted Rand index) between the domains of two halves of the counts, mean over splits [m]."""
    stability_se: np.ndarray
    """Its standard error over splits [m]."""
    held_out: np.ndarray
    """Log-likelihood per row of one half's features given the other half's domains, less that of one domain [m]."""
    chosen: int


Half = tuple[np.ndarray, np.ndarray]
"""Smoothed features to cluster ``[n, d]``, and the half's features before smoothing ``[n, e]``."""


def choose_number(
    split: Callable[[np.random.Generator], tuple[Half, Half]],
    numbers: Sequence[int],
    *,
    n_splits: int = 3,
    n_starts: int = 3,
    rng: np.random.Generator,
) -> Curve:
    """Try each number of domains on independent halves of the data.

    A half is what half of the molecules would have shown (binomial thinning), so that noise of one is not in the
    other: real structure is found twice, an arbitrary cut is not. See `choose` for the rule.

    Parameters
    ----------
    split
        Draws two halves.
    numbers
        Numbers of domains to try, ascending, from 2.
    n_splits
        Times that the halves are drawn.
    n_starts
        Starts of each mixture.
    rng
        Draws halves, rows and starts.

    Returns
    -------
    The curve and the choice.
    """
    stability, held_out = np.empty((n_splits, len(numbers))), np.empty((n_splits, len(numbers)))
    for s, child in enumerate(rng.spawn(n_splits)):
        (A, raw_a), (B, raw_b) = _same_rows(split(child), child)
        for j, k in enumerate(numbers):
            a = tied_mixture(A, k, n_starts=n_starts, ward=False, rng=child).probability.argmax(axis=1)
            b = tied_mixture(B, k, n_starts=n_starts, ward=False, rng=child).probability.argmax(axis=1)
            stability[s, j] = adjusted_rand_score(a, b)
            held_out[s, j] = (gain(raw_a, raw_b, a) + gain(raw_b, raw_a, b)) / 2
    mean, se = stability.mean(axis=0), stability.std(axis=0, ddof=min(1, n_splits - 1)) / np.sqrt(n_splits)
    likelihood = held_out.mean(axis=0)
    return Curve(np.asarray(numbers), mean, se, likelihood, choose(np.asarray(numbers), mean, likelihood))


def choose(numbers: np.ndarray, stability: np.ndarray, held_out: np.ndarray) -> int:
    r"""Take the number that is found twice and after which a further domain explains little more.

    .. math:: K = \arg\max_k\; s_k \frac{\ell_k - \ell_{k-1}}{(\ell_{k+1} - \ell_k)_+ + 0.02 (\ell_{max} - \ell_{min})}

    with stability s and held-out likelihood l. Both are needed: two halves nearly always agree on the coarsest cut,
    and cutting a gradient finer always pays a little. The ends of the range are not compared with anything, so they
    are taken only when there is nothing else.
    """
    if len(numbers) < 3:
        return int(numbers[int(np.argmax(stability))])
    step = np.diff(held_out)  # [m - 1]; step[i] leads to numbers[i + 1]
    floor = 0.02 * max(float(np.ptp(held_out)), 1e-12)
    elbow = np.maximum(step[:-1], 0) / (np.maximum(step[1:], 0) + floor)
    return int(numbers[1 + int(np.argmax(np.maximum(stability[1:-1], 0) * elbow))])


def gain(train: np.ndarray, test: np.ndarray, labels: np.ndarray) -> float:
    r"""Held-out log-likelihood per row of Gaussian clusters with one covariance, less that of a single Gaussian.

    Means and covariance come from `train`, the likelihood is that of `test`, both ``[n, d]``; `labels` ``[n]`` were
    found without `test`.
    """
    _, labels = np.unique(labels, return_inverse=True)
    means = np.stack([train[labels == c].mean(axis=0) for c in range(labels.max() + 1)])
    return _log_density(train - means[labels], test - means[labels]) - _log_density(
        train - train.mean(axis=0), test - train.mean(axis=0)
    )


def _log_density(train: np.ndarray, test: np.ndarray) -> float:
    C = train.T @ train / len(train)
    C = C + 1e-9 * np.trace(C) / len(C) * np.eye(len(C))
    distance = np.einsum("ij,ij->i", test @ np.linalg.inv(C), test).mean()
    return float(-(np.linalg.slogdet(C)[1] + distance) / 2)


def _same_rows(halves: tuple[Half, Half], rng: np.random.Generator) -> tuple[Half, Half]:
    n = len(halves[0][0])
    if n <= MAX_ROWS:
        return halves
    rows = np.sort(rng.choice(n, MAX_ROWS, replace=False))
    (A, raw_a), (B, raw_b) = halves
    return (A[rows], raw_a[rows]), (B[rows], raw_b[rows])
