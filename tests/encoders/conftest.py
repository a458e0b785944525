"""A stand-in for timm: one tiny network with tokens, one without."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn


class Tokens(nn.Module):
    """Class token, two registers and four patches (the quarters of the tile), each a projection of a mean colour."""

    num_prefix_tokens = 3

    def __init__(self, n_features: int = 5) -> None:
        super().__init__()
        self.proj = nn.Linear(3, n_features)
        self.prefix = nn.Parameter(torch.randn(3, n_features))
        self.drop = nn.Dropout(0.5)

    def forward_features(self, images: torch.Tensor) -> torch.Tensor:
        patches = self.proj(nn.functional.adaptive_avg_pool2d(images, 2).flatten(2).transpose(1, 2))
        prefix = self.prefix + patches.mean(dim=1, keepdim=True)
        return self.drop(torch.cat([prefix, patches], dim=1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.forward_features(images)[:, 0]


@pytest.fixture
def fake_timm(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Put the stand-in in the place of timm; `calls` holds what the architectures were asked for."""
    calls: list[tuple[str, dict[str, Any]]] = []

    def create_model(name: str, **kwargs: Any) -> nn.Module:
        calls.append((name, kwargs))
        if name == "absent":
            raise RuntimeError("Unknown model (absent)")
        return Tokens()

    config = {"input_size": (3, 32, 32), "mean": (0.1, 0.2, 0.3), "std": (0.4, 0.5, 0.6), "hf_hub_id": "timm/tiny.a"}

    def get_pretrained_cfg(name: str) -> SimpleNamespace:
        if name != "tiny.a":
            raise RuntimeError("Invalid pretrained tag")
        return SimpleNamespace(to_dict=lambda: config)

    module = ModuleType("timm")
    vars(module).update(
        create_model=create_model,
        layers=SimpleNamespace(SwiGLUPacked="SwiGLUPacked class"),
        __version__="9.9",
        is_model=lambda name: name.startswith("tiny."),
        list_models=lambda _: ["tiny.a"],
        get_pretrained_cfg=get_pretrained_cfg,
    )
    monkeypatch.setitem(sys.modules, "timm", module)
    return SimpleNamespace(calls=calls, Tokens=Tokens)


@pytest.fixture(autouse=True)
def empty_hub_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test sees weights of this machine."""
    for name in ("HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("hub")))
