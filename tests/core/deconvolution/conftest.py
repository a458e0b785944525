"""Planted spots: negative binomial counts of known mixtures, and cells of the same types."""

from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp


class Planted(NamedTuple):
    """What was simulated."""

    X: sp.csr_matrix
    """Spots ``[n, g]``."""
    R: sp.csr_matrix
    """Cells ``[m, g]``."""
    labels: np.ndarray
    shares: np.ndarray
    """True shares of counts ``[n, t]``."""
    profiles: np.ndarray
    """Shares of genes in the types, as the reference sees them ``[t, g]``."""
    log_platform: np.ndarray
    """Of the spots ``[g]``."""

    def rmse(self, found):
        return np.sqrt(((found - self.shares) ** 2).mean())


def draw(mean, dispersion, rng):
    return rng.poisson(mean * rng.gamma(1 / dispersion, dispersion, mean.shape)).astype(np.float32)


def plant(rng, *, n=177, m=241, g=130, t=4, depth=1_500, effect=0.5, dispersion=0.05) -> Planted:
    """Cells of every type; each spot a mixture of about two types."""
    profiles = rng.gamma(0.6, 1, (t, g)) + 0.02
    profiles /= profiles.sum(axis=1, keepdims=True)
    labels = np.append(np.arange(t), rng.integers(t, size=m - t))
    R = draw(profiles[labels] * 3_000 * rng.lognormal(0, 0.3, (m, 1)), dispersion, rng)
    shares = rng.dirichlet([0.5] * t, n)
    log_platform = rng.normal(0, effect, g)
    mean = shares @ profiles * np.exp(log_platform)
    X = draw(mean / mean.sum(axis=1, keepdims=True) * depth * rng.lognormal(0, 0.3, (n, 1)), dispersion, rng)
    return Planted(sp.csr_matrix(X), sp.csr_matrix(R), labels, shares, profiles, log_platform)


@pytest.fixture(scope="session")
def planted() -> Planted:
    return plant(np.random.default_rng(5))


@pytest.fixture(scope="session")
def another() -> Planted:
    return plant(np.random.default_rng(6), n=240, effect=0.2)
