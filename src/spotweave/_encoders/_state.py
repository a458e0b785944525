"""Read a file of weights and put it into a network, every tensor accounted for."""

import pickle
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._check import fail, listing

if TYPE_CHECKING:
    from torch import Tensor, nn

State = dict[str, Any]

# parts of training that give no features: classifiers, the token of masked patches, the pooler of transformers
DROPPED = ("head", "heads", "fc", "classifier", "head_dist", "mask_token", "pooler", "dino_head", "ibot_head")


def read_state(path: Path) -> State:
    """Read the tensors of a .safetensors file, or of a torch file without running what it pickles."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        with warnings.catch_warnings(action="ignore"):  # of old pickle protocols
            loaded = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise fail("a file of tensors (safetensors, or a torch file of tensors alone)", f"{path}: {text}") from None
    return _plain(loaded, path)


def _plain(loaded: Any, path: Path) -> State:
    """Unwrap ``{"model": {...}}``, drop what DataParallel and DenseNet's first files put into names."""
    while isinstance(loaded, dict):
        inner = [loaded[k] for k in ("model", "state_dict", "teacher") if isinstance(loaded.get(k), dict)]
        if not inner:
            break
        loaded = inner[0]
    if not isinstance(loaded, dict) or not loaded or not all(hasattr(v, "shape") for v in loaded.values()):
        raise fail("tensors by name", f"{type(loaded).__name__} in {path}")
    for prefix in ("module.", "backbone."):
        if all(name.startswith(prefix) for name in loaded):
            loaded = {name.removeprefix(prefix): value for name, value in loaded.items()}
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)\.", r"\1\2.", name): v for name, v in loaded.items()}


def load_state(model: "nn.Module", state: State, path: Path) -> None:
    """Copy every tensor of `state` into `model`; raise unless names and shapes agree, classifiers aside."""
    own = model.state_dict()
    given = {k: v for k, v in state.items() if k in own or k.split(".")[0] not in DROPPED}
    missing, unexpected = sorted(own.keys() - given.keys()), sorted(given.keys() - own.keys())
    other = [
        f"{k} {list(given[k].shape)} not {list(own[k].shape)}"
        for k in own.keys() & given.keys()
        if given[k].shape != own[k].shape
    ]
    parts = {"missing": missing, "unexpected": unexpected, "of another shape": sorted(other)}
    if any(parts.values()):
        found = ", ".join(f"{len(names)} {what} {listing(names, most=3)}" for what, names in parts.items() if names)
        raise fail(f"the tensors of this encoder in {path}", found, "Is this the file of another model?")
    model.load_state_dict(given)


def from_transformers(state: State) -> State:
    """Rename the tensors of a vision transformer from transformers' published files to timm's names.

    Queries, keys and values become one matrix. With registers, the position of the class token is added to it once
    and for all, as timm gives positions to patches only.
    """
    import torch

    if "embeddings.cls_token" not in state and all(k.startswith(("vit.", "dinov2.")) for k in state):
        state = {k.split(".", 1)[1]: v for k, v in state.items()}
    renamed: State = {}
    for name, value in state.items():
        for pattern, new in _RENAMED:
            name, n = re.subn(pattern, new, name)  # noqa: PLW2901
            if n:
                break
        renamed[name] = value
    for name in [k for k in renamed if ".attn.q." in k]:
        thirds = [name.replace(".q.", f".{part}.") for part in "qkv"]
        if all(third in renamed for third in thirds):
            renamed[name.replace(".q.", ".qkv.")] = torch.cat([renamed.pop(third) for third in thirds])
    return _fold_class_position(renamed)


_LAYER = r"^encoder\.layer\.(\d+)\."
_RENAMED = (
    (_LAYER + r"attention\.attention\.(q|k|v)(?:uery|ey|alue)\.", r"blocks.\1.attn.\2."),
    (_LAYER + r"attention\.output\.dense\.", r"blocks.\1.attn.proj."),
    (_LAYER + r"layernorm_before\.", r"blocks.\1.norm1."),
    (_LAYER + r"layernorm_after\.", r"blocks.\1.norm2."),
    (_LAYER + r"intermediate\.dense\.", r"blocks.\1.mlp.fc1."),
    (_LAYER + r"output\.dense\.", r"blocks.\1.mlp.fc2."),
    (_LAYER + r"mlp\.weights_in\.", r"blocks.\1.mlp.fc1."),
    (_LAYER + r"mlp\.weights_out\.", r"blocks.\1.mlp.fc2."),
    (_LAYER + r"layer_scale(\d)\.lambda1$", r"blocks.\1.ls\2.gamma"),
    (_LAYER, r"blocks.\1."),
    (r"^embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.register_tokens$", "reg_token"),
    (r"^embeddings\.", ""),
    (r"^layernorm\.", "norm."),
)


def _fold_class_position(state: "dict[str, Tensor]") -> State:
    if "reg_token" in state and {"pos_embed", "cls_token"} <= state.keys():
        positions = state["pos_embed"]
        return {**state, "cls_token": state["cls_token"] + positions[:, :1], "pos_embed": positions[:, 1:]}
    return state
