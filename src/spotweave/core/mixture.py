"""Gaussian mixtures with one covariance for all components (the EEE model of mclust), from several starts."""

import warnings
from typing import NamedTuple

import numpy as np
from sklearn.cluster import AgglomerativeClustering, KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from .._check import check_range, fail

MAX_ROWS = 20_000  # rows that a mixture is fitted to; more change the optimum less than another start does
WARD_ROWS = 2_000  # rows of the hierarchical start, whose cost grows with the square


class Mixture(NamedTuple):
    """A fitted mixture, best of its starts."""

    probability: np.ndarray
    """Posterior of each row [n, k]."""
    log_likelihood: float
    """Mean over the fitted rows."""
    converged: bool
    model: GaussianMixture


def tied_mixture(
    H: np.ndarray, n_components: int, *, n_starts: int = 10, ward: bool = True, rng: np.random.Generator
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
        Number of k-means starts.
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
    rows = H if len(H) <= MAX_ROWS else H[np.sort(rng.choice(len(H), MAX_ROWS, replace=False))]
    seeds = rng.integers(2**31, size=max(n_starts, 0 if ward else 1))
    fits = [_fit(rows, _kmeans_labels(rows, n_components, int(seed)), n_components) for seed in seeds]
    if ward or not fits:
        fits.append(_fit(rows, _ward_labels(rows, n_components, rng), n_components))
    best = max(fits, key=lambda fit: fit.lower_bound_)
    return Mixture(best.predict_proba(H), float(best.score(rows)), bool(best.converged_), best)


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


def _fit(H: np.ndarray, labels: np.ndarray, k: int) -> GaussianMixture:
    """EM from hard labels: scikit-learn's own M step on them, then its iterations."""
    labels = _without_gaps(labels, k)
    ridge = 1e-6 * max(float(H.var(axis=0).mean()), 1e-12)
    means = np.stack([H[labels == c].mean(axis=0) for c in range(k)])
    within = H - means[labels]
    cov = within.T @ within / len(H) + ridge * np.eye(H.shape[1])
    mixture = GaussianMixture(
        k,
        covariance_type="tied",
        weights_init=np.bincount(labels, minlength=k) / len(H),
        means_init=means,
        precisions_init=np.linalg.inv(cov),
        reg_covar=ridge,
        max_iter=200,
        tol=1e-4,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # reported through `converged`
        return mixture.fit(H)
