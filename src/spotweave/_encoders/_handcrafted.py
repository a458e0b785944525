"""The encoder without weights: colour and texture."""

import numpy as np

from ._protocol import check_features, check_tiles


class HandcraftedEncoder:
    """Colour and texture of a tile, by `core.handcrafted`."""

    name = "handcrafted"

    @property
    def identity(self) -> str:
        """Name and version of the features."""
        from ..core.handcrafted import VERSION

        return f"{self.name}:{VERSION}"

    @property
    def tile_px(self) -> int:
        """Side of a tile in pixels."""
        from ..core.handcrafted import TILE_PX

        return TILE_PX

    @property
    def scales(self) -> tuple[float, ...]:
        """Multiples of the side in micrometres at which tiles are cut when the caller does not say."""
        from ..core.handcrafted import SCALES

        return tuple(SCALES)

    @property
    def n_features(self) -> int:
        """Length of a vector."""
        from ..core.handcrafted import FEATURE_NAMES

        return len(FEATURE_NAMES)

    def __call__(self, tiles: np.ndarray) -> np.ndarray:
        """Turn tiles, uint8 ``[b, tile_px, tile_px, 3]``, into vectors, float32 ``[b, d]``."""
        from ..core.handcrafted import describe_tiles

        tiles = check_tiles(tiles, self.tile_px)
        return check_features(describe_tiles(tiles), len(tiles), self.name, self.n_features)
