"""How far the coefficients of a random smooth field on tissue with edges are from independent."""

import numpy as np

N_RINGS = 24
N_DIRECTIONS = 24
CHUNK = 4_096
"""Points at a time."""


def leakage(functions: np.ndarray, xy: np.ndarray, frequency: np.ndarray, power: np.ndarray) -> float:
    r"""Factor by which inner products of independent fields vary more than their spectra say, at least 1.

    A stationary field is made of waves of any frequency and phase; on tissue with edges, each of them shows in several
    orthonormal functions, so that coefficients correlate. For two such fields, whitened,

    .. math:: \kappa = \frac{\sum_{ij} W_i W_j \Sigma_{ij}^2}{\sum_i W_i^2 \Sigma_{ii}^2},
              \qquad \Sigma_{ii} = P_i,
              \qquad \Sigma_{ij} = \rho_{ij} \sqrt{(P_i - 1) (P_j - 1)},
              \qquad W_i = \frac{P_i - 1}{P_i^2}

    with the correlation :math:`\rho` of coefficients of plane waves, summed over rings of frequency with density
    :math:`P - 1`.

    Parameters
    ----------
    functions
        Orthonormal on the points ``[n, m]``.
    xy
        Coordinates ``[n, d]``.
    frequency
        Of each function, ascending, in cycles per unit of length ``[m]``.
    power
        Variance P of coefficients, noise of 1 included ``[m]``.
    """
    signal = np.maximum(power - 1, 0)
    if not signal.any():
        return 1.0
    edges = np.linspace(0, frequency.max(), N_RINGS + 1)
    radius, d = (edges[1:] + edges[:-1]) / 2, xy.shape[1]
    density = np.interp(radius, frequency, signal) * radius ** (d - 1)
    direction = np.random.default_rng(0).normal(size=(N_RINGS, N_DIRECTIONS, d))
    direction /= np.linalg.norm(direction, axis=2, keepdims=True)
    waves = (2 * np.pi * radius[:, None, None] * direction).reshape(-1, d)
    seen = np.zeros((functions.shape[1], len(waves)), dtype=np.complex128)
    for start in range(0, len(xy), CHUNK):
        rows = slice(start, start + CHUNK)
        seen += functions[rows].T @ np.exp(1j * (xy[rows] - xy.mean(axis=0)) @ waves.T)
    covariance = ((seen * np.repeat(density, N_DIRECTIONS)) @ seen.conj().T).real
    sd = np.sqrt(np.maximum(np.diag(covariance), 1e-300))
    sigma = covariance / np.outer(sd, sd) * np.sqrt(np.outer(signal, signal))
    np.fill_diagonal(sigma, power)
    weight = signal / power**2
    return float((np.outer(weight, weight) * sigma**2).sum() / (weight**2 @ power**2))
