"""Features of the stained picture around each spot: `spotweave.pp.tile_features`."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from . import _keys as keys
from ._check import check_range, fail
from ._encoders import Encoder, get_encoder
from ._settings import settings
from ._table import get_codes, get_coords, get_obs, get_table, write
from ._table import params as run_params
from ._tile_encode import Encoded, TilePlan, encode_tiles, warn_of_glass
from ._tile_images import Libraries, find_sources
from ._tile_scale import TilePicture, check_scales, open_pictures
from .core.libraries import library_blocks


class TileFeatures(NamedTuple):
    """What `tile_features` finds."""

    features: np.ndarray
    """float32 ``[n, d]``: all features of the smallest tiles, then those of the next scale, ..."""
    ok: np.ndarray
    """Whether the smallest tile of a spot lies wholly inside the picture, bool ``[n]``."""
    details: dict[str, Any]
    """What is written to ``uns``: ``params``, ``encoder``, ``identity``, ``tile_px``, ``tile_um``, ``scales``,
    ``feature_names`` where they are known, ``libraries`` (DataFrame: ``image``, ``um_per_px`` of the coordinates,
    ``mpp`` of the picture, ``scale_from``, ``n``, shares ``ok`` and ``glass``, rows taken from the cache ``cached``),
    and these shares and ``cached`` over all libraries."""


def tile_features(  # noqa: PLR0913 (a picture, its scale, an encoder and a cache have options of their own)
    adata: Any,
    image: Any = None,
    *,
    encoder: str | Encoder | Callable[[Any], Any] = "handcrafted",
    tile_um: float = 112.0,
    scales: Sequence[float] | None = None,
    um_per_px: float | Mapping[str, float] | None = None,
    library_key: str | None = None,
    image_key: str | Mapping[str, str] | None = None,
    weights: str | Path | None = None,
    download: bool = False,
    cache_dir: str | Path | None = "auto",
    key_added: str = keys.IMAGE_FEATURES,
    batch_size: int = 64,
    device: str = "auto",
    progress: bool | None = None,
    table_key: str = "table",
    copy: bool = False,
) -> TileFeatures | None:
    """Describe the stained picture around each spot by a vector.

    A square of `tile_um` micrometres around each spot, and of each multiple of it in `scales`, is cut from the picture,
    brought to the size in pixels that the encoder wants, and encoded. Sizes are in micrometres, so that pictures of
    different resolution give features of the same thing. Beyond the border of the picture a tile mirrors what lies
    inside; one that lies wholly beyond is white.

    ``adata.obsm["spatial"]`` must hold pixels of the picture at full resolution, x to the right and y down.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    image
        Path of a picture (PNG, JPEG, TIFF, OME-TIFF, OME-Zarr, a scanner's file), an array ``[h, w, 3]``, a PIL image,
        an OpenSlide or SpatialData object, or a dict of any of these by library. None: the pictures of `adata` where it
        is a SpatialData object, else those in ``adata.uns["spatial"]`` with their scale factors, hires before lowres.
    encoder
        ``"handcrafted"`` (colour and texture, no weights), the name of a published network such as ``"uni"``,
        ``"timm:NAME"``, ``"torchvision:NAME"`` or ``"hf-hub:ORG/NAME"``, a ``torch.nn.Module``, or a function from
        tiles uint8 ``[b, h, w, 3]`` to vectors ``[b, d]``.
    tile_um
        Side of a tile, micrometres; 112 is 224 pixels of 0.5 micrometres, which most networks were trained on.
    scales
        Multiples of `tile_um`, ascending; None: those of the encoder, (1, 2, 4) for the handcrafted one, else (1,).
    um_per_px
        Micrometres per unit of ``obsm["spatial"]``, a pixel of the full-resolution picture; one number, or by library.
        None: what the file says, else ``microns_per_pixel`` among the stored scale factors, else inferred from the
        distance between spots (ST 200, Visium 100 micrometres) with a warning.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on; each has a picture of its own.
    image_key
        Which picture of a SpatialData object or store; one, or by library. None: the only one, or that of the
        library's name.
    weights
        File of the network's weights, or folder that holds it; None: the local Hugging Face cache.
    download
        Download the weights when they are not there.
    cache_dir
        Folder in which features are kept batch by batch, so that a second call takes them from there and one that was
        stopped goes on; ``"auto"``: ``settings.cache_dir / "tiles"``. None keeps nothing.
    key_added
        Name of the result.
    batch_size
        Spots to encode at a time.
    device
        Where a named network runs: ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    progress
        Show a bar; None: the setting, when standard error is a terminal.
    table_key
        Name of the table in a SpatialData object.
    copy
        Return the result and leave `adata` alone.

    Returns
    -------
    None, writes ``adata.obsm[key_added]`` (float32 ``[n, d]``), ``adata.obs["tile_ok"]`` (``f"{key_added}_tile_ok"``
    under another name) and ``adata.uns[key_added]``; the NamedTuple `TileFeatures` with ``copy=True``.

    Raises
    ------
    InputError
        When a picture is missing or not readable, its scale unknown, more than 20 % of the spots lie outside it, or an
        argument does not fit; `adata` is then as it was.

    Warns
    -----
    UserWarning
        When the scale is inferred, or what the file says of it is not what `um_per_px` or the lattice of the spots
        does; when tiles are enlarged more than four times; when most tiles of a library are glass.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_cohort(1, n_obs=60, n_genes=40, um_per_px=2.0)
    >>> sw.pp.tile_features(adata, library_key="section", um_per_px=1.0, cache_dir=None)
    >>> adata.obsm["X_image"].shape[0] == adata.n_obs
    True
    """
    data, adata = adata, get_table(adata, table_key)
    xy = get_coords(adata)
    if xy.shape[1] != 2 or not len(xy):
        raise fail(
            "at least one spot with pixel coordinates [n, 2] in adata.obsm['spatial']", f"shape {list(xy.shape)}"
        )
    libraries = _libraries(adata, library_key)
    check_scales(um_per_px, libraries)
    sources = find_sources(data, adata, image, libraries, image_key)
    encode = get_encoder(encoder, weights=weights, download=download, device=device)
    folder = settings.cache_dir / "tiles" if cache_dir == "auto" else cache_dir
    plan = _plan(encode, tile_um, scales, batch_size)
    found, rows = [], []
    for picture in open_pictures(sources, libraries, xy, um_per_px):
        part = encode_tiles(picture, encode, plan, folder=folder, progress=progress)
        warn_of_glass(picture, part)
        found.append(part)
        rows.append(_row(picture, part))
    used = run_params(
        encoder=encode.name,
        tile_um=float(tile_um),
        um_per_px=um_per_px if not isinstance(um_per_px, Mapping) else None,
        library_key=library_key,
        image_key=image_key if isinstance(image_key, str) else None,
        batch_size=batch_size,
    )
    result = _joined(found, libraries, {"params": used, **_details(encode, plan, rows)})
    if copy:
        return result
    slots = [("obsm", key_added), ("obs", keys.tile_ok(key_added)), ("uns", key_added)]
    write(adata, dict(zip(slots, result, strict=True)))
    return None


def _libraries(adata: Any, library_key: str | None) -> Libraries:
    codes = get_codes(adata, library_key)
    blocks = library_blocks(adata.n_obs, codes)
    if library_key is None:
        return {None: blocks[0]}
    column = get_obs(adata, library_key)
    return {str(column.iloc[rows[0]]): rows for rows in blocks}


def _plan(encoder: Encoder, tile_um: float, scales: Sequence[float] | None, batch_size: int) -> TilePlan:
    check_range(tile_um, "tile_um", low=1, high=1e5)
    check_range(batch_size, "batch_size", low=1, integer=True)
    chosen = tuple(encoder.scales if scales is None else np.atleast_1d(scales).tolist())
    for scale in chosen:
        check_range(scale, "scales", low=0.01, high=100)
    if not chosen or list(chosen) != sorted(set(chosen)):
        raise fail("`scales` as different numbers, ascending", repr(scales))
    return TilePlan(float(tile_um), int(encoder.tile_px), tuple(float(s) for s in chosen), int(batch_size))


def _row(picture: TilePicture, part: Encoded) -> dict[str, Any]:
    """One line about a library."""
    return {
        "library": picture.library,
        "image": picture.slide.name,
        "um_per_px": picture.um_per_px,
        "mpp": picture.mpp,
        "scale_from": picture.scale_from,
        "n": len(picture.rows),
        "ok": float(part.ok.mean()),
        "glass": float(part.glass.mean()),
        "cached": part.n_cached,
    }


def _details(encoder: Encoder, plan: TilePlan, rows: list[dict[str, Any]]) -> dict[str, Any]:
    table = pd.DataFrame(rows).set_index("library")
    said: dict[str, Any] = {
        "encoder": encoder.name,
        "identity": encoder.identity,
        "tile_px": plan.tile_px,
        "tile_um": plan.tile_um,
        "scales": np.array(plan.scales),
        "libraries": table,
        **{share: float(np.average(table[share], weights=table["n"])) for share in ("ok", "glass")},
        "cached": int(table["cached"].sum()),
    }
    names = _names(encoder)
    if names:
        said["feature_names"] = np.array([f"{name}_{plan.tile_um * s:g}um" for s in plan.scales for name in names])
    return said


def _names(encoder: Encoder) -> Sequence[str]:
    """Names of the features of one scale, where the encoder has any."""
    if encoder.name == "handcrafted":
        from .core.handcrafted import FEATURE_NAMES

        return FEATURE_NAMES
    return getattr(encoder, "feature_names", ())


def _joined(parts: list[Encoded], libraries: Libraries, details: dict[str, Any]) -> TileFeatures:
    """Put the rows of all libraries back in the order of the table."""
    order = np.argsort(np.concatenate(list(libraries.values())), kind="stable")
    features, ok = (np.concatenate([getattr(part, name) for part in parts])[order] for name in ("features", "ok"))
    return TileFeatures(features, ok, details)
