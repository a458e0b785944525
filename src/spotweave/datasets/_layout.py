"""Anatomy in unit coordinates: the outline of the tissue, its domains and its smooth gradients.

Everything is a function of position that needs no list of cells, so that a tissue of any size can be evaluated
piece by piece. Unit coordinates ``u`` put the tissue within about [-1.2, 1.2] in both directions.
"""

from collections.abc import Callable

import numpy as np

DomainMap = Callable[[np.ndarray], np.ndarray]  # [n, 2] unit coordinates -> [n] codes of domains
Field = Callable[[np.ndarray], np.ndarray]  # [n, 2] unit coordinates -> [n] values

N_OUTLINE = 180
MAX_RADIUS = 1.3  # no outline reaches further


def make_outline(rng: np.random.Generator) -> np.ndarray:
    """Return the tissue's border, a closed polygon ``[180, 2]``: a square with round corners and uneven sides."""
    angle = np.linspace(0, 2 * np.pi, N_OUTLINE, endpoint=False)
    radius = (np.abs(np.cos(angle)) ** 3 + np.abs(np.sin(angle)) ** 3) ** (-1 / 3)
    for k in (2, 3, 4, 5):
        radius *= 1 + rng.uniform(0.01, 0.03) * np.cos(k * angle + rng.uniform(0, 2 * np.pi))
    return np.minimum(radius, MAX_RADIUS)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])


def sample_inside(outline: np.ndarray, rng: np.random.Generator, n: int = 4_000) -> np.ndarray:
    """Draw `n` points ``[n, 2]`` spread evenly over the (star-shaped) outline."""
    border = outline[rng.integers(len(outline), size=n)]
    # an even spread within a wedge needs the root of the radius, and wide wedges more points
    kept = rng.random(n) < (border**2).sum(axis=1) / (MAX_RADIUS**2)
    points = (border * np.sqrt(rng.random(n))[:, None])[kept]
    return points[rng.integers(len(points), size=n)]


def make_domain_map(kind: str, n_domains: int, inside: np.ndarray, rng: np.random.Generator) -> DomainMap:
    """Return the function from unit coordinates to domain codes.

    ``layers``: curved bands of unequal area; ``rings``: off-centre shells of unequal width, the middle the widest; in
    both the largest is 3 times the smallest.  ``blobs``: about 2.5 patches a domain, with wavy borders.
    """
    if kind == "blobs":
        return _patches(n_domains, inside, rng)
    weight = rng.permutation(np.linspace(1, 3, n_domains))
    if kind == "layers":
        depth = _layer_depth(rng)
        return _cut(depth, np.quantile(depth(inside), _borders(weight)))
    depth = _ring_depth(rng)
    middle = int(weight.argmax())  # a narrow middle would be a handful of spots
    weight[[0, middle]] = weight[[middle, 0]]
    return _cut(depth, np.quantile(depth(inside), 0.98) * _borders(weight))


def make_fields(rng: np.random.Generator) -> tuple[Field, Field]:
    """Return two smooth gradients over the tissue, with values within about [-1.5, 1.5]."""
    direction, waves = _unit_vector(rng), _unit_vector(rng) * 2.5
    phase = rng.uniform(0, 2 * np.pi)
    return (lambda u: 1.4 * u @ direction, lambda u: 1.4 * np.sin(u @ waves + phase))


def soft_membership(domain_of: DomainMap, u: np.ndarray, radius: float, n_domains: int) -> np.ndarray:
    """Return the share ``[n, n_domains]`` of each domain in a disc around each point; one-hot for radius 0."""
    turns = np.arange(6) * np.pi / 3
    # centre plus six points at the radius that halves the disc's area: seven equal pieces of it
    offsets = np.vstack([[0.0, 0.0], np.column_stack([np.cos(turns), np.sin(turns)]) * radius * np.sqrt(0.5)])
    shares = np.zeros((len(u), n_domains), dtype=np.float32)
    for offset in offsets if radius else offsets[:1]:
        shares[np.arange(len(u)), domain_of(u + offset)] += 1
    return shares / shares.sum(axis=1, keepdims=True)


def _layer_depth(rng: np.random.Generator) -> Field:
    """Distance from an arched surface, as from the pia of a gyrus."""
    normal, bend, centre = _unit_vector(rng), rng.uniform(0.2, 0.35), rng.uniform(-0.3, 0.3)
    along = np.array([-normal[1], normal[0]])
    warp = _make_warp(rng, 0.04)

    def depth(u: np.ndarray) -> np.ndarray:
        u = warp(u)
        return u @ normal + bend * (u @ along - centre) ** 2

    return depth


def _ring_depth(rng: np.random.Generator) -> Field:
    """Distance from an off-centre middle, slightly oval."""
    centre, oval, warp = rng.uniform(0.1, 0.3) * _unit_vector(rng), rng.uniform(0.8, 1.2), _make_warp(rng, 0.05)
    return lambda u: np.hypot(*((warp(u) - centre) * [oval, 1 / oval]).T)


def _borders(weight: np.ndarray) -> np.ndarray:
    """Return where parts of a whole end, the last left out: [1, 3, 4] -> [1/8, 1/2]."""
    return np.cumsum(weight)[:-1] / weight.sum()


def _cut(depth: Field, borders: np.ndarray) -> DomainMap:
    return lambda u: np.searchsorted(borders, depth(u))


def _patches(n_domains: int, inside: np.ndarray, rng: np.random.Generator) -> DomainMap:
    """Nearest of some spread-out seeds, seen through wavy glass; several seeds share a domain."""
    from scipy.spatial import cKDTree

    n_seeds = n_domains * 5 // 2 if n_domains > 1 else 1
    seeds = _spread_out(inside, n_seeds, rng)
    owner = rng.permutation(n_seeds) % n_domains
    tree, warp = cKDTree(seeds), _make_warp(rng, 0.07)
    return lambda u: owner[tree.query(warp(u))[1]]


def _spread_out(points: np.ndarray, n: int, rng: np.random.Generator) -> np.ndarray:
    """Choose `n` points, each the farthest from those before it among 10 random ones (Mitchell's best candidate)."""
    chosen = [points[rng.integers(len(points))]]
    while len(chosen) < n:
        candidates = points[rng.integers(len(points), size=10)]
        gap = ((candidates[:, None] - np.array(chosen)) ** 2).sum(axis=2).min(axis=1)
        chosen.append(candidates[gap.argmax()])
    return np.array(chosen)


def _make_warp(rng: np.random.Generator, amplitude: float) -> Callable[[np.ndarray], np.ndarray]:
    """Return a smooth displacement of the plane, the sum of four waves."""
    waves, phase = rng.normal(0, 4.0, size=(2, 4)), rng.uniform(0, 2 * np.pi, size=4)
    push = rng.normal(0, amplitude, size=(4, 2))
    return lambda u: u + np.sin(u @ waves + phase) @ push


def _unit_vector(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.cos(angle), np.sin(angle)])
