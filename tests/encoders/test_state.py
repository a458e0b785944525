import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from spotweave import InputError
from spotweave._encoders._state import from_transformers, load_state, read_state

HERE = Path("w.pth")


def states_equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


WRAPS = {
    "bare": lambda s: s,
    "model": lambda s: {"model": s},
    "nested": lambda s: {"epoch": 3, "state_dict": {"teacher": s}},
}


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS.keys())
@pytest.mark.parametrize("prefix", ["", "module.", "backbone."])
def test_read_state_unwraps(tmp_path, wrap, prefix):
    state = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(1)}
    torch.save(wrap({prefix + k: v for k, v in state.items()}), tmp_path / "w.pth")
    assert states_equal(read_state(tmp_path / "w.pth"), state)


def test_safetensors_and_torch_files_give_the_same(tmp_path):
    state = {"a": torch.randn(3, 5), "n": torch.tensor(7)}
    save_file(state, tmp_path / "w.safetensors")
    torch.save(state, tmp_path / "w.bin")
    assert states_equal(read_state(tmp_path / "w.safetensors"), read_state(tmp_path / "w.bin"))


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path("exploded"),))


@pytest.mark.parametrize("name", ["w.pth", "w.safetensors"])
def test_read_state_runs_nothing_and_refuses_what_is_no_tensor(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps({"a": Bomb()}))
    with pytest.raises(InputError, match="a file of tensors"):
        read_state(tmp_path / name)
    assert not (tmp_path / "exploded").exists()
    torch.save({"epoch": 3}, tmp_path / "none.pth")
    with pytest.raises(InputError, match="tensors by name"):
        read_state(tmp_path / "none.pth")


def test_first_names_of_densenet_become_todays(tmp_path):
    names = [
        "features.denseblock1.denselayer12.norm.2.weight",
        "features.denseblock1.denselayer1.conv.1.weight",
        "x.1.y",
    ]
    torch.save({name: torch.ones(1) for name in names}, tmp_path / "w.pth")
    assert list(read_state(tmp_path / "w.pth")) == [
        "features.denseblock1.denselayer12.norm2.weight",
        "features.denseblock1.denselayer1.conv1.weight",
        "x.1.y",
    ]


def test_load_state_copies_every_tensor_and_drops_a_classifier():
    source, target = nn.Linear(3, 2), nn.Linear(3, 2)
    load_state(target, {**source.state_dict(), "fc.weight": torch.ones(9, 2), "mask_token": torch.ones(1)}, HERE)
    assert states_equal(source.state_dict(), target.state_dict())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bias": None}, r"1 missing \['bias'\]"),
        ({"extra.weight": torch.ones(1), "more": torch.ones(1)}, r"2 unexpected \['extra\.weight', 'more'\]"),
        ({"weight": torch.ones(2, 4)}, r"1 of another shape \['weight \[2, 4\] not \[2, 3\]'\]"),
        ({f"x{i}": torch.ones(1) for i in range(9)}, r"9 unexpected \['x0', 'x1', 'x2'\] and 6 more"),
    ],
)
def test_load_state_accounts_for_every_tensor(change, message):
    model = nn.Linear(3, 2)
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = {k: v for k, v in {**model.state_dict(), **change}.items() if v is not None}
    with pytest.raises(InputError, match=message):
        load_state(model, state, HERE)
    assert states_equal(before, model.state_dict())


def published(*, registers: bool, old: bool, d: int = 4) -> dict[str, torch.Tensor]:
    """Names as in the files of Phikon (`old`: ViT) and of DINOv2 networks, one layer."""
    layer, norms = "encoder.layer.0.", ("layernorm_before", "layernorm_after") if old else ("norm1", "norm2")
    state = {
        "embeddings.cls_token": torch.randn(1, 1, d),
        "embeddings.position_embeddings": torch.randn(1, 5, d),
        "embeddings.patch_embeddings.projection.weight": torch.randn(d, 3, 2, 2),
        "layernorm.bias": torch.randn(d),
        f"{layer}{norms[0]}.weight": torch.randn(d),
        f"{layer}{norms[1]}.weight": torch.randn(d),
        f"{layer}attention.output.dense.weight": torch.randn(d, d),
    }
    state |= {
        f"{layer}attention.attention.{n}.{p}": torch.randn(d)
        for n in ("query", "key", "value")
        for p in ("weight", "bias")
    }
    parts = ("intermediate.dense", "output.dense") if old else ("mlp.weights_in", "mlp.weights_out")
    state |= {f"{layer}{part}.weight": torch.randn(d) for part in parts}
    if not old:
        state |= {f"{layer}layer_scale{i}.lambda1": torch.randn(d) for i in (1, 2)}
    return state | ({"embeddings.register_tokens": torch.randn(1, 2, d)} if registers else {})


@pytest.mark.parametrize(("registers", "old"), [(False, True), (False, False), (True, False)])
@pytest.mark.parametrize("prefix", ["", "vit.", "dinov2."])
def test_from_transformers_gives_timms_names(registers, old, prefix):
    state = published(registers=registers, old=old)
    renamed = from_transformers({prefix + k: v for k, v in state.items()})
    blocks = [
        "norm1.weight",
        "norm2.weight",
        "attn.proj.weight",
        "attn.qkv.weight",
        "attn.qkv.bias",
        "mlp.fc1.weight",
        "mlp.fc2.weight",
    ]
    blocks += [] if old else ["ls1.gamma", "ls2.gamma"]
    names = {"cls_token", "pos_embed", "patch_embed.proj.weight", "norm.bias", *(f"blocks.0.{b}" for b in blocks)}
    assert renamed.keys() == names | ({"reg_token"} if registers else set())
    expected = np.concatenate(
        [state[f"encoder.layer.0.attention.attention.{n}.bias"] for n in ("query", "key", "value")]
    )
    np.testing.assert_array_equal(renamed["blocks.0.attn.qkv.bias"], expected)
    first = "norm1" if not old else "layernorm_before"
    assert torch.equal(renamed["blocks.0.norm1.weight"], state[f"encoder.layer.0.{first}.weight"])


def test_tokens_with_positions_stay_what_they_were():
    state = published(registers=True, old=False)
    patches = torch.randn(1, 4, 4)
    theirs = torch.cat([state["embeddings.cls_token"], patches], dim=1) + state["embeddings.position_embeddings"]
    ours = from_transformers(state)
    mine = torch.cat([ours["cls_token"], patches + ours["pos_embed"]], dim=1)
    torch.testing.assert_close(mine, theirs)
