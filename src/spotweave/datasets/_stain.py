"""A picture of the tissue as haematoxylin and eosin show it: purple nuclei in pink ground."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from .. import _keys as keys
from .._check import check_choice, check_range, fail
from .._table import get_coords, get_obs
from ._dyes import Stain, usual_stain
from ._looks import Nuclei, TypeLooks, scatter_nuclei
from ._params import PITCH_UM, SPOT_DIAMETER_UM
from ._raster import draw_ellipses, noise, smooth_map
from ._truth import get_proportions, get_truth

if TYPE_CHECKING:
    from anndata import AnnData

UM_PER_PX = {"spot": 2.0, "cell": 0.5}
MAX_SIDE_PX = 4_096  # of a picture whose resolution was left open
MAX_PIXELS = 100_000_000


class _Section(NamedTuple):
    """What the picture needs of a slice."""

    xy: np.ndarray  # [n, 2] micrometres
    proportions: np.ndarray  # [n, t]
    n_cells: np.ndarray  # [n]
    is_cell: bool
    looks: TypeLooks
    pitch: float
    stain: Stain | None  # None: the usual one


def simulate_stain(
    adata: "AnnData",
    *,
    slice_name: str | None = None,
    um_per_px: float | None = None,
    rng: int | np.random.Generator = 0,
) -> np.ndarray:
    """Draw an H&E-like picture of a simulated slice.

    Nuclei follow the cells: every cell of a cell-resolution tissue has its own; around spots they are drawn with the
    types of the nearest spot's ``proportions_true``, as densely as its ``n_cells_true`` says. Each type has a nuclear
    size, shape and darkness of its own, and tints the pink of its surroundings (kept in
    ``uns["simulation"]["looks"]``, so that slices of one tissue look alike).
    Colours follow the law of Beer and Lambert, ``intensity = glass * exp(-(h * haematoxylin + e * eosin))`` with ``h``
    and ``e`` the amounts of dye, whose colours are close to those found by Macenko et al. (ISBI 2009). Sections of
    :func:`simulate_cohort` keep the stain that they were given there.

    Parameters
    ----------
    adata
        Result of :func:`simulate_tissue` or :func:`simulate_cohort`, or a subset of it.
    slice_name
        Which slice, a value of ``obs["slice"]``; needed when there are several.
    um_per_px
        Micrometres per pixel; ``None``: 2 for spots and 0.5 for cells, coarser where a side would pass 4,096 pixels.
    rng
        Seed or generator. It moves nuclei and texture only, not what they stand for.

    Returns
    -------
    Picture ``[height, width, 3]``, uint8. Row ``y / um_per_px``, column ``x / um_per_px`` shows the point ``(x, y)`` of
    ``obsm["spatial"]``.

    Raises
    ------
    InputError
        When `adata` holds no truth of a simulation, `slice_name` is not one of its slices, or the picture would pass
        100 million pixels.
    """
    section = _get_section(adata, slice_name)
    size_um = _size_um(section)
    um_per_px = choose_um_per_px(size_um, section.is_cell, um_per_px)
    height, width = (int(np.ceil(side / um_per_px)) for side in size_um[::-1])
    if height * width > MAX_PIXELS:
        raise fail(f"a picture of at most {MAX_PIXELS:,} pixels", f"{height:,} x {width:,}", "Raise um_per_px.")
    return _paint(section, (height, width), um_per_px, np.random.default_rng(rng))


def add_stain(adata: "AnnData", rng: np.random.Generator, *, um_per_px: float | None = None) -> None:
    """Write a picture of every slice to ``uns["spatial"]``, in scanpy's layout."""
    pictures = {}
    for name in adata.obs["slice"].cat.categories:
        section = _get_section(adata, name)
        scale = choose_um_per_px(_size_um(section), section.is_cell, um_per_px)
        picture = simulate_stain(adata, slice_name=name, um_per_px=scale, rng=rng.spawn(1)[0])
        diameter = SPOT_DIAMETER_UM if not section.is_cell else section.pitch
        # coordinates are micrometres, so the full-resolution picture of the layout has one pixel per micrometre
        factors = {"tissue_hires_scalef": 1 / scale, "spot_diameter_fullres": diameter}
        pictures[name] = {"images": {"hires": picture}, "scalefactors": factors, "metadata": {}}
    adata.uns[keys.SPATIAL] = pictures


def _size_um(section: _Section) -> np.ndarray:
    """Return width and height with the same margin on all sides."""
    return section.xy.max(axis=0) + np.maximum(section.xy.min(axis=0), section.pitch)


def choose_um_per_px(size_um: np.ndarray, is_cell: bool, um_per_px: float | None) -> float:  # noqa: FBT001
    """Return the resolution that was asked for, or one that shows nuclei in a picture of reasonable size."""
    if um_per_px is None:
        return max(UM_PER_PX["cell" if is_cell else "spot"], float(size_um.max()) / MAX_SIDE_PX)
    check_range(um_per_px, "um_per_px", low=0.1, high=100)
    return um_per_px


