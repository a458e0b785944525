"""How well a gene that nobody measured can be expected to be predicted: learned from those that were."""

from itertools import combinations
from typing import NamedTuple

import numpy as np

from .combine import N_DEPTH, Weights

RIDGES = 10.0 ** np.arange(-2, 4)


class Quality(NamedTuple):
    """Linear model of a score on features of genes."""

    centre: np.ndarray
    scale: np.ndarray
    slopes: np.ndarray
    intercept: float
    correlation: float
    """Of scores with what the model says of each panel gene without having seen it; 0: the features say nothing."""

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Expected scores of genes ``[t]`` with these `gene_features` ``[t, f]``."""
        return self.intercept + (features - self.centre) / self.scale @ self.slopes


def gene_features(C: np.ndarray, weights: Weights, share: np.ndarray) -> np.ndarray:
    """What is known of a gene without its counts in the target.

    Parameters
    ----------
    C
        Covariates of its prediction ``[c, r, b]``.
    weights
        Of the covariates.
    share
        Of each gene in the counts of the reference ``[b]``.

    Returns
    -------
    ``[b, 3]``: logarithm of the strength of the predicted pattern, mean correlation between routes, logarithm of the
    share.
    """
    patterned = (
        np.tensordot(weights.all[:-N_DEPTH], C[:-N_DEPTH], axes=1) if len(C) > N_DEPTH else np.zeros(C.shape[1:])
    )
    strength = np.log(np.asarray(patterned, np.float64).std(axis=0) + 0.01)
    routes = [_unit(f) for f in C[: len(weights.routes)]]
    agreement = [(a * b).sum(axis=0) for a, b in combinations(routes, 2)]
    together = np.mean(agreement, axis=0) if agreement else np.zeros(C.shape[2])
    return np.column_stack([strength, together, np.log(share + 1e-9)])


def fit_quality(features: np.ndarray, scores: np.ndarray) -> Quality:
    """Ridge regression of scores ``[p]`` on features ``[p, f]``, its penalty chosen by leaving out one gene at a time.

    Where leaving out one gene shows that the features say nothing, the mean score is expected of every gene.
    """
    known = np.isfinite(scores)
    features, scores = features[known], scores[known]
    centre, scale = features.mean(axis=0), features.std(axis=0)
    scale = np.where(scale > 1e-9, scale, 1.0)
    A, y = (features - centre) / scale, scores - scores.mean()
    flat = Quality(centre, scale, np.zeros(A.shape[1]), float(scores.mean()), 0.0)
    if len(y) < 2 * (A.shape[1] + 1) or y.std() < 1e-9:
        return flat
    fits = [_leave_one_out(A, y, ridge) for ridge in RIDGES]
    slopes, left_out = min(fits, key=lambda fit: ((y - fit[1]) ** 2).sum())
    correlation = float(np.corrcoef(y, left_out)[0, 1])
    no_better = ((y - left_out) ** 2).sum() >= ((y * len(y) / (len(y) - 1)) ** 2).sum()  # than the others' mean
    if no_better or not correlation > 0:  # the others' mean itself is high where the gene left out is low: below 0
        return flat
    return flat._replace(slopes=slopes, correlation=correlation)


def _leave_one_out(A: np.ndarray, y: np.ndarray, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Slopes, and the prediction of each gene by a fit without it, by the diagonal of the hat matrix."""
    inverse = np.linalg.inv(A.T @ A + ridge * np.eye(A.shape[1]))
    slopes = inverse @ A.T @ y
    leverage = np.minimum(((A @ inverse) * A).sum(axis=1) + 1 / len(y), 1 - 1e-9)
    return slopes, y - (y - A @ slopes) / (1 - leverage)


def _unit(values: np.ndarray) -> np.ndarray:
    """Columns centred, of length 1; 0 where they do not vary."""
    centred = np.asarray(values, np.float64) - values.mean(axis=0)
    length = np.linalg.norm(centred, axis=0)
    return np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-9)
