"""How cell types look under haematoxylin and eosin, and where nuclei lie."""

from typing import NamedTuple

import numpy as np

from ._params import CELLS_PER_SPOT, SPOT_DIAMETER_UM

CELLS_PER_UM2 = CELLS_PER_SPOT / (np.pi * (SPOT_DIAMETER_UM / 2) ** 2)


class TypeLooks(NamedTuple):
    """Appearance of each cell type, arrays ``[t]``."""

    radius_um: np.ndarray  # of the nucleus
    elongation: np.ndarray  # long axis over short axis
    haematoxylin: np.ndarray  # optical density of the nucleus
    eosin: np.ndarray  # optical density of the surroundings
    size_sd: np.ndarray  # log-sd of the radius between nuclei


class Nuclei(NamedTuple):
    """Cells to draw."""

    xy: np.ndarray  # [m, 2] micrometres
    type: np.ndarray  # [m] code


def make_looks(n_types: int, rng: np.random.Generator) -> TypeLooks:
    """Spread the types over the range from small, round and dark (lymphocytes) to large and pale (neurons)."""
    order = rng.permutation(n_types) / max(n_types - 1, 1)
    return TypeLooks(
        radius_um=2.0 + 1.9 * order,
        elongation=rng.permutation(np.linspace(1.1, 2.1, n_types)),
        haematoxylin=np.clip(1.4 - 0.7 * order + rng.normal(0, 0.05, n_types), 0.4, 1.6),
        eosin=rng.permutation(np.linspace(0.1, 0.6, n_types)),
        size_sd=rng.uniform(0.08, 0.2, n_types),
    )


def scatter_nuclei(
    xy: np.ndarray, proportions: np.ndarray, n_cells: np.ndarray, pitch: float, rng: np.random.Generator
) -> Nuclei:
    """Fill the tissue around spots with cells: types as in the nearest spot, as dense as its number of cells says."""
    from scipy.spatial import cKDTree

    most = n_cells.max()
    step = np.sqrt(CELLS_PER_SPOT / CELLS_PER_UM2 / most)
    low, high = xy.min(axis=0) - pitch, xy.max(axis=0) + pitch
    grid = np.stack(np.meshgrid(*[np.arange(a, b, step) for a, b in zip(low, high, strict=True)]), axis=-1)
    points = grid.reshape(-1, 2) + rng.uniform(-0.5, 0.5, size=(grid.size // 2, 2)) * step
    distance, spot = cKDTree(xy).query(points, distance_upper_bound=0.62 * pitch)  # hexagons reach 0.58 pitches
    kept = np.isfinite(distance)
    kept[kept] = rng.random(kept.sum()) * most < n_cells[spot[kept]]
    return Nuclei(points[kept], draw_types(proportions[spot[kept]], rng))


def draw_types(proportions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draw one type code ``[n]`` from each row of shares ``[n, t]``."""
    upper = np.cumsum(proportions, axis=1)
    return ((rng.random(len(upper)) * upper[:, -1])[:, None] >= upper[:, :-1]).sum(axis=1)
