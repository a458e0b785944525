"""A simulated tissue of three programs, made once."""

from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.expression import principal_components
from spotweave.core.graph import knn
from spotweave.core.propagate import symmetrise
from spotweave.models.gmm_vgae_fit import Observed

N, G = 400, 60


class Tissue(NamedTuple):
    observed: Observed
    program: np.ndarray
    rate: np.ndarray
    """Expected counts [n, g]."""
    X: np.ndarray


@pytest.fixture(scope="session")
def tissue() -> Tissue:
    """Three stripes with profiles of their own; a cell and a gene have no counts, a cell no neighbours."""
    rng = np.random.default_rng(5)
    xy = rng.random((N, 2))
    program = np.digitize(xy[:, 0], [0.3, 0.7])
    profiles = rng.gamma(0.8, 1.0, (3, G))
    profiles /= profiles.sum(axis=1, keepdims=True)
    rate = rng.gamma(5, 24, (N, 1)) * profiles[program]
    rate[11], rate[:, 7] = 0, 0
    X = rng.poisson(rate * rng.gamma(4, 1 / 4, rate.shape)).astype(np.float32)
    W = symmetrise(knn(xy, n_neighs=6).connectivities).tolil()
    W[399], W[:, 399] = 0, 0
    size = X.sum(axis=1).astype(np.float64)
    chunks = lambda: iter([(slice(0, N), X)])
    P = principal_components(chunks, size, 8, rng=rng).scores
    return Tissue(Observed(P, sp.csr_matrix(W), sp.csr_matrix(X), size), program, rate, X)
