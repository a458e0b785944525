"""Sampling of counts: negative binomial, with entries lost at random."""

import numpy as np
import scipy.sparse as sp


def sample_negative_binomial(mean: np.ndarray, overdispersion: float, rng: np.random.Generator) -> np.ndarray:
    """Draw counts of the given mean ``[n, g]`` with variance ``mean + overdispersion * mean**2``.

    A Poisson count whose rate is a gamma variable of mean ``mean`` and squared coefficient of variation
    ``overdispersion``; 0 gives plain Poisson counts.
    """
    if overdispersion:
        gamma = rng.standard_gamma(1 / overdispersion, size=mean.shape, dtype=np.float32)
        mean = mean * gamma * np.float32(overdispersion)
    return rng.poisson(mean)


def sample_counts(mean: np.ndarray, overdispersion: float, dropout: float, rng: np.random.Generator) -> sp.csr_matrix:
    """Draw counts as CSR float32 ``[n, g]``; each non-zero one is then lost with probability `dropout`."""
    counts = sp.csr_matrix(sample_negative_binomial(mean, overdispersion, rng).astype(np.float32))
    if dropout:
        counts.data *= rng.random(counts.nnz) >= dropout
        counts.eliminate_zeros()
    return counts


def sample_log_normal(sd: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` log-normal factors of mean 1 with standard deviation `sd` on the log scale."""
    return np.exp(rng.normal(0, sd, size=n) - sd**2 / 2)
