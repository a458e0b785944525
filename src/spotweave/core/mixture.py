"""Gaussian mixtures with one covariance for all components (the EEE model of mclust), from several starts."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy.linalg import solve_triangular
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.exceptions import ConvergenceWarning

from .._check import check_range, fail

MAX_ROWS = 20_000  # rows that a mixture is fitted to; more change the optimum less than another start does
N_LONG = 3  # starts that are run to the end, the likeliest after ten steps (emEM: Biernacki et al. 2003, CSDA 41:561)
WARD_ROWS = 2_000  # rows of the hierarchical start, whose cost grows with the square


class TiedGaussians(NamedTuple):
    r"""Parameters of :math:`\sum_k \pi_k N(\mu_k, \Sigma)`, in coordinates where the covariance is the identity."""

    whiten: np.ndarray
    """Features times this have covariance one within components [d, d]."""
    means: np.ndarray
    """Whitened means [k, d]."""
    log_weights: np.ndarray
    """[k]."""

    def predict(self, H: np.ndarray) -> np.ndarray:
        """Posterior ``[n, k]`` of features ``[n, d]``."""
        return _posterior(_scores(H @ self.whiten, self))[0]


class Mixture(NamedTuple):
    """A fitted mixture, best of its starts."""

    probability: np.ndarray
    """Posterior of each row [n, k]."""
    log_likelihood: float
    """Mean over the fitted rows."""
    converged: bool
    model: TiedGaussians


def tied_mixture(
    H: np.ndarray, n_components: int, *, n_starts: int | None = None, ward: bool = True, rng: np.random.Generator
) -> Mixture:
    r"""Fit :math:`\sum_k \pi_k N(\mu_k, \Sigma)` by EM from several starts and keep the likeliest.

    Starts are k-means runs and, as in mclust, one hierarchical clustering (Ward). Random rows as a start end in a
    degenerate optimum of this model and are not offered. Above `MAX_ROWS` rows the fit uses a random part.

    Parameters
    ----------
    H
        Features ``[n, d]``.
    n_components
        Number of components k, at most n.
    n_starts
        Number of k-means starts; None: 3 for each component, at least 10, and more up to 50 below 2,000 rows, where
        they are cheap and the likelihood has more maxima of like height.
    ward
        Add the hierarchical start.
    rng
        Draws the rows and the seeds of the starts.

    Returns
    -------
    Posteriors of all n rows and the likelihood of the fit.

    References
    ----------
    Scrucca et al. 2016, R Journal 8:289 (mclust 5).
    """
    check_range(n_components, "n_components", low=1, high=len(H), integer=True, why="the number of rows")
    if len(H) < 2:
        raise fail("at least two rows of features", "one")
    if not np.isfinite(H).all():
        raise fail("finite features", "NaN or infinity")
    H = np.asarray(H, np.float64)
    n_starts = min(max(20_000 // len(H), 3 * n_components, 10), 50) if n_starts is None else n_starts
    rows = H if len(H) <= MAX_ROWS else H[np.sort(rng.choice(len(H), MAX_ROWS, replace=False))]
    seeds = rng.integers(2**31, size=max(n_starts, 0 if ward else 1))
    starts = [_kmeans_labels(rows, n_components, int(seed)) for seed in seeds]
    if ward or not starts:
        starts.append(_ward_labels(rows, n_components, rng))
    short = [em(rows, np.eye(n_components)[_without_gaps(labels, n_components)], n_steps=10) for labels in starts]
    short.sort(key=lambda fit: -fit.log_likelihood)
    best = max((em(rows, fit.probability) for fit in short[:N_LONG]), key=lambda fit: fit.log_likelihood)
    return best if len(rows) == len(H) else best._replace(probability=best.model.predict(H))


def em(H: np.ndarray, probability: np.ndarray, *, n_steps: int = 200, tolerance: float = 1e-4) -> Mixture:
    """Run EM of a mixture with one covariance from a soft assignment.

    With one covariance all squares of the features cancel between components, and the covariance is the total one
    less the one between the means: a step costs O(n d k + n d^2), a few times less than a general mixture's.

    Parameters
    ----------
    H
        Features ``[n, d]``, float64.
    probability
        Soft assignment to start from ``[n, k]``.
    n_steps
        Most steps.
    tolerance
        Converged when the mean log-likelihood of a row gains less.

    Returns
    -------
    Posteriors and likelihood of the same parameters.
    """
    n, d = H.shape
    origin = H.mean(axis=0)
    X = H - origin  # against cancellation where the mean is far from zero
    total = X.T @ X / n
    R, before, converged = probability, -np.inf, False
    for _ in range(n_steps):
        model, log_det = _maximise(X, total, R)
        Y = X @ model.whiten
        R, evidence = _posterior(_scores(Y, model))
        constant = log_det - d / 2 * np.log(2 * np.pi)
        likelihood = float((evidence - (Y**2).sum(axis=1) / 2).mean() + constant)
        if likelihood - before < tolerance:
            converged = True
            break
        before = likelihood
    shifted = model._replace(means=model.means + origin @ model.whiten)
    return Mixture(R, likelihood, converged, shifted)


def _maximise(X: np.ndarray, total: np.ndarray, R: np.ndarray) -> tuple[TiedGaussians, float]:
    """Parameters given soft assignments of centred features, and half the log determinant of the precision."""
    n, k = R.shape
    count = R.sum(axis=0) + 1e-9
    means = (R.T @ X) / count[:, None]
    covariance = total - (means.T * count) @ means / n
    covariance[np.diag_indices_from(covariance)] += 1e-6 * max(np.trace(total) / max(len(total), 1), 1e-12)
    lower = np.linalg.cholesky(covariance)
    whiten = solve_triangular(lower, np.eye(len(lower)), lower=True).T
    model = TiedGaussians(whiten, means @ whiten, np.log(count / count.sum()))
    return model, -float(np.log(np.diag(lower)).sum())


def _scores(Y: np.ndarray, model: TiedGaussians) -> np.ndarray:
    """Log density of each component less the term that all share [n, k]."""
    return Y @ model.means.T - (model.means**2).sum(axis=1) / 2 + model.log_weights


def _posterior(scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Softmax over components, and its log normaliser [n]."""
    top = scores.max(axis=1, keepdims=True)
    e = np.exp(scores - top)
    total = e.sum(axis=1, keepdims=True)
    return e / total, (top + np.log(total)).ravel()


def _kmeans_labels(H: np.ndarray, k: int, seed: int) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct rows than clusters: see `_without_gaps`
        return KMeans(k, n_init=1, random_state=seed).fit_predict(H)


def _ward_labels(H: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    if len(H) <= WARD_ROWS:
        return AgglomerativeClustering(k).fit_predict(H)
    rows = np.sort(rng.choice(len(H), WARD_ROWS, replace=False))
    labels = AgglomerativeClustering(k).fit_predict(H[rows])
    centres = np.stack([H[rows][labels == c].mean(axis=0) for c in range(k)])
    return ((centres**2).sum(axis=1) - 2 * H @ centres.T).argmin(axis=1)


def _without_gaps(labels: np.ndarray, k: int) -> np.ndarray:
    """Give each label that no row has a row of the commonest one: k-means finds no more clusters than distinct rows."""
    labels = labels.copy()
    for empty in np.setdiff1d(np.arange(k), labels):
        commonest = np.bincount(labels).argmax()
        labels[np.flatnonzero(labels == commonest)[-1]] = empty
    return labels
