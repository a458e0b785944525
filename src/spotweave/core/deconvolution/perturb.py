"""How far shares would move with other counts: fits of perturbed quadratic problems."""

import numpy as np

from .nonnegative import solve

RIDGE = 1e-9


def shares_sd(
    H: np.ndarray,
    b: np.ndarray,
    W: np.ndarray,
    *,
    own: np.ndarray,
    cells: np.ndarray,
    n_draws: int,
    rng: np.random.Generator,
) -> np.ndarray:
    r"""Standard deviations of shares by a parametric bootstrap.

    Were the spot measured again, the linear term of its quadratic problem would be normal around b with the
    information H as covariance: each draw :math:`b^* = b + H^{1/2} z` is solved anew under the same bounds, from which
    weights that are pinned at 0 get their (small) spread as well.

    Parameters
    ----------
    H, b
        Information ``[n, k, k]`` and linear term ``[n, k]``.
    W
        Solution ``[n, k]``.
    own
        Columns whose shares are wanted ``[t]``.
    cells
        Amount that a cell of each of them counts for ``[t]``.
    n_draws
        Draws.
    rng
        Draws.

    Returns
    -------
    ``[n, t]``, float32.
    """
    k = H.shape[1]
    ridge = (RIDGE * np.trace(H, axis1=1, axis2=2) / k + 1e-30)[:, None, None] * np.eye(k)
    root, first, second = _root(H + ridge), np.zeros((len(W), len(own))), np.zeros((len(W), len(own)))
    z = rng.standard_normal((len(W), n_draws, k), np.float32)  # spot by spot: the same in blocks of any size
    for draw in range(n_draws):
        noise = np.einsum("nij,nj->ni", root, z[:, draw])
        A = solve(H, b + noise, W, n_sweeps=25)[:, own] / cells
        shares = A / np.maximum(A.sum(axis=1, keepdims=True), 1e-12)
        first += shares
        second += shares**2
    variance = (second - first**2 / n_draws) / max(n_draws - 1, 1)
    return np.sqrt(np.maximum(variance, 0.0)).astype(np.float32)


def _root(H: np.ndarray) -> np.ndarray:
    """Matrices whose products with their transposes are `H`, even where types are alike and `H` is singular."""
    try:
        return np.linalg.cholesky(H)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(H)
        return vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
