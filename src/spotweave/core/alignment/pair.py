"""One slice laid over another."""

from typing import NamedTuple

import numpy as np

from .features import Sites, patterns, pool, spacing
from .field import make_field
from .params import AlignParams
from .refine import Placed, refine
from .rigid import angle_between, is_mirrored
from .search import Start, distinct, search


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
    """The best placement, and what speaks against it."""

    placed: Placed
    rival: float
    """Score of the best placement at another rotation, share of the best score: 1 when as good, 0 without any."""
    mirrored: float
    """Score of the best mirrored placement (or of the best one that is not, when the best is), likewise."""


def compare(moving: Sites, fixed: Sites, params: AlignParams) -> Slices:
    """Bring two slices (points and embedding) to one resolution and take the features that vary smoothly on both."""
    both = (moving, fixed)
    steps = [spacing(s.xy) for s in both]
    areas = [len(s.xy) * h**2 for s, h in zip(both, steps, strict=True)]
    step = max(*steps, *(float(np.sqrt(a / params.max_sites)) for a in areas))
    sites = [s if h > 0.67 * step else pool(s.xy, s.F, step) for s, h in zip(both, steps, strict=True)]
    coarse, fine = (patterns(sites, w * step, params.n_features) for w in (params.width_coarse, params.width))
    return Slices(step, (coarse[0], coarse[1]), (fine[0], fine[1]), max(areas))


def lay_over(slices: Slices, params: AlignParams, *, allow_reflection: bool, scale: bool) -> Pair:
    """Search all rotations and shifts, refine the best few, and say how good the second best is."""
    starts = [s for mirrored in (False, True) for s in _starts(slices, params, mirrored=mirrored)]
    fields = (make_field(slices.coarse[1], slices.step), make_field(slices.fine[1], slices.step))
    rough = [refine(s.T, slices.coarse[0], fields[0], scale=scale) for s in starts]
    rough = _best_first(rough)
    allowed = [p for p in rough if allow_reflection or not is_mirrored(p.T)]
    mirrored = [p for p in rough if is_mirrored(p.T) != is_mirrored(allowed[0].T)]
    top = [refine(p.T, slices.fine[0], fields[1], scale=scale) for p in _apart(allowed, slices)]
    best = _best_first(top)[0]
    others = [p for p in allowed if angle_between(p.T, best.T) > params.rival_angle]
    last = lambda found: refine(found[0].T, slices.fine[0], fields[1], scale=scale).score if found else 0.0
    share = lambda score: float(np.clip(score / max(best.score, 1e-9), 0.0, 1e3))
    return Pair(best, share(last(others)), share(last(mirrored)))


def _starts(slices: Slices, params: AlignParams, *, mirrored: bool) -> list[Start]:
    """The best placements of the search, and among them one at another rotation."""
    pixel = max(1.5 * slices.step, float(np.sqrt(slices.area / params.max_pixels)))
    found = search(
        *slices.coarse, pixel=pixel, n_angles=params.n_angles, min_overlap=params.min_overlap, mirrored=mirrored
    )
    n = 2 if mirrored else params.n_starts
    other = [s for s in found if angle_between(s.T, found[0].T) > params.rival_angle]
    return [*found[: n - 1], *other[:1]]


def _best_first(placed: list[Placed]) -> list[Placed]:
    return sorted(placed, key=lambda p: -p.score)


def _apart(placed: list[Placed], slices: Slices, n: int = 3) -> list[Placed]:
    """The best few that did not end in the same place."""
    ranked = [Start(p.T, p.score) for p in placed]
    kept = {id(s.T) for s in distinct(ranked, slices.coarse[0].xy, angle=1.0, reach=0.3 * slices.step)}
    return [p for p in placed if id(p.T) in kept][:n]
