"""Colours for domains: distinct for every kind of colour vision, and far apart where domains touch."""

import numpy as np
from scipy.spatial import cKDTree

# Okabe and Ito's set for colour-blind readers (jfly.uni-koeln.de/color, 2002) without black; more are added by search.
_FIRST = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#f0e442")
# OKLab (Ottosson 2020): linear RGB -> cone responses -> cube root -> lightness, green-red, blue-yellow.
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# Full protanopia and deuteranopia in linear RGB (Machado, Oliveira and Fernandes 2009, severity 1.0).
_BLINDNESS = (
    np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]),
    np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]),
)
_BLIND_WEIGHT = 1.5  # distances shrink under colour blindness; with 1.5 neither view decides alone
_MAX_POINTS = 50_000  # enough to see which domains touch


def palette(n: int) -> list[str]:
    """Return `n` distinct colours, useful up to about 50.

    Parameters
    ----------
    n
        How many, 0 or more.

    Returns
    -------
    Hex strings; a longer palette begins with the shorter one.

    Notes
    -----
    The first seven are Okabe and Ito's. Each further one is the candidate farthest from all before it
    (:func:`color_distance`), out of a grid of colours that are neither grey (kept for missing values), neon, nor too
    light or dark to stand on a white or a black page.
    """
    rgb = _to_rgb(list(_FIRST[:n]))
    if n > len(_FIRST):
        candidates = _candidates()
        nearest = color_distance(candidates, rgb).min(axis=1)
        while len(rgb) < n:
            best = candidates[[nearest.argmax()]]
            rgb = np.concatenate([rgb, best])
            nearest = np.minimum(nearest, color_distance(candidates, best)[:, 0])
    return [_to_hex(c) for c in rgb]


def color_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return how different colours look to the reader who sees the least difference, ``[n, m]``.

    Parameters
    ----------
    a, b
        Colours ``[n, 3]`` and ``[m, 3]``, sRGB within 0..1.

    Notes
    -----
    ``min(d, 1.5 d_protan, 1.5 d_deutan)`` with ``d`` the Euclidean distance in OKLab (black to white is 1), of the
    colours themselves and as simulated for protanopia and deuteranopia.
    """
    views_a, views_b = _views(a), _views(b)
    weights = (1.0, *[_BLIND_WEIGHT] * len(_BLINDNESS))
    far = [
        w * np.linalg.norm(va[:, None] - vb[None], axis=-1) for w, va, vb in zip(weights, views_a, views_b, strict=True)
    ]
    return np.min(far, axis=0)


def domain_colors(
    xy: np.ndarray,
    codes: np.ndarray,
    *,
    n_domains: int | None = None,
    library: np.ndarray | None = None,
    n_neighs: int = 6,
) -> list[str]:
    """Choose a colour for each domain such that domains which touch get colours far apart.

    Parameters
    ----------
    xy
        Coordinates ``[n, d]``.
    codes
        Domain of each row, ``0..n_domains - 1``; negative for none.
    n_domains
        Number of colours, ``codes.max() + 1`` when left out.
    library
        Slide of each row ``[n]``; rows of different slides never touch.
    n_neighs
        Nearest rows that count as touching.

    Returns
    -------
    Hex strings, one for each domain.

    Notes
    -----
    Permutes ``palette(n_domains)`` to lower ``sum_ij w_ij / d(c_i, c_j)^2``, with ``w_ij`` the number of contacts
    between two domains over the geometric mean of their own contact numbers. The best exchange of two colours is made
    until none helps: a local minimum, found in about ``n_domains`` steps and the same on each call.
    """
    codes = np.asarray(codes)
    n_domains = int(codes.max(initial=-1)) + 1 if n_domains is None else n_domains
    colours = palette(n_domains)
    if n_domains < 2:
        return colours
    contact = domain_contacts(xy, codes, n_domains=n_domains, library=library, n_neighs=n_neighs)
    total = contact.sum(axis=1)
    weight = contact / np.sqrt(np.outer(total, total)).clip(min=1)
    rgb = _to_rgb(colours)
    distance = color_distance(rgb, rgb)
    np.fill_diagonal(distance, np.inf)
    return [colours[i] for i in _assign(weight, distance**-2.0)]


def domain_contacts(
    xy: np.ndarray, codes: np.ndarray, *, n_domains: int, library: np.ndarray | None = None, n_neighs: int = 6
) -> np.ndarray:
    """Count the nearest-neighbour pairs between each two domains, ``[n_domains, n_domains]``, symmetric, diagonal 0.

    Parameters are those of :func:`domain_colors`. Above 50,000 rows an even sample is used.
    """
    kept = np.flatnonzero(np.asarray(codes) >= 0)
    if kept.size > _MAX_POINTS:
        kept = kept[np.linspace(0, kept.size - 1, _MAX_POINTS).astype(int)]
    contact = np.zeros((n_domains, n_domains))
    if kept.size < 2:
        return contact
    xy, codes = np.asarray(xy, dtype=float)[kept], np.asarray(codes)[kept]
    k = min(n_neighs + 1, kept.size)
    neighbours = cKDTree(xy).query(xy, k=k)[1][:, 1:]
    rows = np.repeat(np.arange(kept.size), k - 1)
    cols = neighbours.ravel()
    if library is not None:
        slides = np.asarray(library)[kept]
        same = slides[rows] == slides[cols]
        rows, cols = rows[same], cols[same]
    np.add.at(contact, (codes[rows], codes[cols]), 1)
    contact += contact.T
    np.fill_diagonal(contact, 0)
    return contact


def _assign(weight: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Lower ``sum_ij weight_ij similarity_{p_i p_j}`` over permutations p by exchanging two at a time."""
    order = np.arange(len(weight))
    while True:
        S = similarity[np.ix_(order, order)]
        WS = weight @ S
        own = np.diag(WS)
        change = WS + WS.T + 2 * weight * S - own[:, None] - own[None, :]
        i, j = np.unravel_index(change.argmin(), change.shape)
        if change[i, j] > -1e-9:
            return order
        order[[i, j]] = order[[j, i]]


def _candidates() -> np.ndarray:
    """Colours to choose from ``[m, 3]``: a grid of sRGB within bounds of lightness and chroma in OKLab."""
    steps = np.linspace(0, 1, 18)
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    lab = _views(rgb)[0]
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    return rgb[(lab[:, 0] > 0.38) & (lab[:, 0] < 0.90) & (chroma > 0.06) & (chroma < 0.18)]


def _views(rgb: np.ndarray) -> list[np.ndarray]:
    """OKLab coordinates as seen, with protanopia and with deuteranopia."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = [linear, *(linear @ M.T for M in _BLINDNESS)]
    return [np.cbrt(s.clip(0, 1) @ _TO_CONES.T) @ _TO_LAB.T for s in seen]


def _to_rgb(colours: list[str]) -> np.ndarray:
    return np.array([[int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)] for c in colours]).reshape(-1, 3)


def _to_hex(rgb: np.ndarray) -> str:
    return "#" + "".join(f"{round(v * 255):02x}" for v in rgb)
