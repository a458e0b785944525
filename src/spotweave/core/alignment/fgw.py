"""Placement by fused Gromov-Wasserstein transport, the idea of PASTE."""

import numpy as np
from scipy.spatial.distance import cdist

from ..._check import fail
from .pair import Slices
from .rigid import procrustes

MOST_POINTS = 600
"""Of each slice: the transport plan is dense, and its search takes some hundred products of that size."""


def fgw(slices: Slices, rng: np.random.Generator, *, alpha: float = 0.1, allow_reflection: bool = False) -> np.ndarray:
    r"""Couple two slices by features and by distances within each, then take the best similarity.

    The coupling :math:`\pi` with uniform margins minimises

    .. math:: (1 - \alpha) \sum_{ij} \pi_{ij} M_{ij} + \alpha \sum_{ijkl} (D_{ik} - D'_{jl})^2 \pi_{ij} \pi_{kl}

    with M squared differences of features and D distances within a slice, both over their means (Zeira et al. 2022,
    Nat. Methods 19:567). All of the tissue is coupled: slices should overlap nearly fully.

    Parameters
    ----------
    slices
        Both slices; of each at most 600 sites are drawn.
    rng
        Draws them.
    alpha
        Weight of the distances.
    allow_reflection
        Let left and right change places.

    Returns
    -------
    Matrix ``[3, 3]`` from the moving slice to the other.

    Raises
    ------
    InputError
        When POT is not installed.
    """
    try:
        from ot.gromov import fused_gromov_wasserstein
    except ImportError:
        raise fail("POT for method='fgw'", "no package `ot`", "pip install 'spotweave[ot]'") from None
    picked = [np.sort(rng.choice(len(s.xy), min(len(s.xy), MOST_POINTS), replace=False)) for s in slices.coarse]
    A, B = (type(s)(s.xy[i], s.F[i]) for s, i in zip(slices.coarse, picked, strict=True))
    mean = [s.F.mean(axis=0) for s in (A, B)]
    M = cdist(A.F - mean[0], B.F - mean[1], "sqeuclidean")
    C, D = (cdist(s.xy, s.xy) for s in (A, B))
    unit = max(C.mean(), D.mean(), 1e-12)
    p, q = np.full(len(C), 1 / len(C)), np.full(len(D), 1 / len(D))
    plan = np.asarray(fused_gromov_wasserstein(M / max(M.mean(), 1e-12), C / unit, D / unit, p, q, alpha=alpha))
    mass = plan.sum(axis=1)
    return procrustes(
        A.xy, (plan @ B.xy) / mass[:, None], mass, mirrored=None if allow_reflection else False
    )  # partners' means give the same rotation and shift as all pairs
