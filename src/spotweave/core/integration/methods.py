"""The ways to integrate slices, by name."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .center import CenterParams, center
from .harmony import HarmonyParams, harmony
from .matched import MatchedParams, matched
from .slices import Integrated, Slices

Integration = Callable[[Slices, Any, np.random.Generator], Integrated]


class Method(NamedTuple):
    """A way to integrate slices."""

    run: Integration
    defaults: Any


METHODS: dict[str, Method] = {
    "matched": Method(matched, MatchedParams()),
    "harmony": Method(harmony, HarmonyParams()),
    "center": Method(center, CenterParams()),
}
