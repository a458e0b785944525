r"""Counts as features that two platforms share: standardised residuals, and standardised logarithms.

Each gene is centred and scaled to variance 1 *within its own data set*: a platform that catches a gene twice as well
multiplies its counts, which neither changes.
"""

from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from ..likelihood import fit_dispersion, pearson_residuals

Scale = Literal["residual", "log"]
CLIP = 10.0
"""Residuals beyond are cut off: a count that is 20 standard deviations off says no more than one that is 10 off."""
ENOUGH = 5_000
"""Cells for a gene's dispersion: of more, every second, third...  is taken."""
BLOCK = 4_000_000  # entries held in double precision, 32 MB each time


def features(X: Any, size: np.ndarray, scale: Scale) -> np.ndarray:
    r"""Standardised features of genes.

    ``"residual"``: Pearson residuals :math:`(x - \mu) / \sqrt{\mu + \alpha \mu^2}` from what depth alone expects,
    with the dispersion of the gene by moments (Lause et al. 2021, Genome Biol. 22:258). ``"log"``:
    :math:`\log(1 + x m / s)` with m the median size.

    Parameters
    ----------
    X
        Counts ``[n, g]``, sparse.
    size
        Counts of each cell that they are compared with ``[n]``.
    scale
        See above.

    Returns
    -------
    ``[n, g]`` float32, mean 0 and variance 1, or 0 for genes that do not vary.
    """
    X = sp.csc_matrix(X)
    found = np.empty(X.shape, np.float32, order="F")
    of = residuals if scale == "residual" else logarithms
    step = max(1, BLOCK // max(X.shape[0], 1))
    for start in range(0, X.shape[1], step):
        block = np.asarray(X[:, start : start + step].toarray(), np.float64)
        found[:, start : start + step] = standardised(of(block, size))
    return np.ascontiguousarray(found)


def residuals(x: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Clipped Pearson residuals ``[n, g]``."""
    mean = depth_only(x, size)
    rows = slice(None, None, max(1, len(x) // ENOUGH))
    alpha = fit_dispersion(lambda: iter([(rows, x[rows])]), lambda rows: mean[rows])
    return np.clip(pearson_residuals(x, mean, alpha), -CLIP, CLIP)


def logarithms(x: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Logarithms of counts per median depth ``[n, g]``."""
    counted = size[size > 0]
    return np.log1p(x * (np.median(counted) / np.maximum(size, 1))[:, None])


def depth_only(x: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Counts that depth alone expects ``[n, g]``."""
    return np.outer(size, x.sum(axis=0) / max(size.sum(), 1e-12))


def standardised(values: np.ndarray) -> np.ndarray:
    """Mean 0, variance 1 of each column; 0 where it does not vary."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    return centred / np.where(spread > 1e-9, spread, np.inf)
