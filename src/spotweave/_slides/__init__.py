"""Stained slides: one protocol over every kind of picture, and tiles of a fixed size in micrometres cut from them."""

from ._open import open_slide
from ._protocol import Slide
from ._tiles import Tiles, iter_tiles

__all__ = ["Slide", "Tiles", "iter_tiles", "open_slide"]
