"""One slice laid over another."""

from typing import NamedTuple

import numpy as np

from .features import Sites, patterns, pool, presence, spacing
from .field import make_field
from .params import AlignParams
from .refine import Placed, place, refine
from .rigid import angle_between, is_mirrored, similarity
from .search import Start, distinct, search

RIVAL_ANGLES = (30.0, 75.0, 120.0)
"""Degrees from the best rotation beyond which others are looked at; those beyond the first are other answers."""

LOST = (3.91, 4.74)
"""Half the 95 % points of chi-squared with 3 and 4 degrees of freedom: of a rotation and a shift, and of a scale."""


class Slices(NamedTuple):
    """Two slices at one resolution, ready to be compared."""

    step: float
    """Distance between sites."""
    coarse: tuple[Sites, Sites]
    """Moving and fixed slice, features averaged widely."""
    fine: tuple[Sites, Sites]
    """The same, averaged narrowly."""
    area: float
    """Of the larger slice."""


class Pair(NamedTuple):
    """The best placement, and what speaks for and against it."""

    placed: Placed
    contrast: float
    """Best score of the search over that of a typical rotation."""
    rival: float
    """Score of the best placement at another rotation, share of the best score: 1 when as good, 0 without any."""
    mirrored: float
    """Score of the best mirrored placement (of the best one that is not, when the best is), likewise."""
    outline: float
    """Correlation of the slices' borders where these helped to place them; 0 where they were not used."""


def compare(moving: Sites, fixed: Sites, params: AlignParams) -> Slices:
    """Bring two slices (points and embedding) to one resolution and take the features that vary smoothly on both."""
    both = (moving, fixed)
    steps = [spacing(s.xy) for s in both]
    areas = [len(s.xy) * h**2 for s, h in zip(both, steps, strict=True)]
    step = max(*steps, *(float(np.sqrt(a / params.max_sites)) for a in areas))
    sites = [s if h > 0.67 * step else pool(s.xy, s.F, step) for s, h in zip(both, steps, strict=True)]
    coarse, fine = (patterns(sites, w * step, params.n_features) for w in (params.width_coarse, params.width))
    return Slices(step, (coarse[0], coarse[1]), (fine[0], fine[1]), max(areas))


def lay_over(slices: Slices, params: AlignParams, *, allow_reflection: bool = False, scale: bool = False) -> Pair:
    """Search all rotations and shifts, refine the best few, and say how good the second best is.

    Parameters
    ----------
    slices
        Both slices.
    params
        Settings.
    allow_reflection
        Take a mirrored placement when it is better; else it is only looked at.
    scale
        Fit a scale too.

    Returns
    -------
    Placement of the moving slice.
    """
    pixel = max(1.5 * slices.step, float(np.sqrt(slices.area / params.max_pixels)))
    ends: list[Placed] = []
    contrast = []
    for mirrored in (False, True):
        found = search(
            *slices.coarse, pixel=pixel, n_angles=params.n_angles, min_overlap=params.min_overlap, mirrored=mirrored
        )
        ends += _ends(_choose(found.starts, params.n_starts), slices, scale=scale)
        contrast.append(found.starts[0].score / max(found.typical, 1e-9) if found.starts else 0.0)
    ends.sort(key=lambda p: -p.score)
    allowed = [p for p in ends if allow_reflection or not is_mirrored(p.T)]
    if not allowed:  # no shift has enough overlap: tissue thinner than the pixels
        return Pair(
            place(_centred(slices), slices.fine[0], make_field(slices.fine[1], slices.step)), 0.0, 0.0, 0.0, 0.0
        )
    best = allowed[0]
    handed = is_mirrored(best.T)
    second = [p.score for p in allowed if is_mirrored(p.T) == handed and angle_between(p.T, best.T) > RIVAL_ANGLES[0]]
    other = [p.score for p in ends if is_mirrored(p.T) != handed]
    share = lambda scores: float(max([0.0, *scores]) / max(best.score, 1e-9))
    placed, outline = _outlined(best, slices, params, scale=scale)
    return Pair(placed, contrast[int(handed)], share(second), share(other), outline)


def _outlined(best: Placed, slices: Slices, params: AlignParams, *, scale: bool) -> tuple[Placed, float]:
    """Let the borders of the tissue take part, unless the features speak against where these lead.

    Borders of whole sections place a slice better than noisy features do; those of a capture area, or of slices that
    overlap in part, say nothing about the tissue. The features decide, by a likelihood ratio at 5 %: their information
    is counted once for each piece of tissue that they are averaged over.
    """
    moving, fixed = (Sites(s.xy, np.column_stack([s.F, presence(s.xy, slices.step)])) for s in slices.fine)
    guided = refine(best.T, moving, make_field(fixed, slices.step), scale=scale)
    placed = place(guided.T, slices.fine[0], make_field(slices.fine[1], slices.step))
    pieces = best.share * min(len(moving.xy), len(fixed.xy)) / max(4 * np.pi * params.width**2, 1.0)
    if not guided.converged or pieces * (best.score - placed.score) > LOST[int(scale)]:
        return best, 0.0
    return placed, max(float(guided.r[-1]), 0.0)


def _ends(starts: list[Start], slices: Slices, *, scale: bool) -> list[Placed]:
    """Where the starts lead: by wide averages first, the distinct ones by narrow ones."""
    fields = (make_field(slices.coarse[1], slices.step), make_field(slices.fine[1], slices.step))
    rough = sorted((refine(s.T, slices.coarse[0], fields[0], scale=scale) for s in starts), key=lambda p: -p.score)
    apart = distinct([Start(p.T, p.score) for p in rough], slices.coarse[0].xy, angle=1.0, reach=0.3 * slices.step)
    return [refine(s.T, slices.fine[0], fields[1], scale=scale) for s in apart]


def _choose(found: list[Start], n: int) -> list[Start]:
    """The best starts, and the best ones further and further away from them: the nearest ones lead back."""
    far = [next((s for s in found if angle_between(s.T, found[0].T) > angle), None) for angle in RIVAL_ANGLES]
    return [*found[:n], *(s for s in far if s is not None)]


def _centred(slices: Slices) -> np.ndarray:
    """Means upon each other."""
    moving, fixed = slices.coarse
    return similarity(0.0, fixed.xy.mean(axis=0) - moving.xy.mean(axis=0))
