"""All slices brought into the frame of one of them."""

from typing import Literal, NamedTuple

import numpy as np

from ..._check import check_choice, check_coords, check_range, fail
from ..libraries import library_blocks
from .features import Sites, spacing
from .fgw import fgw
from .field import make_field
from .matching import mutual_matches
from .pair import Pair, Slices, compare, lay_over
from .params import AlignParams
from .refine import place
from .rigid import transform
from .score import slope
from .warp import Warp, bend, fit_warp

FEWEST = 10
"""Points of a slice: fewer do not tell a rotation."""
REACH = 4.0
"""Distance in steps within which partners are looked for."""
MOST_VIA = 3
"""Slices through which an ambiguous one is tried."""


class Fit(NamedTuple):
    """How one slice lies on another."""

    via: int
    """Slice that it was laid over; the reference, unless that was ambiguous and another one was not."""
    pair: Pair
    """Placement in the reference's frame."""
    agreement_before: float
    """Mean correlation of the features over the overlap, each by its variance, where the slice lay; 0 without any."""
    agreement: float
    """The same after placing it."""
    warp: Warp | None
    warp_size: float
    """Mean displacement by the warp, in distances between points."""
    residual: float
    """Median distance of sites that choose each other by features within 4 steps, in steps; NaN without any."""
    warnings: list[str]

    @property
    def ambiguous(self) -> bool:
        """Whether another rotation is about as good, or none is good."""
        return bool(self.warnings) and self.warnings[0].startswith("ambiguous")


class Alignment(NamedTuple):
    """Slices in one frame, in sorted order of their names."""

    xy: np.ndarray
    """Places ``[n, 2]`` in the frame of the reference."""
    transforms: np.ndarray
    """From the frame of each slice to the reference's ``[s, 3, 3]``, without the warp."""
    fits: list[Fit | None]
    """How each slice lies; None for the reference."""


class _How(NamedTuple):
    """Options of every pair."""

    method: str
    warp: bool
    allow_reflection: bool
    scale: bool
    params: AlignParams
    rng: np.random.Generator


def align(
    H: np.ndarray,
    xy: np.ndarray,
    library: np.ndarray,
    *,
    reference: int = 0,
    method: Literal["search", "fgw"] = "search",
    warp: bool = False,
    allow_reflection: bool = False,
    scale: bool = False,
    rng: np.random.Generator | None = None,
    params: AlignParams | None = None,
) -> Alignment:
    """Lay all slices over one of them, O(n).

    Each slice is laid over the reference (see `spotweave.core.alignment.pair.lay_over`); one that is ambiguous there
    is tried over the slices that are in place, the nearest in order first.

    Parameters
    ----------
    H
        Embedding ``[n, d]`` that slices share, leading columns first; each slice is centred here, and again over every
        overlap, so that an offset between slices is of no account.
    xy
        Coordinates ``[n, 2]``.
    library
        Slice of each row ``[n]``, of a sortable type.
    reference
        Which slice, in sorted order, keeps its coordinates.
    method
        ``"search"``: all rotations and shifts; ``"fgw"``: transport (needs POT).
    warp
        Bend slices smoothly afterwards, where held-out tissue says that it helps.
    allow_reflection
        Let slices be mirrored.
    scale
        Fit one scale for each slice, where coordinates are in different units.
    rng
        For the split of a warp's evidence and the sites of a transport; seed 0 when left out.
    params
        Settings.

    Returns
    -------
    Places, matrices and fits.

    Raises
    ------
    InputError
        When there are fewer than 2 slices, or a slice has fewer than 10 points or all of them in one place.
    """
    points = check_coords(xy, "xy")[:, :2]
    rows = library_blocks(len(points), library)
    check_choice(method, ["search", "fgw"], "method")
    _check_slices(points, rows, H)
    check_range(reference, "reference", low=0, high=len(rows) - 1, integer=True, why="slices in sorted order")
    how = _How(method, warp, allow_reflection, scale, params or AlignParams(), rng or np.random.default_rng(0))
    slices = [Sites(points[r], np.asarray(H[r], np.float64)) for r in rows]
    placed, fits = {reference: slices[reference].xy}, dict[int, Fit | None]({reference: None})
    for i in range(len(rows)):
        if i != reference:
            placed[i], fits[i] = _fit(slices[i], slices[reference], reference, how)
    _mend(slices, placed, fits, reference, how)
    result = np.empty_like(points)
    for i, r in enumerate(rows):
        result[r] = placed[i]
    return Alignment(
        result, np.stack([_matrix(fits[i]) for i in range(len(rows))]), [fits[i] for i in range(len(rows))]
    )


