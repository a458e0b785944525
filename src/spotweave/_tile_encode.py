"""Cut and encode the tiles of one library, batch by batch, with what is on disk already left out."""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ._encoders import Encoder, FeatureCache
from ._encoders._cache import tile_key
from ._encoders._protocol import check_features
from ._slides import iter_tiles
from ._tile_scale import TilePicture

GLASS = 0.03
"""Mean optical density below which a tile shows no tissue; that of stained tissue is 0.1 to 0.5."""
MOST_GLASS = 0.5
"""Share of such tiles above which the spots can hardly be those of the picture."""
ENLARGED = 4.0
"""How often a pixel may be repeated along an edge before a tile shows nothing that an encoder could use."""
BESIDE = "inside, optical density"
"""What lies in the last columns of a cache entry."""
_DENSITY = -np.log10(np.maximum(np.arange(256), 1) / 255)


class TilePlan(NamedTuple):
    """What tiles to cut."""

    tile_um: float
    tile_px: int
    scales: tuple[float, ...]
    """Multiples of `tile_um`, ascending."""
    batch_size: int


class Encoded(NamedTuple):
    """The tiles of one library, encoded."""

    features: np.ndarray
    """float32 ``[b, d]``."""
    ok: np.ndarray
    """Whether the smallest tile lies wholly inside the picture ``[b]``."""
    glass: np.ndarray
    """Whether it shows no tissue ``[b]``."""
    n_cached: int
    """Rows that were on disk already."""


def encode_tiles(
    picture: TilePicture, encoder: Encoder, plan: TilePlan, *, folder: str | Path | None, progress: bool | None
) -> Encoded:
    """Encode every tile of a picture, or take its features from the cache.

    Parameters
    ----------
    picture
        Where to cut.
    encoder
        From tiles to vectors.
    plan
        What to cut.
    folder
        Of the cache; None to keep nothing.
    progress
        Show a bar; None: the setting, when standard error is a terminal.

    Returns
    -------
    Features, scale by scale, and what the smallest tiles are.

    Warns
    -----
    UserWarning
        When the picture is much coarser than the tiles that the encoder wants.
    """
    from tqdm.auto import tqdm

    from .core.train import show_progress

    _warn_of_coarse(picture, plan)
    key = tile_key(
        image=picture.slide.fingerprint,
        encoder=encoder.identity,
        tile_um=plan.tile_um,
        tile_px=plan.tile_px,
        scales=plan.scales,
        mpp=picture.mpp,
        centres=picture.centres,
        beside=BESIDE,
    )
    n = len(picture.rows)
    bar = tqdm(total=n, desc=f"tiles of {picture.library}", disable=not show_progress(progress), leave=False)
    with FeatureCache(folder, key, n) as cache, bar:
        missing = cache.missing()
        bar.update(n - len(missing))
        for start in range(0, len(missing), plan.batch_size):
            rows = missing[start : start + plan.batch_size]
            cache.write(rows, _encode(picture, rows, encoder, plan))
            bar.update(len(rows))
        values = cache.read()
    inside, density = values[:, -2], values[:, -1]
    return Encoded(values[:, :-2].copy(), inside > 1 - 1e-6, density < GLASS, n - len(missing))


def _encode(picture: TilePicture, rows: np.ndarray, encoder: Encoder, plan: TilePlan) -> np.ndarray:
    """Features of some rows ``[b, d + 2]``; in the last columns, of the smallest tile, what `BESIDE` says."""
    parts: list[np.ndarray] = []
    beside = np.empty((len(rows), 0))
    for scale in plan.scales:
        (tiles,) = iter_tiles(
            picture.slide,
            picture.centres[rows],
            tile_um=plan.tile_um * scale,
            tile_px=plan.tile_px,
            mpp=picture.mpp,
            batch_size=len(rows),
        )
        if not parts:
            beside = np.column_stack([tiles.inside, optical_density(tiles.pixels)])
        parts.append(check_features(encoder(tiles.pixels), len(rows), encoder.name))
    return np.concatenate([*parts, beside.astype(np.float32)], axis=1)


def optical_density(tiles: np.ndarray) -> np.ndarray:
    """Mean of ``-log10(I / 255)`` over the pixels and channels of each tile, uint8 ``[b, h, w, 3]`` -> ``[b]``.

    Beer and Lambert: in proportion to the amount of dye; 0 is white. I is at least 1.
    """
    return np.array([np.bincount(tile.ravel(), minlength=256) @ _DENSITY / tile.size for tile in tiles])


def warn_of_glass(picture: TilePicture, encoded: Encoded) -> None:
    """Warn where the spots seem to lie beside the tissue."""
    share = encoded.glass.mean()
    if share > MOST_GLASS:
        warnings.warn(
            f"{share:.0%} of the {len(encoded.glass)} tiles of {picture.library} show no tissue (mean optical density "
            f"below {GLASS}) in {picture.slide.name}: is adata.obsm['spatial'] in pixels of this picture?",
            UserWarning,
            stacklevel=3,
        )


def _warn_of_coarse(picture: TilePicture, plan: TilePlan) -> None:
    times = picture.mpp / (plan.tile_um * plan.scales[0] / plan.tile_px)
    if times > ENLARGED:
        warnings.warn(
            f"{picture.slide.name} has {picture.mpp:.3g} um per pixel, but the tiles of the encoder have "
            f"{picture.mpp / times:.3g}: they are enlarged {times:.0f} times and show no more than colour. Pass the "
            "picture at full resolution.",
            UserWarning,
            stacklevel=4,
        )
