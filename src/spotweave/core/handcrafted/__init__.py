"""Colour and texture of histology tiles as a vector: an image encoder without weights."""

from .describe import FEATURE_NAMES, SCALES, TILE_PX, VERSION, describe_tiles

__all__ = ["FEATURE_NAMES", "SCALES", "TILE_PX", "VERSION", "describe_tiles"]
