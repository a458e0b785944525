"""Poisson regressions of many genes on the same features, all genes of a block at once."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._check import check_range, fail

EMPTY = float(np.log(1e-30))
"""Intercept of a gene without counts: finite, and nothing is expected of it."""
COLLINEAR = 1e-6  # variance, as a part of the largest, of directions that float32 cannot tell from none
N_HALVINGS = 12
MAX_CHANGE = 10.0  # of any log rate in one step: where the curvature vanishes, Newton's step is endless


class LogLinear(NamedTuple):
    """Fit of ``X ~ Poisson(size exp(intercept + H loadings))``."""

    intercept: np.ndarray
    """[g], float64."""
    loadings: np.ndarray
    """[p, g], float32."""
    converged: np.ndarray
    """[g], bool."""


def poisson_regressions(
    X: Any,
    size: np.ndarray,
    H: np.ndarray,
    *,
    penalty: float,
    n_steps: int = 25,
    tolerance: float = 1e-4,
    block: int = 256,
) -> LogLinear:
    r"""Fit for each gene :math:`x_i \sim \mathrm{Poisson}(s_i \exp(b + h_i^\top w))` with a ridge on w.

    It maximises :math:`\sum_i (x_i \eta_i - s_i e^{\eta_i}) - \frac{\lambda}{2} \|w\|^2` with
    :math:`\eta_i = b + h_i^\top w`. For given w the best intercept is
    :math:`b = \log(t / \sum_i s_i \exp(h_i^\top w))`, with t the gene's counts; put in, there remains a concave
    function of w alone. It is climbed by conjugate gradients (Polak-Ribiere) in the principal axes of the features,
    where :math:`t C + \lambda I`, with C their covariance under weights s, is diagonal for every gene and stands for
    the curvature. The length of a step is Newton's along it, halved while the objective falls.

    Parameters
    ----------
    X
        Counts ``[n, g]``, CSR, CSC or dense.
    size
        Offset :math:`s_i` ``[n]``. Rows of size 0 are ignored.
    H
        Features ``[n, p]``; products are float32 unless they are float64.
    penalty
        :math:`\lambda`, not negative, in counts: it equals the counts of a gene whose loading of a feature of
        variance 1 is halved. At 0, a gene found in few cells may have no optimum; it is then not converged.
    n_steps
        Most steps.
    tolerance
        Converged when the next step is expected to raise the log-likelihood by less.
    block
        Genes at a time; about six dense ``[n, block]`` are held.

    Returns
    -------
    Intercepts and loadings for H as given. A gene without counts has intercept log(1e-30) and loadings 0.
    """
    X, s, H = _checked(X, size, H)
    check_range(penalty, "penalty", low=0, high=np.finfo(np.float64).max)
    centre = s @ H / s.sum()
    Z = H - centre.astype(H.dtype)
    variance, axes = np.linalg.eigh(((Z * (s[:, None] / s.sum()).astype(H.dtype)).T @ Z).astype(np.float64))
    variance = np.maximum(variance, 0.0)
    Z = Z @ axes.astype(H.dtype)  # [n, p]; a rotation leaves the ridge as it is
    kept = variance > COLLINEAR * variance.max(initial=0.0)
    total = np.asarray(X.sum(axis=0), np.float64).ravel()
    fit = LogLinear(np.full(len(total), EMPTY), np.zeros((Z.shape[1], len(total)), np.float32), total == 0)
    genes = np.argsort(-total, kind="stable")[: int((total > 0).sum())]  # genes of like counts need like many steps
    for some in (genes[start : start + block] for start in range(0, len(genes), block)):
        t = total[some]
        inverse = kept[:, None] / (t * variance[:, None] + penalty + ~kept[:, None])
        problem = _Problem(Z, s, np.asarray(X[:, some].T @ Z, np.float64).T, t, penalty, inverse)
        V, log_sum, fit.converged[some] = _climb(problem, n_steps, tolerance)
        w = axes @ V
        fit.loadings[:, some] = w
        fit.intercept[some] = np.log(t) - log_sum - centre @ w
    return fit


class _Problem(NamedTuple):
    """Regressions of a block of genes on rotated features."""

    Z: np.ndarray
    """[n, p]."""
    size: np.ndarray
    """[n]."""
    Y: np.ndarray
    """Sums over cells of feature times count [p, b]."""
    total: np.ndarray
    """[b]."""
    penalty: float
    inverse: np.ndarray
    """One over the curvature of each axis [p, b]."""


class _Point(NamedTuple):
    """Where the climb is."""

    eta: np.ndarray
    """Log rate but for the intercept [n, b]."""
    share: np.ndarray
    """Share of each cell in the gene's expected counts [n, b]."""
    log_sum: np.ndarray
    """Log of the sum of size times exp(eta) [b]."""


