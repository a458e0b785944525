"""Independent halves of counts."""

from typing import Any

import numpy as np
import scipy.sparse as sp


def thin(X: Any, rng: np.random.Generator, *, share: float = 0.5) -> tuple[sp.csr_matrix, sp.csr_matrix]:
    r"""Split counts at random: :math:`A \sim \mathrm{Binomial}(X, \pi)`, :math:`B = X - A`.

    Where counts are Poisson given the rates, A and B are independent given the rates (Poisson thinning; Neufeld et
    al. 2024, Biostatistics 25:270).

    Parameters
    ----------
    X
        Counts ``[n, g]``, CSR or dense.
    rng
        Draws the split.
    share
        Share :math:`\pi` of the molecules that go to A.

    Returns
    -------
    A and B, CSR float64 on the pattern of X.
    """
    X = sp.csr_matrix(X)
    kept = rng.binomial(X.data.astype(np.int64), share).astype(np.float64)
    pattern = lambda values: sp.csr_matrix((values, X.indices, X.indptr), shape=X.shape)
    return pattern(kept), pattern(X.data - kept)
