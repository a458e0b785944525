"""A simulated tissue of three programs, and pictures of genes in four modules, each made once."""

from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.expression import principal_components
from spotweave.core.gene_bins import GeneBins, gene_bins
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


class Pictures(NamedTuple):
    bins: GeneBins
    module: np.ndarray
    """Of each gene, -1 for those without a pattern."""


@pytest.fixture(scope="session")
def pictures() -> Pictures:
    """60 genes on slides of 440, 57 and 3 points, the last with a bin to fill up; four modules, and 20 flat genes."""
    rng = np.random.default_rng(8)
    xy, slide = rng.random((500, 2)) * [3, 2], np.repeat([0, 1, 2], [440, 57, 3])
    module = np.repeat([0, 1, 2, 3, -1], [10, 10, 10, 10, 20])
    x, y = np.pi * xy.T / [[3], [2]]
    waves = np.stack([np.cos(x), np.cos(y), np.cos(2 * x), np.cos(x) * np.cos(y), np.zeros(500)], axis=1)
    X = rng.poisson(np.exp(waves[:, module]) * rng.uniform(0.3, 1.5, 60))
    return Pictures(gene_bins(sp.csr_matrix(X), xy, n_patches=8, n_sub=4, library=slide), module)
