"""Shapes of gene patterns: functions of position with mean 0 and standard deviation 1."""

from collections.abc import Callable

import numpy as np

N_BUMPS = 3
BUMP_WIDTH = (0.08, 0.25)  # standard deviation, of the side of the tissue
N_BANDS = 6
SOFTNESS = 0.02  # of the border of a band, of the side of the tissue
NICHE_PITCHES = 2.0  # standard deviation of a niche, in mean distances of neighbours
NICHES_PER_POINT = 1 / 300  # so that niches (some 25 points each) take up a twelfth of the area


def draw_shapes(xy: np.ndarray, kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `n` patterns on points ``[p, 2]``.

    Parameters
    ----------
    xy
        Positions, in any unit.
    kind
        One of `SHAPES`, or ``"mixed"`` (each of them in turn).
    n
        How many.
    rng
        Source of chance.

    Returns
    -------
    Patterns ``[p, n]``; 0 where all points are one.
    """
    u = (xy - xy.min(axis=0)) / max(float(np.ptp(xy, axis=0).max()), np.finfo(float).tiny)
    draws = {name: make(u, rng) for name, make in SHAPES.items() if kind in (name, "mixed")}
    kinds = list(draws)
    patterns = np.column_stack([draws[kinds[i % len(kinds)]]() for i in range(n)])
    patterns -= patterns.mean(axis=0)
    sd = patterns.std(axis=0)
    return np.divide(patterns, sd, out=np.zeros_like(patterns), where=sd > 1e-9)


def _bumps(u: np.ndarray, rng: np.random.Generator) -> Callable[[], np.ndarray]:
    """Sum of three Gaussian bumps of random place, width, height and sign."""

    def draw() -> np.ndarray:
        centre = rng.random((N_BUMPS, 2)) * u.max(axis=0)
        width = rng.uniform(*BUMP_WIDTH, N_BUMPS)
        height = rng.uniform(0.5, 1, N_BUMPS) * rng.choice([-1, 1], N_BUMPS)
        distance = ((u[:, None] - centre) ** 2).sum(axis=2)
        return np.exp(-distance / (2 * width**2)) @ height

    return draw


def _layers(u: np.ndarray, rng: np.random.Generator) -> Callable[[], np.ndarray]:
    """Bands of an arched depth, the same for all patterns, each time with new levels."""
    angle, bend = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.35)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    along, across = ((u - u.max(axis=0) / 2) @ turn).T
    depth = across + bend * along**2
    weight = rng.permutation(np.linspace(1, 3, N_BANDS))
    borders = np.quantile(depth, np.cumsum(weight)[:-1] / weight.sum())
    steps = 1 / (1 + np.exp(-np.clip((depth[:, None] - borders) / SOFTNESS, -50, 50)))

    def draw() -> np.ndarray:
        return steps @ np.diff(rng.normal(size=N_BANDS))

    return draw


def _niches(u: np.ndarray, rng: np.random.Generator) -> Callable[[], np.ndarray]:
    """Small patches that are all alike, scattered at random."""
    pitch = np.sqrt(max(float(np.prod(u.max(axis=0))), np.finfo(float).tiny) / len(u))
    n_niches = max(round(len(u) * NICHES_PER_POINT), 1)

    def draw() -> np.ndarray:
        from scipy.spatial import cKDTree

        centre = u[rng.integers(len(u), size=n_niches)]
        return np.exp(-((cKDTree(centre).query(u)[0] / (NICHE_PITCHES * pitch)) ** 2) / 2)

    return draw


SHAPES = {"bumps": _bumps, "layers": _layers, "niches": _niches}
"""``(u, rng) -> draw``: unit coordinates ``[p, 2]`` to a function that draws one pattern ``[p]`` after another."""
