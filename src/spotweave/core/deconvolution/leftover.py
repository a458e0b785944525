"""A profile for what the reference lacks, learned from what its types leave unexplained."""

import numpy as np
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

CLIP = 5.0
STEEPNESS = 3.0
"""Power of the ratio of counts to expectations in the first guess: spots hold but a part of the unknown type."""


def first_guess(X: np.ndarray, mu: np.ndarray, dispersion: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Profile of the genes that some spots have too many counts of, together.

    Parameters
    ----------
    X, mu
        Counts and expectations ``[n, g]``.
    dispersion
        Of the genes ``[g]``.
    rng
        Starts the decomposition.

    Returns
    -------
    ``[g]``, sums to 1.
    """
    Z = np.clip((X - mu) / np.sqrt(mu * (1 + dispersion * mu)), -CLIP, CLIP)
    U = randomized_svd(Z - Z.mean(axis=0), 1, n_iter=4, random_state=int(rng.integers(2**31)))[0][:, 0]
    sides = [np.maximum(sign * U, 0.0) for sign in (1, -1)]
    a = max(sides, key=lambda side: (side**3).sum() / max((side**2).sum(), 1e-12) ** 1.5)  # few spots hold much of it
    ratio = np.log((a @ X + 1) / (a @ mu + 1))
    profile = pooled(X) * np.exp(np.clip(STEEPNESS * ratio, -3, 3))
    return profile / profile.sum()


def update(
    U: np.ndarray, X: np.ndarray, mu: np.ndarray, dispersion: np.ndarray, a: np.ndarray, *, strength: float = 50.0
) -> np.ndarray:
    r"""One multiplicative step of the profile, with counts worth `strength` drawing it to the mean spot.

    .. math:: u_g \leftarrow \frac{u_g \sum_i a_i x_{ig} / (\mu_{ig} (1 + \phi_g \mu_{ig})) + k p_g}
       {\sum_i a_i u_g / (1 + \phi_g \mu_{ig}) + k u_g} u_g

    Parameters
    ----------
    U
        Present profile ``[g]``.
    X, mu
        Counts and expectations ``[n, g]``.
    dispersion
        :math:`\phi` ``[g]``.
    a
        Counts of the unknown in each spot ``[n]``.
    strength
        k.

    Returns
    -------
    ``[g]``, sums to 1.
    """
    damp = 1 / (1 + dispersion * mu)
    gain = a @ (X / mu * damp) * U + strength * pooled(X)
    loss = a @ damp * U + strength * U
    new = U * gain / np.maximum(loss, 1e-30)
    return new / new.sum()


def pooled(X: np.ndarray | sp.csr_matrix) -> np.ndarray:
    """Share of each gene in all counts ``[g]``, none of them 0."""
    total = np.asarray(X.sum(axis=0), np.float64).ravel() + 1
    return total / total.sum()
