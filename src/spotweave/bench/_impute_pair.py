"""What every way to predict genes is given."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp


class Pair(NamedTuple):
    """A target with a panel of genes, and a reference with these and the wanted genes."""

    X: sp.csr_matrix
    """Counts of the target, genes of the panel ``[n, p]``."""
    R: sp.csr_matrix
    """Counts of the reference, the same genes in the same order ``[m, p]``."""
    Y: sp.csr_matrix
    """Counts of the reference, wanted genes ``[m, t]``."""
    xy: np.ndarray
    """Coordinates of the target ``[n, 2]``."""
