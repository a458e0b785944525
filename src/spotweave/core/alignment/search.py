"""All rotations and shifts of one slice over another, compared at once by Fourier transforms."""

from typing import NamedTuple

import numpy as np
import scipy.fft

from .features import Sites
from .rigid import angle_between, similarity, transform
from .score import information

COVERED = 0.4
"""Weight of points above which a pixel is tissue."""
APART = 4
"""Pixels between two shifts at one rotation that count as two."""
PEAKS = 3
"""Shifts looked at for each rotation."""


class Raster(NamedTuple):
    """Features on square pixels."""

    mask: np.ndarray
    """Is there tissue ``[h, w]``, 1 or 0."""
    F: np.ndarray
    """Features ``[f, h, w]``, 0 elsewhere."""
    origin: np.ndarray
    """Place of pixel (0, 0) ``[2]``."""


class Start(NamedTuple):
    """A placement of the moving slice."""

    T: np.ndarray
    """Matrix ``[3, 3]``."""
    score: float


class Search(NamedTuple):
    """What was found."""

    starts: list[Start]
    """Distinct placements (three at each rotation before the like ones are dropped), the best first."""
    typical: float
    """Median over rotations of the best score: what a wrong rotation reaches."""


def search(
    moving: Sites,
    fixed: Sites,
    *,
    pixel: float,
    n_angles: int = 72,
    min_overlap: float = 0.3,
    mirrored: bool = False,
) -> Search:
    r"""Score every rotation (in steps) and shift (in pixels) of one slice over another.

    The score of a placement is the share that overlaps times the `information` of the features' correlations over the
    overlap. Means and variances are those of the overlap, so an offset or a factor between slices is of no account.
    All shifts of one rotation come from a few products of Fourier transforms (masked normalised cross-correlation,
    Padfield 2012, IEEE Trans. Image Process. 21:2706).

    Parameters
    ----------
    moving, fixed
        Places and features.
    pixel
        Side of a pixel, unit of the coordinates.
    n_angles
        Rotations over the full circle.
    min_overlap
        Least overlap, share of the smaller slice.
    mirrored
        Mirror the moving slice.

    Returns
    -------
    Placements, and what a wrong rotation reaches.
    """
    below = rasterise(fixed.xy, fixed.F, pixel)
    reach = np.linalg.norm(np.ptp(moving.xy, axis=0)) / pixel
    shape = tuple(scipy.fft.next_fast_len(int(side + reach) + 4, real=True) for side in below.mask.shape)
    spectrum = _spectra(below, shape)
    found: list[Start] = []
    best = np.zeros(n_angles)
    for i, angle in enumerate(np.arange(n_angles) * 2 * np.pi / n_angles):
        R = similarity(angle, np.zeros(2), mirrored=mirrored)
        above = rasterise(transform(R, moving.xy), moving.F, pixel)
        scores = _scores(above, _spectra(above, shape), below, spectrum, shape, min_overlap)
        best[i] = max(float(scores.max()), 0.0)
        for value, d in _peaks(scores, shape):
            shift = below.origin - above.origin + pixel * d
            found.append(Start(similarity(angle, shift, mirrored=mirrored), value))
    ranked = sorted(found, key=lambda s: -s.score)
    starts = distinct(ranked, moving.xy, angle=0.75 * 360 / n_angles, reach=APART * pixel)
    return Search(starts, float(np.median(best)))


def distinct(ranked: list[Start], xy: np.ndarray, *, angle: float, reach: float) -> list[Start]:
    """Keep placements that differ from all better ones by more than `angle` degrees, or by `reach` in the middle."""
    middle = xy.mean(axis=0, keepdims=True)
    kept: list[Start] = []
    for s in ranked:
        at = transform(s.T, middle)
        if all(angle_between(s.T, o.T) > angle or np.linalg.norm(at - transform(o.T, middle)) > reach for o in kept):
            kept.append(s)
    return kept


def rasterise(xy: np.ndarray, F: np.ndarray, pixel: float) -> Raster:
    """Average features ``[m, f]`` over pixels; each point is shared by the four nearest ones (bilinear weights)."""
    origin = xy.min(axis=0)
    place = (xy - origin) / pixel
    corner = np.floor(place).astype(np.int64)
    part = place - corner
    w, h = corner.max(axis=0) + 2
    weight, sums = np.zeros(h * w), np.zeros((F.shape[1], h * w))
    for dx, dy in ((0, 0), (1, 0), (0, 1), (1, 1)):
        share = np.abs(1 - dx - part[:, 0]) * np.abs(1 - dy - part[:, 1])
        index = (corner[:, 1] + dy) * w + corner[:, 0] + dx
        weight += np.bincount(index, share, h * w)
        sums += np.stack([np.bincount(index, share * f, h * w) for f in F.T])
    tissue = weight > COVERED
    mean = np.divide(sums, weight, out=np.zeros_like(sums), where=tissue)
    return Raster(tissue.astype(float).reshape(h, w), mean.reshape(-1, h, w), origin)


def _spectra(raster: Raster, shape: tuple[int, ...]) -> np.ndarray:
    """Transforms of mask, features and their squares ``[1 + 2 f, ...]``."""
    return scipy.fft.rfft2(np.concatenate([raster.mask[None], raster.F, raster.F**2]), s=shape)


def _scores(
    above: Raster, A: np.ndarray, below: Raster, B: np.ndarray, shape: tuple[int, ...], min_overlap: float
) -> np.ndarray:
    """Score of every shift, ``-inf`` where too little overlaps."""
    f = len(above.F)
    over = lambda P, Q: scipy.fft.irfft2(np.conj(P) * Q, s=shape)
    n = over(A[0], B[0])
    least = min(above.mask.sum(), below.mask.sum())
    enough = n > max(min_overlap * least, 4)
    safe = np.where(enough, n, 1.0)
    sum_a, sum_b = over(A[1 : f + 1], B[0]), over(A[0], B[1 : f + 1])
    square_a = over(A[f + 1 :], B[0]) - sum_a**2 / safe
    square_b = over(A[0], B[f + 1 :]) - sum_b**2 / safe
    both = over(A[1 : f + 1], B[1 : f + 1]) - sum_a * sum_b / safe
    spread = np.sqrt(np.maximum(square_a, 0) * np.maximum(square_b, 0))
    r = np.divide(both, spread, out=np.zeros_like(both), where=spread > 1e-9 * safe)
    return np.where(enough, n / least * information(r, axis=0), -np.inf)


def _peaks(scores: np.ndarray, shape: tuple[int, ...]) -> list[tuple[float, np.ndarray]]:
    """Best shifts, at least some pixels apart: score, and shift in pixels (x, y)."""
    scores, found = scores.copy(), []
    h, w = shape
    for _ in range(PEAKS):
        y, x = np.unravel_index(scores.argmax(), scores.shape)
        value = scores[y, x]
        if not np.isfinite(value):
            break
        found.append((float(value), np.array([x - w * (x > w / 2), y - h * (y > h / 2)], float)))
        rows, columns = np.arange(y - APART, y + APART + 1) % h, np.arange(x - APART, x + APART + 1) % w
        scores[np.ix_(rows, columns)] = -np.inf
    return found