def _check_slices(xy: np.ndarray, rows: list[np.ndarray], H: np.ndarray) -> None:
    if len(rows) < 2:
        raise fail("at least two slices", str(len(rows)), "Name their column of obs: library_key=...")
    if len(H) != len(xy):
        raise fail(f"an embedding with a row for each of {len(xy)} points", f"{len(H)} rows")
    least = min(len(r) for r in rows)
    if least < FEWEST:
        raise fail(f"at least {FEWEST} points on every slice", f"a slice of {least}", "Leave such slices out.")
    if min(float(np.ptp(xy[r], axis=0).min()) for r in rows) == 0:
        raise fail("slices that extend in both directions", "one whose points lie on a line, or in one place")


def _matrix(fit: Fit | None) -> np.ndarray:
    return np.eye(3) if fit is None else fit.pair.placed.T


def _fit(moving: Sites, fixed: Sites, via: int, how: _How) -> tuple[np.ndarray, Fit]:
    """Lay one slice over another; return its points in their places."""
    found = [(unit, *_placed(moving, fixed, unit, how)) for unit in (_units(moving, fixed) if how.scale else [1.0])]
    unit, slices, pair = max(found, key=lambda f: f[2].placed.score)
    T, S = pair.placed.T, np.diag([unit, unit, 1.0])
    field = make_field(slices.fine[1], slices.step)
    warp = None
    if how.warp:
        options = {"spacing": how.params.warp_spacing, "blur": how.params.width}
        warp = fit_warp(T, slices.fine[0], field, how.rng, **options)
    moved = lambda xy: transform(T, xy) if warp is None else bend(warp, transform(T, xy))
    xy = moved(moving.xy * unit)
    size = float(np.linalg.norm(xy - transform(T, moving.xy * unit), axis=1).mean() / slices.step)
    before = place(np.diag([1 / unit, 1 / unit, 1.0]), slices.fine[0], field)
    mean = lambda p: float(np.average(p.r, weights=slices.fine[1].F.var(axis=0) + 1e-12))
    residual = _residual(slices, moved(slices.fine[0].xy), pair.placed.r)
    pair = pair._replace(placed=pair.placed._replace(T=T @ S))
    return xy, Fit(via, pair, mean(before), mean(pair.placed), warp, size, residual, _warnings(pair, how))


def _placed(moving: Sites, fixed: Sites, unit: float, how: _How) -> tuple[Slices, Pair]:
    """Compare two slices, the moving one in other units, and place it."""
    slices = compare(moving._replace(xy=moving.xy * unit), fixed, how.params)
    if how.method == "search":
        return slices, lay_over(slices, how.params, allow_reflection=how.allow_reflection, scale=how.scale)
    T = fgw(slices, how.rng, allow_reflection=how.allow_reflection)
    at = place(T, slices.fine[0], make_field(slices.fine[1], slices.step))
    return slices, Pair(at, np.nan, np.nan, np.nan, 0.0)


def _units(moving: Sites, fixed: Sites) -> list[float]:
    """Scales to start from: ratios of extents (which single points far off do not change), and of spacings."""
    both = (moving, fixed)
    extents = [np.sqrt(np.prod(np.subtract(*np.quantile(s.xy, [0.95, 0.05], axis=0)))) for s in both]
    steps = [spacing(s.xy) for s in both]
    return [float(extents[1] / extents[0]), steps[1] / steps[0]]


def _residual(slices: Slices, xy: np.ndarray, r: np.ndarray) -> float:
    moving, fixed = slices.fine
    weight = slope(r) / np.maximum(fixed.F.var(axis=0), 1e-12)
    distance = mutual_matches(moving._replace(xy=xy), fixed, REACH * slices.step, weight).distance
    return float(np.median(distance) / slices.step) if len(distance) else float("nan")


def _warnings(pair: Pair, how: _How) -> list[str]:
    params, found = how.params, []
    other = max(pair.rival, pair.mirrored) if how.allow_reflection else pair.rival
    if pair.contrast < params.contrast:
        found.append("ambiguous: no placement stands out; do the slices share a pattern?")
    elif other > params.ambiguous:
        found.append(f"ambiguous: another placement scores {100 * other:.0f} % of the best one")
    if not how.allow_reflection and pair.mirrored > 1 / params.ambiguous:
        found.append("mirrored: the slice fits better when mirrored; pass allow_reflection=True")
    if not pair.placed.converged:
        found.append("not converged: the placement still moved at the last step")
    return found


def _mend(
    slices: list[Sites], placed: dict[int, np.ndarray], fits: dict[int, Fit | None], reference: int, how: _How
) -> None:
    """Lay ambiguous slices over others that are in place."""
    sure = [i for i, fit in fits.items() if i != reference and fit is not None and not fit.ambiguous]
    for i in sorted(set(fits) - set(sure) - {reference}):
        for j in sorted(sure, key=lambda j: abs(j - i))[:MOST_VIA]:
            xy, fit = _fit(slices[i], Sites(placed[j], slices[j].F), j, how)
            if not fit.ambiguous:
                placed[i], fits[i] = xy, fit
                sure.append(i)
                break
