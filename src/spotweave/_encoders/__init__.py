"""Encoders: functions from tiles of an image to vectors, their weights, and features kept on disk."""

from ._cache import FeatureCache
from ._get import get_encoder
from ._protocol import Encoder
from ._registry import known_encoders

__all__ = ["Encoder", "FeatureCache", "get_encoder", "known_encoders"]