def _climb(q: _Problem, n_steps: int, tolerance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Coefficients ``[p, b]``, log sums of the rates ``[b]``, and whether each gene converged."""
    V = np.zeros_like(q.Y)
    at = _point(np.zeros((len(q.size), V.shape[1]), q.Z.dtype), q.size)
    D = before = before_scaled = V
    for step in range(n_steps + 1):
        G = q.Y - q.total * (q.Z.T @ at.share) - q.penalty * V
        scaled = q.inverse * G
        done = (G * scaled).sum(axis=0) / 2 < tolerance
        if done.all() or step == n_steps:
            break
        norm = (before * before_scaled).sum(axis=0)
        turn = np.divide((scaled * (G - before)).sum(axis=0), norm, out=np.zeros(len(norm)), where=norm > 0)
        D = scaled + np.maximum(turn, 0.0) * D
        D = np.where((G * D).sum(axis=0) > 0, D, scaled)
        before, before_scaled = G, scaled
        length, at = _line_search(q, V, at, D, np.where(done, 0.0, (G * D).sum(axis=0)))
        V = V + length * D
    return V, at.log_sum, done


def _line_search(q: _Problem, V: np.ndarray, at: _Point, D: np.ndarray, slope: np.ndarray) -> tuple[np.ndarray, _Point]:
    """Go along D by Newton's step, halved for a gene while its objective falls; slope 0 stays."""
    move = q.Z @ D.astype(q.Z.dtype)  # [n, b]
    mean, square = np.einsum("ib,ib->b", at.share, move), np.einsum("ib,ib,ib->b", at.share, move, move)
    bend = q.total * np.maximum(square - mean**2, 0.0) + q.penalty * (D**2).sum(axis=0)
    furthest = MAX_CHANGE / np.maximum(np.abs(move).max(axis=0), 1e-30)
    length = np.minimum(np.divide(slope, bend, out=np.where(slope > 0, np.inf, 0.0), where=bend > 0), furthest)
    slack = 10 * np.finfo(move.dtype).eps * q.total  # below it a fall is rounding
    to = _point(at.eta + length.astype(move.dtype) * move, q.size)
    for trial in range(N_HALVINGS):
        ridge = q.penalty * ((V * D).sum(axis=0) * length + (D**2).sum(axis=0) * length**2 / 2)
        gain = length * (q.Y * D).sum(axis=0) - q.total * (to.log_sum - at.log_sum) - ridge
        fell = np.flatnonzero(gain < -slack)
        if not len(fell):
            break
        length[fell] *= 0.5 if trial < N_HALVINGS - 1 else 0.0
        part = _point(at.eta[:, fell] + length[fell].astype(move.dtype) * move[:, fell], q.size)
        to.eta[:, fell], to.share[:, fell], to.log_sum[fell] = part
    return length, to


def _point(eta: np.ndarray, size: np.ndarray) -> _Point:
    top = eta.max(axis=0)
    share = np.exp(eta - top)
    share *= size[:, None].astype(eta.dtype)
    total = share.sum(axis=0, dtype=np.float64)
    share /= total.astype(eta.dtype)
    return _Point(eta, share, top + np.log(total))


def _checked(X: Any, size: Any, H: Any) -> tuple[sp.csc_matrix, np.ndarray, np.ndarray]:
    """Counts, sizes and features of the rows with a size."""
    size, H = np.asarray(size, np.float64), np.asarray(H)
    H = H.astype(np.result_type(H.dtype, np.float32), copy=False)
    if size.shape != X.shape[:1] or H.shape[:1] != size.shape or H.ndim != 2:
        expected = f"one size and one row of features for each of {X.shape[0]} rows"
        raise fail(expected, f"shapes {list(size.shape)} and {list(H.shape)}")
    if not (np.isfinite(size) & (size >= 0)).all() or not size.any():
        raise fail("finite sizes, not negative, not all 0", f"from {size.min(initial=0):g} to {size.max(initial=0):g}")
    if not np.isfinite(H).all():
        raise fail("finite features", "NaN or infinity")
    if (size > 0).all():
        return sp.csc_matrix(X), size, H
    return sp.csc_matrix(sp.csr_matrix(X)[size > 0]), size[size > 0], H[size > 0]
