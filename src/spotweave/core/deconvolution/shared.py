"""What is learned from some spots and used in all: platform factors, spread along directions, the unknown profile."""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from . import leftover, platform
from .nb_params import NbParams
from .nonnegative import solve
from .platform import dense_rows
from .reference import Reference
from .spot_model import SpotModel, means, quadratic, spot_model

BLOCK_ENTRIES = 4_000_000
"""Of dense matrices of a block of spots: counts, means, variances and their like, some 16 MB each."""
LEARNING_SPOTS = 5_000
"""That what all spots share is learned from."""
LEAST_SPREAD = 1e-6


class Shared(NamedTuple):
    """What is learned from some spots and used in all."""

    model: SpotModel
    n_types: int
    log_platform: np.ndarray
    platform_sd: float


def learn(
    X: sp.csr_matrix,
    size: np.ndarray,
    S: np.ndarray,
    reference: Reference,
    V: np.ndarray,
    *,
    unknown: bool,
    params: NbParams,
    rng: np.random.Generator,
) -> Shared:
    """Learn platform factors, spread along directions and the unknown profile, in turn with the weights of some spots."""
    n, g = X.shape
    rows = np.flatnonzero(size > 0)
    if len(rows) > LEARNING_SPOTS:
        rows = np.sort(rng.choice(rows, LEARNING_SPOTS, replace=False))
    X, size, n_types = X[rows], size[rows], len(S)
    if params.background:
        S = np.vstack([S, np.full(g, 1 / g)])
    W = np.tile(size[:, None] / len(S), (1, len(S)))
    log_factor, sd, spread, U = np.zeros(g), 0.0, np.ones(len(V)), None
    for last in [False] * (params.n_rounds - 1) + [True]:
        profiles = S * np.exp(log_factor)
        if U is not None:
            profiles = np.vstack([profiles, U])
        model = spot_model(profiles, reference.dispersion, V, spread)
        W, spread, sums = _round(model, X, size, W, params.n_steps)
        if last:
            break
        if unknown:
            U, W = _unknown(U, model, X, size, W, rng)
        if params.platform:
            log_factor, sd = platform.update(log_factor, sums)
    return Shared(replace(model, spread=spread), n_types, log_factor, sd)


def _round(
    model: SpotModel, X: sp.csr_matrix, size: np.ndarray, W: np.ndarray, n_steps: int
) -> tuple[np.ndarray, np.ndarray, platform.GeneSums]:
    """Reweighted steps of all spots, the spread along directions and sums by gene after them."""
    W, along, sums = W.copy(), np.zeros(len(model.V)), platform.GeneSums(X.shape[1])
    for rows in blocks(*X.shape):
        x = dense_rows(X, rows)
        for _ in range(n_steps):
            at = quadratic(model, x, W[rows], size[rows])
            W[rows] = solve(at.H, at.b, W[rows])
        along += at.along * len(x)
        sums.add(model, x, W[rows], size[rows])
    return W, np.maximum(along / len(W), LEAST_SPREAD), sums


def _unknown(
    U: np.ndarray | None, model: SpotModel, X: sp.csr_matrix, size: np.ndarray, W: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Start the unknown profile, or make a step; weights get a column when it starts."""
    x = dense_rows(X, slice(None))
    mu = means(model, W, size)
    if U is None:
        return leftover.first_guess(x, mu, model.dispersion, rng), np.hstack([W, 0.05 * size[:, None]])
    for _ in range(4):
        model.S[-1] = U
        U = leftover.update(U, x, means(model, W, size), model.dispersion, W[:, -1])
    return U, W


def blocks(n: int, g: int) -> Iterator[slice]:
    """Slices over n spots of g genes, of `BLOCK_ENTRIES` each, and of 4,096 spots at most."""
    step = min(max(BLOCK_ENTRIES // g, 16), 4_096)
    return (slice(start, min(start + step, n)) for start in range(0, n, step))
