"""Linear routes: ridge regression on the panel, and factors of all genes scored by the panel."""

from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import svds

from .features import Scale, features
from .pair import CEILING, Pair, Predict, sizes

RIDGE = 0.3
"""Of a ridge regression on standardised panel genes, beside their correlation matrix."""
SCORE_RIDGE = 0.1
"""The same for scores of factors, which are much less noisy than one gene."""
LARGE = 1_000
"""Rows and columns beyond which all eigenvectors cost more than the leading ones."""
NULL = 1e-6
"""Components with a smaller part of the first one's variance are rounding errors of features in single precision."""


def ridge(pair: Pair, rng: np.random.Generator, *, scale: Scale = "residual", penalty: float = RIDGE) -> Predict:
    r"""Predict each wanted gene from the panel by ridge regression learned on the reference.

    .. math:: C = (B^\top B / m + \lambda I)^{-1} B^\top T / m, \qquad \hat T = A C

    with A and B the standardised panel of target and reference and T the wanted genes of the reference.

    Parameters
    ----------
    pair
        Counts.
    rng
        Not used.
    scale
        Features: see `features`.
    penalty
        :math:`\lambda`.

    Returns
    -------
    Predictions of wanted genes, standardised: their variance is the share that the panel explains.
    """
    A, B, size = *panel_features(pair, scale), sizes(pair.R)
    gram = B.T @ B / len(B) + penalty * np.eye(B.shape[1], dtype=B.dtype)
    scores = A @ np.linalg.inv(gram)  # [n, p]; cheaper than solving for n columns, and the penalty bounds the condition
    return lambda genes: bounded(scores @ (B.T @ features(pair.Y[:, genes], size, scale) / len(B)))


def factor(
    pair: Pair, rng: np.random.Generator, *, scale: Scale = "log", rank: int = 10, most_genes: int = 4_000
) -> Predict:
    """Predict wanted genes from principal components of the reference, which the panel scores.

    Components are those of panel and wanted genes together, so that a direction which the panel sees badly is shrunk,
    not lost; the panel scores them by ridge regression, and each wanted gene is regressed on the scores.

    Parameters
    ----------
    pair
        Counts.
    rng
        Not used.
    scale
        Features: see `features`.
    rank
        Components.
    most_genes
        Wanted genes that take part in finding the components: those with most counts.

    Returns
    -------
    Predictions, as of `ridge`.
    """
    A, B, size = *panel_features(pair, scale), sizes(pair.R)
    Z = components(np.hstack([B, features(pair.Y[:, busiest(pair.Y, most_genes)], size, scale)]), rank).scores
    gram = B.T @ B / len(B) + SCORE_RIDGE * np.eye(B.shape[1], dtype=B.dtype)
    scores = A @ np.linalg.solve(gram, B.T @ Z / len(B))  # [n, k]
    solve = np.linalg.inv(Z.T @ Z) @ Z.T
    return lambda genes: bounded(scores @ (solve @ features(pair.Y[:, genes], size, scale)))


def panel_features(pair: Pair, scale: Scale) -> tuple[np.ndarray, np.ndarray]:
    """Standardised panel of target ``[n, p]`` and reference ``[m, p]``."""
    if scale not in pair.known:
        pair.known[scale] = features(pair.X, sizes(pair.X), scale), features(pair.R, sizes(pair.R), scale)
    found: tuple[np.ndarray, np.ndarray] = pair.known[scale]
    return found


class Components(NamedTuple):
    """Leading principal components of the rows of a matrix."""

    basis: np.ndarray
    """Left singular vectors ``[m, k]``, float64."""
    length: np.ndarray
    """Singular values ``[k]``, descending."""

    @property
    def scores(self) -> np.ndarray:
        """Scores of the rows ``[m, k]``, float32."""
        return (self.basis * self.length).astype(np.float32)


def components(J: np.ndarray, rank: int) -> Components:
    """Leading principal components of centred features ``[m, g]``: fewer than `rank` where the features have fewer.

    By the eigenvectors of the smaller of both products of J with itself; where these are large too, by Lanczos steps
    from a fixed start.
    """
    m, g = J.shape
    rank = min(rank, max(1, min(m - 2, g - 1)))
    if min(m, g) > LARGE:
        start = np.random.default_rng(0).standard_normal(min(m, g)).astype(J.dtype)
        left, length, _ = svds(J, rank, v0=start)
        left, length = np.asarray(left[:, ::-1], np.float64), np.asarray(length[::-1], np.float64)
        real = int((length**2 > NULL * length[0] ** 2).sum())
        return Components(left[:, :real], length[:real])
    gram = np.asarray(J @ J.T if m <= g else J.T @ J, np.float64)
    values, vectors = np.linalg.eigh(gram)
    rank = min(rank, int((values > NULL * values[-1]).sum()))
    lead, length = vectors[:, ::-1][:, :rank], np.sqrt(values[::-1][:rank])
    return Components(lead if m <= g else J @ (lead / length), length)


def busiest(Y: sp.csc_matrix, most: int) -> Any:
    """Return the genes with most counts, all when there are no more than `most`."""
    if Y.shape[1] <= most:
        return slice(None)
    return np.sort(np.argsort(-np.asarray(Y.sum(axis=0)).ravel(), kind="stable")[:most])


def bounded(values: np.ndarray) -> np.ndarray:
    """Predictions within reason, float32."""
    return np.clip(values, -CEILING, CEILING).astype(np.float32)
