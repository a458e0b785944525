"""The model of a spot's counts, and what they say of its weights at the present estimate."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

LEAST_SHARE = 1e-6
"""Of a spot's counts, expected of any gene: variances are never 0."""


@dataclass(frozen=True)
class SpotModel:
    """What all spots share."""

    S: np.ndarray
    """Profiles ``[k, g]``, float32: of the types, of diffuse background, and of what the reference lacks."""
    dispersion: np.ndarray
    """Variance beyond Poisson in squared means ``[g]``, float32."""
    V: np.ndarray
    """Orthonormal directions in which cells of one type differ ``[q, g]``, in standardised counts, float32."""
    spread: np.ndarray
    """Variance of spots along each of them ``[q]``."""
    pairs: np.ndarray
    """Products of two profiles ``[g, k (k + 1) / 2]``, float32."""
    crossed: np.ndarray
    """Products of a profile and a direction ``[g, k q]``, float32."""


class Quadratic(NamedTuple):
    """Log-likelihood of weights around the present ones, up to a constant: w b - w H w / 2."""

    H: np.ndarray
    """Information ``[n, k, k]``, float64."""
    b: np.ndarray
    """``[n, k]``, float64."""
    along: np.ndarray
    """Mean square of the spots' scores along each direction of the model ``[q]``."""


def spot_model(S: np.ndarray, dispersion: np.ndarray, V: np.ndarray, spread: np.ndarray) -> SpotModel:
    """Put a model together; see `SpotModel`."""
    i, j = np.triu_indices(len(S))
    S, V = S.astype(np.float32), V.astype(np.float32)
    pairs = np.ascontiguousarray((S[i] * S[j]).T)
    crossed = (S[:, None, :] * V[None]).reshape(len(S) * len(V), S.shape[1])
    return SpotModel(S, dispersion.astype(np.float32), V, spread, pairs, np.ascontiguousarray(crossed.T))


def means(model: SpotModel, W: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Expected counts ``[n, g]``, float32, of weights ``[n, k]`` in spots of `size` counts ``[n]``."""
    return np.maximum(W.astype(np.float32) @ model.S, (LEAST_SHARE * size[:, None]).astype(np.float32))


def quadratic(model: SpotModel, X: np.ndarray, W: np.ndarray, size: np.ndarray) -> Quadratic:
    r"""Quasi-likelihood of the weights, with variances at the present means.

    Counts have mean :math:`\mu = w S` and variance :math:`v = \mu + \phi \mu^2`; besides, standardised counts
    :math:`x / \sqrt v` of a spot move along directions V, in which cells of one type differ, by normal amounts of
    variance :math:`\tau^2`. Integrated over these,

    .. math:: H = A - C B^{-1} C^T, \; A = S v^{-1} S^T, \; C = S v^{-1/2} V^T, \; B = V V^T + \tau^{-2}, \;
       b = S v^{-1} x - C B^{-1} V v^{-1/2} x

    Parameters
    ----------
    model
        Profiles, dispersions, directions.
    X
        Counts ``[n, g]``, float32, dense.
    W
        Present weights ``[n, k]``.
    size
        Counts of each spot ``[n]``.

    Returns
    -------
    Information and the linear term; the maximum over weights is where H w = b.
    """
    n, k, q = len(X), len(model.S), len(model.V)
    mu = means(model, W, size)
    v = mu * (1 + model.dispersion * mu)
    v[size <= 0] = np.inf  # a spot without counts says nothing
    i, j = np.triu_indices(k)
    H = np.empty((n, k, k))
    H[:, i, j] = H[:, j, i] = (1 / v) @ model.pairs
    b = ((X / v) @ model.S.T).astype(np.float64)
    if not q:
        return Quadratic(H, b, np.zeros(0))
    sd = np.sqrt(v)
    C = ((1 / sd) @ model.crossed).astype(np.float64).reshape(n, k, q)
    inverse = np.linalg.inv(np.eye(q) + np.diag(1 / model.spread))
    along = ((X / sd) @ model.V.T).astype(np.float64)  # [n, q]
    CB = C @ inverse
    score = (along - np.einsum("nkq,nk->nq", C, W)) @ inverse
    return Quadratic(
        H - CB @ np.swapaxes(C, 1, 2),
        b - np.einsum("nkq,nq->nk", CB, along),
        (score**2).mean(axis=0) + np.diag(inverse),
    )
