"""Covariance of the coefficients of random smooth fields on tissue with edges."""

import numpy as np

N_RINGS = 24
N_DIRECTIONS = 24
CHUNK = 4_096
"""Points at a time."""


def field_covariance(functions: np.ndarray, xy: np.ndarray, frequency: np.ndarray, signal: np.ndarray) -> np.ndarray:
    r"""Covariance ``[m, m]`` of the coefficients of a stationary, isotropic field whose variances are known.

    Such a field is a sum of waves of any direction and phase, with a density of power :math:`S(f)` over rings of
    frequency. On tissue with edges each of them shows in several orthonormal functions, so that coefficients correlate:

    .. math:: \Sigma_{ij} = \rho_{ij} \sqrt{S_i S_j}, \qquad
              \rho \propto \int S(|k|) \, \hat B_i(k) \, \overline{\hat B_j(k)} \, dk

    with the transform :math:`\hat B_j(k) = \sum_n B_{nj} e^{2 \pi i k x_n}` of the functions.

    Parameters
    ----------
    functions
        B, orthonormal on the points ``[n, m]``.
    xy
        Coordinates ``[n, d]``.
    frequency
        Of each function, ascending, in cycles per unit of length ``[m]``.
    signal
        Variance S of each coefficient ``[m]``, at least 0.
    """
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
    found = covariance / np.outer(sd, sd) * np.sqrt(np.outer(signal, signal))
    np.fill_diagonal(found, signal)
    return found
