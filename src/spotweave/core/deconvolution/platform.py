"""What another technology catches more or less of: one factor a gene, between reference and spots."""

import numpy as np
import scipy.sparse as sp

from .spot_model import SpotModel, means

LEAST_VARIANCE = 1e-4
N_LEVELS = 10


class GeneSums:
    """Sums over spots that the factors are estimated from; blocks are added one by one."""

    def __init__(self, n_genes: int) -> None:
        self.observed, self.expected = np.zeros(n_genes), np.zeros(n_genes)

    def add(self, model: SpotModel, X: np.ndarray, W: np.ndarray, size: np.ndarray) -> None:
        """Add spots: counts ``[n, g]``, weights ``[n, k]``, sizes ``[n]``."""
        mu = means(model, W, size)
        weight = 1 / (1 + model.dispersion * mu)
        self.observed += (X * weight).sum(axis=0, dtype=np.float64)
        self.expected += (mu * weight).sum(axis=0, dtype=np.float64)


def update(log_factor: np.ndarray, sums: GeneSums) -> tuple[np.ndarray, float]:
    r"""Estimate the log factors anew, drawn to 0 as far as all genes together say.

    .. math:: r_g = \log \delta_g + \log \frac{\sum_i x_{ig} / (1 + \phi_g \mu_{ig}) + 1/2}
       {\sum_i \mu_{ig} / (1 + \phi_g \mu_{ig}) + 1/2}, \quad
       \log \delta_g \leftarrow \frac{\sigma^2}{\sigma^2 + 1 / I_g} r_g

    with information :math:`I_g`, the denominator, and :math:`\sigma^2` by moments, for each tenth of the genes by level:
    genes near the background differ more between technologies.

    Parameters
    ----------
    log_factor
        Present log factors ``[g]``, which the expectations hold.
    sums
        Weighted sums of counts and expectations.

    Returns
    -------
    Log factors ``[g]``, and the root of the mean :math:`\sigma^2`.
    """
    information = np.maximum(sums.expected, 1e-3)
    r = log_factor + np.log((sums.observed + 0.5) / (sums.expected + 0.5))
    variance = np.empty(len(r))
    for level in np.array_split(np.argsort(information, kind="stable"), min(N_LEVELS, len(r))):
        moment = (r[level] ** 2 * information[level] - 1).sum() / information[level].sum()
        variance[level] = max(float(moment), LEAST_VARIANCE)
    return r * variance / (variance + 1 / information), float(variance.mean() ** 0.5)


def dense_rows(X: sp.csr_matrix, rows: slice | np.ndarray) -> np.ndarray:
    """Return some rows of counts, dense, float32."""
    return np.asarray(X[rows].todense(), np.float32)
