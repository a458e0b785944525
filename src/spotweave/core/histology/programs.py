"""The few directions in which the expression of a panel varies within sections, and each spot's place on them."""

from typing import NamedTuple

import numpy as np
import scipy.linalg
import scipy.sparse as sp

from ..libraries import library_blocks


class Programs(NamedTuple):
    """Principal components of expression within sections."""

    loadings: np.ndarray
    """Orthonormal [g, r], by falling variance."""
    scores: np.ndarray
    """Training rows [n, r]; the mean of each section is 0."""
    mean: np.ndarray
    """Mean over all training rows [g]."""


def expression_programs(target: sp.csr_matrix, section: np.ndarray, *, n_programs: int) -> Programs:
    r"""Decompose expression within sections into programs.

    With :math:`Y_s` the target of section :math:`s` and :math:`m_s` its mean, the loadings are the leading eigenvectors
    of :math:`\sum_s (Y_s - m_s)^\top (Y_s - m_s)`, and scores are :math:`(Y_s - m_s) V`. What differs between sections
    as a whole (batch, patient) takes no part. Predicting programs instead of genes lets every gene borrow from those
    that vary with it: a gene of few counts is mostly noise, but its program is not.

    Parameters
    ----------
    target
        Expression ``[n, g]``; stays sparse.
    section
        Section of each row, codes ``[n]``.
    n_programs
        Number r, at most ``min(n, g)``.

    Returns
    -------
    Loadings, scores and mean.
    """
    n, g = target.shape
    covariance = np.zeros((g, g))
    means = np.empty((len(np.unique(section)), g))
    blocks = library_blocks(n, section)
    for k, rows in enumerate(blocks):
        Y = target[rows].astype(np.float64)
        means[k] = np.asarray(Y.mean(axis=0)).ravel()
        covariance += (Y.T @ Y).toarray() - len(rows) * np.outer(means[k], means[k])
    r = min(n_programs, n, g)
    _, loadings = scipy.linalg.eigh(covariance, subset_by_index=[g - r, g - 1])
    loadings = _signed(loadings[:, ::-1])
    scores = np.asarray(target @ loadings)
    for k, rows in enumerate(blocks):
        scores[rows] -= means[k] @ loadings
    return Programs(loadings, scores, np.ones(n) @ target / n)


def _signed(loadings: np.ndarray) -> np.ndarray:
    """Make the largest loading of each program positive, so that signs do not depend on the solver."""
    largest = loadings[np.abs(loadings).argmax(axis=0), np.arange(loadings.shape[1])]
    return loadings * np.where(largest < 0, -1.0, 1.0)
