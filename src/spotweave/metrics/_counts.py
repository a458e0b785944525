"""Expected counts judged by counts that were not seen. The truth comes first."""

from collections.abc import Iterator
from typing import Any, Literal, overload

import numpy as np
import scipy.sparse as sp

from .._check import fail, values_of
from ..core.heldout import HeldOutScores, held_out_scores
from ..core.likelihood import dense

MOST_VALUES = 4_000_000  # of a dense chunk of rows: 32 MB


@overload
def poisson_deviance(truth: Any, prediction: Any, *, per_gene: Literal[False] = False) -> float: ...
@overload
def poisson_deviance(truth: Any, prediction: Any, *, per_gene: Literal[True]) -> np.ndarray: ...
def poisson_deviance(truth: Any, prediction: Any, *, per_gene: bool = False) -> float | np.ndarray:
    r"""Mean Poisson deviance of counts, :math:`2 (x \log (x / \mu) - x + \mu)`; lower is better.

    Parameters
    ----------
    truth
        Counts ``[n, g]`` that the prediction has not seen, dense or sparse.
    prediction
        Expected counts ``[n, g]`` at the depth of `truth`, dense or sparse; values below 1e-8 are raised to it.
    per_gene
        Return each gene's mean over cells.

    Returns
    -------
    Mean over cells and over the genes with a count in `truth` (NaN when there is none), or ``[g]``.
    """
    scores = _scores(truth, prediction, 0.0)
    return scores.deviance if per_gene else scores.mean_deviance


@overload
def negative_binomial_deviance(
    truth: Any, prediction: Any, *, dispersion: float | np.ndarray, per_gene: Literal[False] = False
) -> float: ...
@overload
def negative_binomial_deviance(
    truth: Any, prediction: Any, *, dispersion: float | np.ndarray, per_gene: Literal[True]
) -> np.ndarray: ...
def negative_binomial_deviance(
    truth: Any, prediction: Any, *, dispersion: float | np.ndarray, per_gene: bool = False
) -> float | np.ndarray:
    r"""Mean deviance of counts with variance :math:`\mu + \alpha \mu^2`; lower is better.

    .. math:: 2 \left( x \log \frac{x}{\mu} - \left(x + \frac{1}{\alpha}\right)
              \log \frac{1 + \alpha x}{1 + \alpha \mu} \right)

    Values of different dispersions cannot be compared.

    Parameters
    ----------
    truth
        Counts ``[n, g]`` that the prediction has not seen, dense or sparse.
    prediction
        Expected counts ``[n, g]`` at the depth of `truth`, dense or sparse; values below 1e-8 are raised to it.
    dispersion
        :math:`\alpha` of the counts in `truth`, one or ``[g]``; 0 gives `poisson_deviance`.
    per_gene
        Return each gene's mean over cells.

    Returns
    -------
    Mean over cells and over the genes with a count in `truth` (NaN when there is none), or ``[g]``.
    """
    scores = _scores(truth, prediction, dispersion)
    return scores.deviance if per_gene else scores.mean_deviance


@overload
def residual_correlation(
    truth: Any, prediction: Any, *, dispersion: float | np.ndarray = 0.0, per_gene: Literal[False] = False
) -> float: ...
@overload
def residual_correlation(
    truth: Any, prediction: Any, *, dispersion: float | np.ndarray = 0.0, per_gene: Literal[True]
) -> np.ndarray: ...
def residual_correlation(
    truth: Any, prediction: Any, *, dispersion: float | np.ndarray = 0.0, per_gene: bool = False
) -> float | np.ndarray:
    r"""Correlation over cells of true and predicted Pearson residuals: what is known beyond depth; higher is better.

    Both are compared with the depth-only mean :math:`s_i p_j` (counts of cell i in `truth` times the share of gene j
    in them): :math:`(x - s_i p_j) / \sqrt{s_i p_j + \alpha (s_i p_j)^2}`. Noise of the counts keeps even true rates far
    below 1.

    Parameters
    ----------
    truth
        Counts ``[n, g]`` that the prediction has not seen, dense or sparse.
    prediction
        Expected counts ``[n, g]`` at the depth of `truth`, dense or sparse.
    dispersion
        :math:`\alpha` of the counts in `truth`, one or ``[g]``.
    per_gene
        Return the correlation of each gene.

    Returns
    -------
    Mean over the genes with a count in `truth` (NaN when there is none), or ``[g]``. A gene that is absent, or
    predicted to follow depth alone, has 0.
    """
    scores = _scores(truth, prediction, dispersion)
    return scores.correlation if per_gene else scores.mean_correlation


def _scores(truth: Any, prediction: Any, dispersion: float | np.ndarray) -> HeldOutScores:
    truth, prediction = _matrix(truth, "truth"), _matrix(prediction, "prediction")
    if truth.shape != prediction.shape:
        raise fail(f"a prediction of shape {list(truth.shape)}, as the truth", f"shape {list(prediction.shape)}")
    values = values_of(truth)
    if not np.isfinite(values).all() or (values < 0).any():
        raise fail("counts as truth", "negative values, NaN or infinity")
    return held_out_scores(lambda: _row_chunks(truth), lambda rows: dense(prediction[rows]), dispersion)


def _matrix(X: Any, name: str) -> Any:
    X = sp.csr_matrix(X) if sp.issparse(X) else np.asarray(X)
    if X.ndim != 2 or 0 in X.shape:
        raise fail(f"`{name}` of shape [n, g]", f"shape {list(X.shape)}")
    return X


def _row_chunks(X: Any) -> Iterator[tuple[slice, Any]]:
    size = max(1, MOST_VALUES // X.shape[1])
    for start in range(0, X.shape[0], size):
        yield (rows := slice(start, start + size)), X[rows]
