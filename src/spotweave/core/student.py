"""The multivariate Student t density of many components at once, and its degrees of freedom."""

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import betaln, digamma, gammaln

DOF_BOUNDS = (1.0, 200.0)  # below, not even a mean exists; above, the density is a Gaussian's to three digits


def log_density(Z: np.ndarray, means: np.ndarray, covariances: np.ndarray, dofs: np.ndarray) -> np.ndarray:
    r"""Log density of rows under each component, by matrix products: O(n k d), nothing larger than the result.

    .. math:: \log t = \log\Gamma(\tfrac{\nu+d}{2}) - \log\Gamma(\tfrac{\nu}{2}) - \tfrac12\log|\Sigma|
        - \tfrac d2\log(\nu\pi) - \tfrac{\nu+d}{2}\log(1 + \delta/\nu)

    Parameters
    ----------
    Z
        Rows ``[n, d]``.
    means
        ``[k, d]``.
    covariances
        Scale matrices: diagonals ``[k, d]``, or one full matrix for all components as ``[1, d, d]``.
    dofs
        Degrees of freedom ``[k]``; 1e9 is a Gaussian.

    Returns
    -------
    ``[n, k]``.
    """
    stretch = log_one_plus(squared_distances(Z, means, covariances) / dofs, dofs)
    return log_normaliser(covariances, dofs, Z.shape[1]) - (dofs + Z.shape[1]) / 2 * stretch


def log_one_plus(spread: np.ndarray, dofs: np.ndarray) -> np.ndarray:
    """log(1 + distance / dof) ``[n, k]``: by `log`, three times quicker, where few degrees of freedom allow."""
    return np.log(1 + spread) if dofs.max() <= DOF_BOUNDS[1] else np.log1p(spread)


def squared_distances(Z: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> np.ndarray:
    """Mahalanobis distances, squared, ``[n, k]``: the square is multiplied out, so centre `Z` before."""
    if covariances.ndim == 3:
        lower = np.linalg.cholesky(covariances[0])
        whiten = solve_triangular(lower, np.eye(len(lower)), lower=True).T
        Z, means, precision = Z @ whiten, means @ whiten, np.ones((1, len(lower)))
    else:
        precision = 1 / covariances
    distance = Z @ (-2 * means * precision).T
    distance += (Z**2) @ precision.T
    distance += (means**2 * precision).sum(axis=1)
    return np.maximum(distance, 0, out=distance)  # a row on its mean is a rounding error from zero


def log_normaliser(covariances: np.ndarray, dofs: np.ndarray, d: int) -> np.ndarray:
    """Log density at the mean of each component ``[k]``."""
    if covariances.ndim == 3:
        half_det = np.log(np.diag(np.linalg.cholesky(covariances[0]))).sum()
    else:
        half_det = np.log(covariances).sum(axis=1) / 2
    # the beta function keeps the digits that the difference of two log gammas loses at many degrees of freedom
    return gammaln(d / 2) - betaln(dofs / 2, d / 2) - d / 2 * np.log(dofs * np.pi) - half_det


def solve_dofs(surplus: np.ndarray, dofs: np.ndarray, d: int) -> np.ndarray:
    r"""Degrees of freedom that maximise the expected complete log-likelihood, by bisection on their logarithm.

    The root of

    .. math:: \log\tfrac\nu2 - \psi(\tfrac\nu2) + 1 + \overline{\log u - u}
        + \psi(\tfrac{\nu_0+d}{2}) - \log\tfrac{\nu_0+d}{2} = 0

    whose left side falls in :math:`\nu`, so that the nearest of `DOF_BOUNDS` is the maximum where there is no root.

    Parameters
    ----------
    surplus
        Weighted mean of log u - u over the rows of each component ``[k]``, with u the expected precision of a row.
    dofs
        Degrees of freedom :math:`\nu_0` that u was computed with ``[k]``.
    d
        Number of features.

    Returns
    -------
    ``[k]``.

    References
    ----------
    Peel & McLachlan 2000, Statistics and Computing 10:339, equation 30; Liu & Rubin 1995, Statistica Sinica 5:19.
    """
    constant = 1 + surplus + digamma((dofs + d) / 2) - np.log((dofs + d) / 2)
    low, high = (np.full(len(constant), np.log(bound)) for bound in DOF_BOUNDS)
    for _ in range(48):  # 5.3 / 2^48 is the last digit of a logarithm near 5
        middle = (low + high) / 2
        half = np.exp(middle) / 2
        rising = np.log(half) - digamma(half) + constant > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return np.clip(np.exp(high), *DOF_BOUNDS)
