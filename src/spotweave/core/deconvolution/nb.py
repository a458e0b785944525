"""Negative binomial regression of spots on signatures of cell types."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .nb_params import NbParams
from .nonnegative import solve
from .perturb import shares_sd
from .platform import dense_rows
from .reference import summarise
from .shared import Shared, blocks, learn
from .signatures import informative, signatures
from .smoothing import smoothed
from .spot_model import quadratic
from .variation import within_types

FREE_STEPS = 6
"""Of reweighting; later ones go half the way, as variances and weights may chase each other in a circle."""
STILL = 5e-3
"""Share of a spot's counts: weights that move less have stopped."""


class Deconvolution(NamedTuple):
    """Composition of spots, and what was learned on the way."""

    weights: np.ndarray
    """Counts of each type in each spot ``[n, t]``; a last column for the unknown where it was asked for."""
    shares: np.ndarray
    """Shares of cells, of the same columns; rows sum to 1."""
    sd: np.ndarray | None
    """Standard deviations of the shares."""
    background: np.ndarray
    """Share of diffuse counts in each spot ``[n]``."""
    information: np.ndarray
    """Mean information about shares of counts in a spot ``[t, t]``."""
    log_platform: np.ndarray
    """Log factor of each gene ``[g]``; 0 for those not used."""
    platform_sd: float
    """Standard deviation of these over genes."""
    used: np.ndarray
    """Genes that were used."""
    converged: bool
    """Whether the weights of at least 95 % of the spots had stopped moving, to half a percent of the spot's counts."""


def nb(
    X: sp.csr_matrix,
    R: sp.csr_matrix,
    labels: np.ndarray,
    n_types: int,
    *,
    graph: sp.csr_matrix | None = None,
    smoothness: float = 0.0,
    unknown: bool = False,
    params: NbParams | None = None,
    rng: np.random.Generator,
) -> Deconvolution:
    r"""Find how many counts of each spot come from each type.

    .. math:: x_{ig} \sim NB(\mu_{ig}, \phi_g), \quad
       \mu_{ig} = \delta_g \Big( \sum_t w_{it} s_{tg} + w_{ib} / G + w_{iu} u_g \Big)

    with signatures s (`signatures`), factors of the platform :math:`\delta` (`platform`), diffuse background, an
    optional profile u that the reference lacks (`leftover`), and variation within types (`spot_model.quadratic`). All
    weights are at least 0: that is what makes them sparse. They maximise the quasi-likelihood by reweighted least
    squares, spot by spot; what spots share is learned from up to 5,000 of them, in turn with their weights.

    Parameters
    ----------
    X
        Counts of spots ``[n, g]``.
    R
        Counts of reference cells ``[m, g]``, the same genes.
    labels
        Type of each cell ``[m]``, 0 to `n_types` - 1; each occurs.
    n_types
        Number of types t.
    graph
        Neighbouring spots ``[n, n]``, for `smoothness`.
    smoothness
        How much neighbours count beside a spot's own counts; 0: not at all.
    unknown
        Learn a profile for what the reference lacks.
    params
        Settings; the defaults when None.
    rng
        Chooses spots and cells to learn from, and perturbs.

    Returns
    -------
    Weights, shares and what was learned.
    """
    params = params or NbParams()
    reference, n = summarise(R, labels, n_types), X.shape[0]
    S = signatures(reference)
    size = np.asarray(X.sum(axis=1), np.float64).ravel()
    most = params.n_genes or X.shape[1]
    used = informative(S, reference.dispersion, float(np.median(size[size > 0])), most)
    X, R, S = X[:, used].tocsr(), R[:, used], S[:, used]
    reference = reference._replace(dispersion=reference.dispersion[used])
    size = np.asarray(X.sum(axis=1), np.float64).ravel()
    shared = learn(X, size, S, reference, within_types(R, labels, S, reference, params.n_directions, rng),
                    unknown=unknown, params=params, rng=rng)  # fmt: skip
    cells = _cell_size(reference.size, params.size_exponent, unknown=unknown)
    W, sd, H, steady = _fit_all(
        X, size, shared, cells=cells, graph=graph, smoothness=smoothness, params=params, rng=rng
    )
    own = _own(shared.n_types, W.shape[1], background=params.background)
    weights = W[:, own]
    log_platform = np.zeros(len(reference.counts[0]))
    log_platform[used] = shared.log_platform
    total = np.maximum(W.sum(axis=1), 1e-12)
    background = W[:, n_types] / total if params.background else np.zeros(n)
    return Deconvolution(
        weights, to_shares(weights / cells), sd, background, H[np.ix_(own, own)][:n_types, :n_types],
        log_platform, shared.platform_sd, used, steady,
    )  # fmt: skip


def to_shares(A: np.ndarray) -> np.ndarray:
    """Divide rows by their sums; a row of zeros gets the mean of the others."""
    total = A.sum(axis=1, keepdims=True)
    shares = np.divide(A, total, out=np.zeros_like(A), where=total > 0)
    empty = total[:, 0] <= 0
    if empty.any():
        shares[empty] = shares[~empty].mean(axis=0) if not empty.all() else 1 / A.shape[1]
    return shares


def _cell_size(size: np.ndarray, exponent: float, *, unknown: bool) -> np.ndarray:
    """Amount that a cell of each type counts for; the unknown is as the mean type."""
    cells = np.maximum(size, 1e-12) ** exponent
    cells /= np.exp(np.log(cells).mean())
    return np.append(cells, 1.0) if unknown else cells


def _own(n_types: int, k: int, *, background: bool) -> np.ndarray:
    """Columns of the weights that are types, or the unknown; background lies between."""
    return np.delete(np.arange(k), n_types) if background else np.arange(k)


def _fit_all(
    X: sp.csr_matrix,
    size: np.ndarray,
    shared: Shared,
    *,
    cells: np.ndarray,
    graph: sp.csr_matrix | None,
    smoothness: float,
    params: NbParams,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, bool]:
    """Weights of all spots, standard deviations, mean information, and whether the weights stood still."""
    model, n, k = shared.model, X.shape[0], len(shared.model.S)
    own = _own(shared.n_types, k, background=params.background)
    W, steady = np.empty((n, k)), []
    kept = (np.empty((n, k, k), np.float32), np.empty((n, k), np.float32)) if smoothness > 0 else None
    sd = np.empty((n, len(own)), np.float32) if params.n_draws else None
    total = np.zeros((k, k))
    for rows in blocks(*X.shape):
        x, w = dense_rows(X, rows), np.tile(size[rows, None] / k, (1, k))
        for step in range(params.n_final):
            at = quadratic(model, x, w, size[rows])
            before, w = w, solve(at.H, at.b, w)
            if step >= FREE_STEPS:
                w = (w + before) / 2
            still = np.abs(w - before).max(axis=1) <= STILL * np.maximum(size[rows], 1.0)
            if still.all():
                break
        W[rows] = w
        steady.append(still.mean())
        total += (at.H * size[rows, None, None] ** 2).sum(axis=0)
        if sd is not None:
            sd[rows] = shares_sd(at.H, at.b, w, own=own, cells=cells, n_draws=params.n_draws, rng=rng)
        if kept is not None:
            kept[0][rows], kept[1][rows] = at.H, at.b
    if kept is not None and graph is not None:
        W = smoothed(*kept, W, size, graph, smoothness)
    return W, sd, total / n, bool(np.mean(steady) >= 0.95)
