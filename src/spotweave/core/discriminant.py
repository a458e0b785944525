"""Sharpen a clustering along the directions that tell its clusters apart."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular

from .mixture import TiedGaussians, em


class Discriminant(NamedTuple):
    """A mixture on discriminant coordinates, and how to reach them."""

    weights: np.ndarray
    """[p, k - 1]; apply to the features less `origin`."""
    origin: np.ndarray
    """Mean of the features [p]."""
    mixture: TiedGaussians
    converged: bool
    """Labels stopped changing."""

    def predict(self, H: np.ndarray) -> np.ndarray:
        """Posterior ``[n, k]`` of features ``[n, p]``."""
        return self.mixture.predict((H - self.origin) @ self.weights)


def sharpen(
    H: np.ndarray, probability: np.ndarray, *, n_rounds: int = 20, shrinkage: float = 0.1, tolerance: float = 1e-3
) -> Discriminant:
    r"""Alternate discriminant analysis and a mixture in the discriminant coordinates.

    A round finds the k - 1 directions that separate the clusters best relative to the scatter within them (Fisher),
    runs EM of a mixture with one covariance there, and starts again from its posteriors. A mixture on many features
    spreads its effort over directions in which nothing is clustered; this one looks only where its clusters differ,
    and finds weak markers of a thin layer that the leading components miss (LDA-k-means: Ding and Li 2007, ICML).

    Parameters
    ----------
    H
        Features ``[n, p]``, p well below n.
    probability
        Soft assignment to start from ``[n, k]``.
    n_rounds
        Most rounds.
    shrinkage
        Weight of the diagonal in the scatter within clusters, which keeps it well conditioned.
    tolerance
        Converged when at most this share of labels changes in a round.

    Returns
    -------
    Directions and mixture; ``predict(H)`` gives the posteriors.
    """
    origin = H.mean(axis=0)
    X = np.asarray(H - origin, np.float64)
    total = X.T @ X / len(X)
    R, labels, converged = np.asarray(probability, np.float64), probability.argmax(axis=1), False
    for _ in range(n_rounds):
        weights = _directions(X, total, R, shrinkage)
        fit = em(X @ weights, R, n_steps=30)
        R = fit.probability
        before, labels = labels, R.argmax(axis=1)
        if (before != labels).mean() <= tolerance:
            converged = True
            break
    return Discriminant(weights, origin, fit.model, converged)


def _directions(X: np.ndarray, total: np.ndarray, R: np.ndarray, shrinkage: float) -> np.ndarray:
    """Fisher's directions [p, k - 1] for soft clusters."""
    n, k = R.shape
    share = R.sum(axis=0) / n + 1e-9
    means = (R.T @ X) / (n * share[:, None])  # X is centred, so these are differences from the mean
    within = total - (means.T * share) @ means
    within = (1 - shrinkage) * within + shrinkage * np.diag(np.diag(within))
    within[np.diag_indices_from(within)] += 1e-9 * max(np.trace(total) / len(total), 1e-12)
    whiten = solve_triangular(np.linalg.cholesky(within), np.eye(len(within)), lower=True).T
    _, _, axes = np.linalg.svd((means @ whiten) * np.sqrt(share)[:, None], full_matrices=False)
    return whiten @ axes[: k - 1].T
