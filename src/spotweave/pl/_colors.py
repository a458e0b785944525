"""Which colour a category gets: the object's own, the caller's, or one chosen for the map."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import is_color_like, to_hex
from scipy.optimize import linear_sum_assignment

from .._check import fail, listing
from ..core import colors as _kernel

MISSING = "#d4d4d4"
Palette = str | Sequence[str] | Mapping[str, str]


def palette(n: int) -> list[str]:
    """Return `n` colours that stay distinct for colour-blind readers, useful up to about 50.

    Parameters
    ----------
    n
        How many, 0 or more.

    Returns
    -------
    Hex strings. The first seven are Okabe and Ito's; see :func:`spotweave.core.colors.palette`.
    """
    return _kernel.palette(n)


def given_colors(chosen: Palette, categories: Sequence[str]) -> list[str]:
    """Colours of the caller's `palette`: a matplotlib colormap's name, a list, or a dict by category."""
    if isinstance(chosen, str):
        if chosen not in mpl.colormaps:
            raise fail("`palette` as a matplotlib colormap, a list or a dict of colours", repr(chosen))
        cmap = mpl.colormaps[chosen]
        listed = getattr(cmap, "colors", None)
        if listed is not None and len(listed) < 256:
            return [to_hex(listed[i % len(listed)]) for i in range(len(categories))]
        return [to_hex(c) for c in cmap(np.linspace(0, 1, len(categories)))]
    if isinstance(chosen, Mapping):
        return [_hex(chosen.get(c, MISSING)) for c in categories]
    if len(chosen) < len(categories):
        raise fail(f"at least {len(categories)} colours in `palette`", str(len(chosen)))
    return [_hex(c) for c in chosen[: len(categories)]]


def stored_colors(stored: Any, n: int) -> list[str] | None:
    """Colours of ``uns[f"{key}_colors"]``, None when there are too few or they are no colours."""
    listed = [] if stored is None else list(np.atleast_1d(stored))
    if len(listed) < n or not all(is_color_like(c) for c in listed[:n]):
        return None
    return [to_hex(c) for c in listed[:n]]


def matched_colors(codes: np.ndarray, n: int, reference: np.ndarray, reference_colors: Sequence[str]) -> list[str]:
    """Give each of `n` categories the colour of the reference category that it shares most rows with, one to one.

    `codes` and `reference` are category codes ``[rows]``, negative for none. Categories without a partner get colours
    of their own. The matching is that of :func:`spotweave.metrics.align_labels`.
    """
    shared = np.zeros((n, len(reference_colors)))
    both = (codes >= 0) & (reference >= 0)
    np.add.at(shared, (codes[both], reference[both]), 1)
    partner = {i: j for i, j in zip(*linear_sum_assignment(-shared), strict=True) if shared[i, j]}
    spare = iter(c for c in palette(n + len(reference_colors)) if c not in set(reference_colors))
    return [reference_colors[partner[i]] if i in partner else next(spare) for i in range(n)]


def _hex(colour: Any) -> str:
    if not is_color_like(colour):
        raise fail("colours that matplotlib knows in `palette`", listing([colour]))
    return to_hex(colour)
