"""Data of the interactive map: positions and values as small integers in base64."""

from base64 import b64encode
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.colors import Colormap, to_hex

from .._table import get_coords
from ..pl._markers import fit_marker
from ..pl._results import DOUBT
from ..pl._values import Categories
from ._context import Context
from ._histology_layers import histology_layers

MAX_CELLS = 20_000
_GAP = 0.08  # between slides, of a slide's side
_NAME = 0.08  # room above each slide for its name, where there are several
_STEPS = 65_535  # 16-bit positions


def map_data(context: Context) -> dict[str, Any]:
    """Return what the page's script draws: slides in a grid, one marker shape a slide, layers of values.

    Above 20,000 cells an even sample is drawn with a fixed seed; ``n_cells`` and ``n_shown`` say so.
    """
    shown = _sample(context)
    layers = _layers(context, shown)
    # a sample of n / a cells is drawn with markers a times the area
    xy, slides, width, height = _arrange(context, grow=float(np.sqrt((context.slide_codes >= 0).sum() / shown.size)))
    positions = np.rint(xy[shown] / max(width, height) * _STEPS).astype("<u2")
    return {
        "n_cells": context.adata.n_obs,
        "n_shown": int(shown.size),
        "width": width,
        "height": height,
        "x": _packed(positions[:, 0]),
        "y": _packed(positions[:, 1]),
        "slide": _packed(context.slide_codes[shown].astype("<u2")),
        "slides": slides,
        "layers": layers,
        "views": list(range(min(len(layers), 2))),  # two maps side by side, what each shows first
    }


def _sample(context: Context) -> np.ndarray:
    rows = np.flatnonzero(context.slide_codes >= 0)
    if rows.size <= MAX_CELLS:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, MAX_CELLS, replace=False))


def _arrange(context: Context, *, grow: float) -> tuple[np.ndarray, list[dict[str, Any]], float, float]:
    """Put the slides side by side: each scaled to a longer side of 1, and its marker with it."""
    xy = get_coords(context.adata, context.spatial_key)[:, :2].copy()
    n = len(context.slides)
    ncols = n if n <= 3 else int(np.ceil(np.sqrt(1.5 * n)))
    spans = np.array([np.ptp(xy[rows], axis=0) for _, rows in context.slides])
    scales = spans.max(axis=1).clip(min=1e-12)
    wide, high = (spans / scales[:, None]).max(axis=0).clip(min=0.2)
    above = _NAME if n > 1 else 0.0
    step = np.array([wide + _GAP, high + _GAP + above])
    slides = []
    for i, (name, rows) in enumerate(context.slides):
        marker = fit_marker(xy[rows]).scaled(grow / scales[i])
        centre = step * [i % ncols, i // ncols] + [wide / 2 + _GAP / 2, high / 2 + _GAP / 2 + above]
        own = xy[rows]
        xy[rows] = (own - (own.min(axis=0) + own.max(axis=0)) / 2) / scales[i] + centre
        corners = None if marker.vertices is None else marker.vertices.round(6).tolist()
        top = [float(centre[0]), float(centre[1] - high / 2 - _GAP / 2)]
        slides.append({"name": name, "corners": corners, "diameter": marker.diameter, "top": top})
    return xy, slides, float(ncols * step[0]), float(-(-n // ncols) * step[1])


def _layers(context: Context, shown: np.ndarray) -> list[dict[str, Any]]:
    layers = [
        _values(found.name, found.values[shown], found.limits, mpl.colormaps["viridis"], ".2f", digits=2)
        for found in histology_layers(context)
    ]
    layers += [
        _labels(c, shown, name) for c, name in ((context.domains, context.key), (context.known, context.truth)) if c
    ]
    if context.confidence is not None:
        layers.append(_values("highest probability", context.confidence[shown], (0.0, 1.0), DOUBT.reversed(), ".2f"))
    if context.depth is not None:
        counts = context.depth.counts[shown]
        layers.append(
            _values(
                "counts per cell",
                counts,
                (0.0, float(np.quantile(counts, 0.99)) or 1.0),
                mpl.colormaps["viridis"],
                ",.0f",
            )
        )
    return layers


def _labels(values: Categories, shown: np.ndarray, name: str | None) -> dict[str, Any]:
    codes = values.codes[shown]
    return {
        "name": name,
        "kind": "labels",
        "codes": _packed(np.where(codes < 0, _STEPS, codes).astype("<u2")),
        "names": values.categories,
        "colors": values.colors,
    }


def _values(
    name: str, values: np.ndarray, limits: tuple[float, float], cmap: Colormap, form: str, *, digits: int | None = None
) -> dict[str, Any]:
    scaled = np.clip((values - limits[0]) / (limits[1] - limits[0]), 0, 1)
    return {
        "name": name,
        "kind": "numbers",
        "codes": _packed(np.rint(np.nan_to_num(scaled) * 255).astype("<u2")),
        "low": f"{limits[0]:{form}}",
        "high": f"{limits[1]:{form}}",
        "limits": list(limits),
        "digits": digits,
        "colors": [to_hex(c) for c in cmap(np.linspace(0, 1, 32))],
    }


def _packed(values: np.ndarray) -> str:
    return b64encode(np.ascontiguousarray(values).tobytes()).decode()
