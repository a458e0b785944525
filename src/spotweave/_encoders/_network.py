"""Encoders that are published networks."""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from .._check import fail
from ._protocol import check_features, check_tiles
from ._registry import EncoderRecord
from ._state import from_transformers, load_state, read_state
from ._weights import find_weights, missing_package, weight_hash

if TYPE_CHECKING:
    from torch import Tensor, nn


class NetworkEncoder:
    """A network with the weights of a file, in evaluation mode.

    The same tiles give the same bits on a CPU with the same number of threads. On CUDA it runs in half precision.

    Parameters
    ----------
    record
        What to build, how to normalise and pool.
    weights
        File, or folder that holds the expected file; without it the local Hugging Face cache is searched.
    download
        Download the weights when they are not in that cache.
    device
        ``"auto"``: `settings.device`.

    Raises
    ------
    InputError
        The package or the weights are absent, or the weights are not those of this architecture.
    """

    scales = (1.0,)

    def __init__(
        self,
        record: EncoderRecord,
        *,
        weights: str | Path | None = None,
        download: bool = False,
        device: str = "auto",
    ) -> None:
        from ..core.train import resolve_device

        path = find_weights(record, weights, download=download)
        self.record, self.name = record, record.name
        self.tile_px, self.n_features = record.tile_px, record.n_features
        self.identity = f"{record.name}:{_record_hash(record)}:{weight_hash(path)}"
        self._device = resolve_device(device)
        self._model = _with_weights(record, path).to(self._device)

    def __call__(self, tiles: np.ndarray) -> np.ndarray:
        """Turn tiles, uint8 ``[b, tile_px, tile_px, 3]``, into vectors, float32 ``[b, d]``."""
        import torch

        tiles = check_tiles(tiles, self.tile_px)
        if not len(tiles):
            return np.empty((0, self.n_features or 0), dtype=np.float32)
        half = torch.autocast("cuda", torch.float16, enabled=self._device.type == "cuda")
        with torch.inference_mode(), half:
            images = normalise(tiles, self.record.mean, self.record.std, self._device)
            values = pool(self._model, images, self.record.pooling).float().cpu().numpy()
        values = check_features(values, len(tiles), self.name, self.n_features)
        self.n_features = values.shape[1]
        return values


def normalise(tiles: np.ndarray, mean: tuple[float, ...], std: tuple[float, ...], device: Any) -> "Tensor":
    """Turn uint8 ``[b, h, w, 3]`` into float32 ``[b, 3, h, w]``: ``(value / 255 - mean) / std`` for each channel."""
    import torch

    images = torch.tensor(np.ascontiguousarray(tiles), device=device).permute(0, 3, 1, 2).float() / 255
    shift, scale = (torch.tensor(v, dtype=torch.float32, device=device).view(1, 3, 1, 1) for v in (mean, std))
    return ((images - shift) / scale).contiguous()


def pool(model: "nn.Module", images: "Tensor", pooling: str) -> "Tensor":
    """Vectors ``[b, d]``: the network's own, or made from its tokens ``[b, 1 + registers + patches, d]``."""
    import torch

    if pooling == "none":
        return model(images)
    tokens = model.forward_features(images)  # type: ignore[operator]  # timm: after the last norm
    mean = tokens[:, model.num_prefix_tokens :].mean(dim=1)
    if pooling == "mean":
        return mean
    return tokens[:, 0] if pooling == "cls" else torch.cat([tokens[:, 0], mean], dim=1)


def _with_weights(record: EncoderRecord, path: Path) -> "nn.Module":
    import torch

    state = read_state(path)
    with torch.random.fork_rng(devices=[]):  # what the architecture draws is overwritten; the caller's state is not
        model = _torchvision_model(record) if record.builder == "torchvision" else _timm_model(record)
    load_state(model, from_transformers(state) if record.layout == "transformers" else state, path)
    return model.eval().requires_grad_(requires_grad=False)


def import_timm() -> ModuleType:
    """Import timm or say what is wrong with it."""
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # a torchvision of another torch stops with a RuntimeError
        raise missing_package("timm", error) from None
    return timm


def import_torchvision() -> ModuleType:
    """Import torchvision or say what is wrong with it."""
    try:
        import torchvision
    except (ImportError, RuntimeError) as error:
        raise missing_package("torchvision", error) from None
    return torchvision


def _timm_model(record: EncoderRecord) -> "nn.Module":
    timm = import_timm()
    kwargs = _resolved(record.timm_kwargs, timm)
    if record.pooling != "none":  # tokens: any size of tile, positions are brought to it
        kwargs = {"dynamic_img_size": True, **kwargs}
    try:
        return timm.create_model(record.timm_name, pretrained=False, num_classes=0, **kwargs)
    except (RuntimeError, TypeError) as error:  # unknown name, or arguments of another version
        raise fail(f"an architecture that timm {timm.__version__} can build", f"{record.timm_name}: {error}") from None


def _resolved(kwargs: Mapping[str, Any], timm: ModuleType) -> dict[str, Any]:
    """Put classes in the place of their names."""
    from functools import partial

    from torch import nn

    resolved = dict(kwargs)
    if isinstance(resolved.get("mlp_layer"), str):
        resolved["mlp_layer"] = getattr(timm.layers, resolved["mlp_layer"])
    if isinstance(resolved.get("act_layer"), str):
        resolved["act_layer"] = getattr(nn, resolved["act_layer"])
    if "norm_eps" in resolved:
        resolved["norm_layer"] = partial(nn.LayerNorm, eps=resolved.pop("norm_eps"))
    return resolved


def _torchvision_model(record: EncoderRecord) -> "nn.Module":
    from torch import nn

    model = import_torchvision().models.get_model(record.timm_name, weights=None, **record.timm_kwargs)
    heads = [name for name in ("fc", "classifier", "heads", "head") if hasattr(model, name)]
    if not heads:
        raise fail("a classifier of torchvision whose last part can be dropped", record.timm_name)
    setattr(model, heads[0], nn.Identity())
    return model


def _record_hash(record: EncoderRecord) -> str:
    """Six digits that change with the architecture, the normalisation or the pooling."""
    return hashlib.sha256(repr(sorted(asdict(record).items())).encode()).hexdigest()[:6]