def _get_section(adata: "AnnData", slice_name: str | None) -> _Section:
    truth = get_truth(adata)
    name, rows = _rows_of(get_obs(adata, "slice"), slice_name)
    resolution = truth["params"]["resolution"]
    is_cell = resolution == "cell"
    n_cells = np.ones(adata.n_obs) if is_cell else get_obs(adata, "n_cells_true").to_numpy()
    looks = TypeLooks(**{key: np.asarray(value) for key, value in truth["looks"].items()})
    proportions = get_proportions(adata, truth)[rows]
    return _Section(
        get_coords(adata)[rows],
        proportions,
        n_cells[rows],
        is_cell,
        looks,
        PITCH_UM[resolution],
        _stain_of(truth, name),
    )


def _stain_of(truth: dict[str, Any], name: str) -> Stain | None:
    """Return the stain that a slice was given, if it was given one."""
    if "stains" not in truth:
        return None
    i = [str(other) for other in truth["slices"]].index(name)
    return Stain(**{key: np.asarray(values)[i] for key, values in truth["stains"].items()})


def _rows_of(column: pd.Series, slice_name: str | None) -> tuple[str, np.ndarray]:
    """Return the name and the rows of the slice."""
    present = [str(name) for name in column.unique()]
    if slice_name is None and len(present) > 1:
        raise fail("`slice_name`, since there are several slices", "None", f"Choose one of {present}.")
    name = present[0] if slice_name is None else slice_name
    check_choice(name, present, "slice_name")
    return name, (column == name).to_numpy()


def _paint(section: _Section, shape: tuple[int, int], um_per_px: float, rng: np.random.Generator) -> np.ndarray:
    """Stain the ground, draw the nuclei that lie in tissue, and mix the dyes."""
    ground, tissue = _ground(section, shape, um_per_px, rng)
    nuclear = _draw_nuclei(_nuclei(section, rng), section.looks, tissue, um_per_px, rng)
    stain = section.stain or usual_stain(rng)
    haematoxylin = stain.strength[0] * (nuclear + 0.08 * tissue)
    eosin = stain.strength[1] * ground * (1 - 0.6 * np.minimum(nuclear, 1))
    grain = 0.006 * rng.standard_normal(shape, dtype=np.float32)  # of the camera
    picture = np.empty((*shape, 3), dtype=np.uint8)
    for channel in range(3):
        density = haematoxylin * stain.haematoxylin[channel] + eosin * stain.eosin[channel] + grain
        picture[..., channel] = np.clip(stain.glass[channel] * np.exp(-density), 0, 255)
    return picture


def _nuclei(section: _Section, rng: np.random.Generator) -> Nuclei:
    if section.is_cell:
        return Nuclei(section.xy, section.proportions.argmax(axis=1))
    return scatter_nuclei(section.xy, section.proportions, section.n_cells, section.pitch, rng)


def _draw_nuclei(
    nuclei: Nuclei, looks: TypeLooks, tissue: np.ndarray, um_per_px: float, rng: np.random.Generator
) -> np.ndarray:
    """Return the density of haematoxylin: ellipses with grainy chromatin."""
    shape, at = tissue.shape, (nuclei.xy / um_per_px).astype(np.int64)
    at = np.clip(at, 0, np.array(shape[::-1]) - 1)
    kept = tissue[at[:, 1], at[:, 0]] > 0.5
    kind, xy = nuclei.type[kept], nuclei.xy[kept] / um_per_px
    m = len(xy)
    radius = looks.radius_um[kind] * np.exp(looks.size_sd[kind] * rng.normal(size=m)) / um_per_px
    stretch = np.sqrt(looks.elongation[kind] * rng.uniform(0.85, 1.15, size=m))
    radii = np.column_stack([radius * stretch, radius / stretch])
    seen = np.maximum(radii, 0.6)  # below this an ellipse falls between pixels: draw it wider and paler
    density = looks.haematoxylin[kind] * rng.uniform(0.85, 1.15, size=m) * radii.prod(axis=1) / seen.prod(axis=1)
    picture = draw_ellipses(shape, xy, seen, rng.uniform(0, np.pi, size=m), density)
    return np.minimum(picture, 1.6) * np.clip(1 + 0.15 * noise(shape, 0.7, rng), 0.5, 1.5)


def _ground(
    section: _Section, shape: tuple[int, int], um_per_px: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Return the density of eosin, and where tissue is (0 to 1)."""
    colour = section.proportions @ section.looks.eosin
    pitch = section.pitch / um_per_px
    colour, cover = smooth_map(section.xy / um_per_px, colour, shape, step=pitch / 3, reach=0.7 * pitch)
    grain = lambda um: noise(shape, um / um_per_px, rng)
    along, across = (
        noise(shape, (2 / um_per_px, 14 / um_per_px), rng),
        noise(shape, (14 / um_per_px, 2 / um_per_px), rng),
    )
    turn = 1 / (1 + np.exp(-2 * grain(40)))  # fibres run this way here and that way there
    fibres = turn * along + (1 - turn) * across
    texture = 1 + 0.16 * fibres + 0.12 * grain(5) + 0.10 * grain(30)
    fray = 0.6 * grain(8) * cover * (1 - cover)
    tissue = np.clip((cover + fray - 0.5) * 4 + 0.5, 0, 1)
    if not section.is_cell:  # where each cell has its place there is none for vessels and clefts
        tissue *= 1 - 0.95 * np.clip((grain(15) - 2.1) * 4, 0, 1)
    return np.maximum(colour * texture, 0.03) * tissue, tissue
