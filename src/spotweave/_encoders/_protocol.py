"""What an encoder of tiles must offer."""

from typing import Protocol, runtime_checkable

import numpy as np

from .._check import fail


@runtime_checkable
class Encoder(Protocol):
    """A function from tiles to vectors that says what tiles it wants and who it is."""

    @property
    def name(self) -> str:
        """Short name."""

    @property
    def identity(self) -> str:
        """Name with a hash of what decides the numbers (weights, code version): part of the key of a cache."""

    @property
    def tile_px(self) -> int:
        """Side of a tile in pixels."""

    @property
    def scales(self) -> tuple[float, ...]:
        """Multiples of the side in micrometres at which tiles are cut when the caller does not say."""

    @property
    def n_features(self) -> int | None:
        """Length of a vector, None while it is not known."""

    def __call__(self, tiles: np.ndarray) -> np.ndarray:
        """Turn tiles, uint8 ``[b, tile_px, tile_px, 3]`` (RGB), into vectors, float32 ``[b, d]``."""


def check_tiles(tiles: np.ndarray, tile_px: int) -> np.ndarray:
    """Raise unless `tiles` are uint8 ``[b, tile_px, tile_px, 3]``."""
    tiles = np.asarray(tiles)
    if tiles.dtype != np.uint8 or tiles.ndim != 4 or tiles.shape[1:] != (tile_px, tile_px, 3):
        raise fail(f"tiles of type uint8 and shape [b, {tile_px}, {tile_px}, 3]", f"{tiles.dtype} {list(tiles.shape)}")
    return tiles


def check_features(values: np.ndarray, n_tiles: int, who: str, n_features: int | None = None) -> np.ndarray:
    """Return vectors as float32, raise unless they are finite and of shape ``[n_tiles, d]``."""
    try:
        values = np.asarray(values, dtype=np.float32)
    except (TypeError, ValueError):
        raise fail(f"numbers of shape [{n_tiles}, d] from encoder {who}", type(values).__name__) from None
    d = "d" if n_features is None else n_features
    if values.ndim != 2 or len(values) != n_tiles or values.shape[1] != (n_features or values.shape[1]):
        raise fail(f"vectors of shape [{n_tiles}, {d}] from encoder {who}", f"shape {list(values.shape)}")
    if not np.isfinite(values).all():
        raise fail(f"finite vectors from encoder {who}", "NaN or infinity")
    return values
