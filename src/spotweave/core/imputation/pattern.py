"""Spatial pattern of measured, drawn and predicted counts, all by one measure."""

import numpy as np
import scipy.sparse as sp

from ..autocorrelation import morans_i

CONSTANT = 1e-6
"""Range of logarithms below which values are constant: the rest is rounding."""


def moran_of_counts(counts: np.ndarray, depth: np.ndarray, W: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Moran's I of logarithms of counts at the median depth, and its p-value.

    Parameters
    ----------
    counts
        Counts or expected counts ``[n, b]``.
    depth
        Counts ``[n]`` that they are divided by; a cell without any has the value 0.
    W
        Spatial graph ``[n, n]``.

    Returns
    -------
    ``[b]`` each; 0 and 1 for a gene that does not vary.
    """
    some = depth > 0
    factor = np.divide(np.median(depth[some]) if some.any() else 1.0, depth, out=np.zeros(len(depth)), where=some)
    values = np.log1p(counts * factor[:, None])
    varies = np.ptp(values, axis=0) > CONSTANT
    statistic, pvalue = np.zeros(counts.shape[1]), np.ones(counts.shape[1])
    if varies.any() and W.nnz:
        found = morans_i(values[:, varies], W)
        statistic[varies], pvalue[varies] = found.statistic, found.pvalue
    return statistic, pvalue
