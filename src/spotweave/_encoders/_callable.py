"""Encoders that the caller brings: a network or any function of tiles."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from ._identity import function_identity, is_module, qualified_name
from ._network import normalise
from ._protocol import check_features, check_tiles
from ._registry import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from torch import nn


class CallableEncoder:
    """A network or a function as an encoder.

    A ``torch.nn.Module`` gets float32 ``[b, 3, h, w]``, in 0..1 and then normalised by ImageNet's mean and standard
    deviation; it runs in evaluation mode where its parameters are, and is left as it was. Any other callable gets the
    uint8 array ``[b, h, w, 3]``. Either returns ``[b, d]``, finite.

    Parameters
    ----------
    function
        The callable. An attribute `identity` of its own (a string) vouches for its numbers.
    tile_px
        Side of the tiles it wants.
    scales
        Multiples of the side in micrometres at which tiles are cut.

    Notes
    -----
    `identity` hashes the weights and code of a network, or the code, defaults, closure and globals of a function. When
    any of that cannot be hashed, it is an identity for once (it contains ``":once-"``), so that features on disk are
    never taken for those of another function; an attribute `identity` mends that.
    """

    def __init__(
        self, function: Callable[[Any], Any], *, tile_px: int = 224, scales: tuple[float, ...] = (1.0,)
    ) -> None:
        self.name = qualified_name(function)
        self.identity = function_identity(function)
        self.tile_px, self.scales = tile_px, scales
        self.n_features: int | None = None
        self._function = function

    def __call__(self, tiles: np.ndarray) -> np.ndarray:
        """Turn tiles, uint8 ``[b, tile_px, tile_px, 3]``, into vectors, float32 ``[b, d]``."""
        tiles = check_tiles(tiles, self.tile_px)
        if not len(tiles):
            return np.empty((0, self.n_features or 0), dtype=np.float32)
        values = _run_module(self._function, tiles) if is_module(self._function) else self._function(tiles.copy())
        values = check_features(_as_array(values), len(tiles), self.name, self.n_features)
        self.n_features = values.shape[1]
        return values


def _run_module(module: Any, tiles: np.ndarray) -> Any:
    import torch

    first = next(module.parameters(), None)
    device = torch.device("cpu") if first is None else first.device
    with _evaluating(module), torch.inference_mode():
        return module(normalise(tiles, IMAGENET_MEAN, IMAGENET_STD, device))


@contextmanager
def _evaluating(module: "nn.Module") -> Iterator[None]:
    """Evaluation mode inside the block; afterwards each part is in the mode it was in."""
    training = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in training:
            part.training = mode


def _as_array(values: Any) -> Any:
    return values.detach().float().cpu().numpy() if hasattr(values, "detach") else values
