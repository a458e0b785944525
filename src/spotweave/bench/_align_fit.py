"""Ways to bring slices into one frame."""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ..core.alignment.rigid import transform
from ._align_data import Moved
from ._integrate_fit import uncorrected
from ._integrate_sets import SLICE

Settings = Mapping[str, Any]
METHODS: dict[str, Settings] = {
    "moments": {"rival": "moments"},
    "align": {},
    "align-warp": {"warp": True},
    "align-fgw": {"method": "fgw"},
}
"""Arguments of `tl.align`, or a ``rival``."""
GROUPS = {"all": list(METHODS), "main": [name for name in METHODS if name != "align-fgw"]}  # which needs POT


def warm(settings: Settings) -> None:
    """Import what a run needs."""
    for module in ["anndata", "spotweave.io", "spotweave.metrics", "spotweave.tl"]:
        import_module(module)


def fit(moved: Moved, settings: Settings, seed: int) -> np.ndarray:
    """Return places ``[n, 2]`` in the frame of the first slice."""
    if "rival" in settings:
        return RIVALS[settings["rival"]](moved, seed)
    from .. import tl

    adata = moved.adata.copy()
    tl.align(adata, library_key=SLICE, reference=moved.reference, rng=seed, **settings)
    return np.asarray(adata.obsm["spatial_aligned"])[:, :2]


def moments(moved: Moved, seed: int) -> np.ndarray:
    """Put means and principal axes upon each other; of the two ways to do so, the one where neighbours are more alike.

    Alike are joint principal components, centred on each slice. No slice is mirrored.
    """
    xy, H = np.array(moved.adata.obsm["spatial"], np.float64), uncorrected(moved.adata, seed)
    fixed = np.flatnonzero(moved.names == moved.reference)
    H_fixed, tree = H[fixed] - H[fixed].mean(axis=0), cKDTree(xy[fixed])
    for rows in moved.moving:
        H_own = H[rows] - H[rows].mean(axis=0)
        ways = [transform(T, xy[rows]) for T in _upon(xy[rows], xy[fixed])]
        apart = [np.linalg.norm(H_own - H_fixed[tree.query(way)[1]], axis=1).mean() for way in ways]
        xy[rows] = ways[int(np.argmin(apart))]
    return xy


RIVALS: dict[str, Callable[[Moved, int], np.ndarray]] = {"moments": moments}


def _upon(A: np.ndarray, B: np.ndarray) -> list[np.ndarray]:
    """Both rotations ``[3, 3]`` that bring the mean and the principal axes of points A to those of B."""
    axes = [np.linalg.eigh(np.cov(points.T))[1] for points in (A, B)]
    found = []
    for sign in (1.0, -1.0):
        R = axes[1] @ np.diag([sign, 1.0]) @ axes[0].T
        R = R if np.linalg.det(R) > 0 else axes[1] @ np.diag([sign, -1.0]) @ axes[0].T
        T = np.eye(3)
        T[:2, :2], T[:2, 2] = R, B.mean(axis=0) - R @ A.mean(axis=0)
        found.append(T)
    return found
