import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spotweave import InputError
from spotweave._encoders import get_encoder, known_encoders
from spotweave._encoders._network import NetworkEncoder, _resolved, normalise
from spotweave._encoders._registry import EncoderRecord

RECORD = EncoderRecord("tiny", "Org/Tiny", "tiny", "MIT", None, tile_px=6, mean=(0.5, 0.4, 0.3), std=(0.1, 0.2, 0.3))


@pytest.fixture
def tiles(rng):
    return rng.integers(0, 256, (7, 6, 6, 3), dtype=np.uint8)


@pytest.fixture
def weights(fake_timm, tmp_path) -> Path:
    torch.manual_seed(3)
    torch.save(fake_timm.Tokens().state_dict(), tmp_path / "w.pth")
    return tmp_path / "w.pth"


def by_hand(tiles, weights):
    """Tokens [b, 7, 5] in float64."""
    state = {k: v.double().numpy() for k, v in torch.load(weights, weights_only=True).items()}
    images = (tiles / 255 - RECORD.mean) / RECORD.std
    quarters = [images[:, i : i + 3, j : j + 3].mean(axis=(1, 2)) for i in (0, 3) for j in (0, 3)]
    patches = np.stack(quarters, axis=1) @ state["proj.weight"].T + state["proj.bias"]
    return np.concatenate([state["prefix"] + patches.mean(axis=1, keepdims=True), patches], axis=1)


def test_normalise_by_hand(tiles):
    images = normalise(tiles, RECORD.mean, RECORD.std, "cpu")
    expected = ((tiles / 255 - RECORD.mean) / RECORD.std).transpose(0, 3, 1, 2)
    np.testing.assert_allclose(images, expected, atol=1e-6)


@pytest.mark.parametrize("pooling", ["cls", "mean", "cls+mean", "none"])
def test_pooling_by_hand(tiles, weights, pooling):
    tokens = by_hand(tiles, weights)
    cls, mean = tokens[:, 0], tokens[:, 3:].mean(axis=1)
    expected = {"cls": cls, "mean": mean, "cls+mean": np.hstack([cls, mean]), "none": cls}[pooling]
    encoder = NetworkEncoder(replace(RECORD, pooling=pooling), weights=weights, device="cpu")
    values = encoder(tiles)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected, atol=1e-5)
    assert encoder.n_features == expected.shape[1]


def test_same_tiles_same_bits_and_nothing_of_the_callers_changes(tiles, weights):
    before, state = tiles.copy(), torch.get_rng_state()
    encoder = NetworkEncoder(RECORD, weights=weights, device="cpu")
    np.testing.assert_array_equal(encoder(tiles), encoder(tiles))
    np.testing.assert_array_equal(tiles, before)
    assert torch.equal(torch.get_rng_state(), state)
    tiles.flags.writeable = False  # tiles of a memory map
    assert encoder(tiles[:0]).shape == (0, 5)
    assert encoder(tiles[::-1]).shape == (7, 5)


def test_identity_follows_weights_and_record(fake_timm, weights, tmp_path):
    one = NetworkEncoder(RECORD, weights=weights).identity
    assert one == NetworkEncoder(RECORD, weights=weights).identity
    assert one.startswith("tiny:")
    torch.save(fake_timm.Tokens().state_dict(), tmp_path / "other.pth")
    others = [
        NetworkEncoder(RECORD, weights=tmp_path / "other.pth").identity,
        NetworkEncoder(replace(RECORD, pooling="mean"), weights=weights).identity,
        NetworkEncoder(replace(RECORD, mean=(0.5, 0.5, 0.5)), weights=weights).identity,
    ]
    assert len({one, *others}) == 4


def test_arguments_of_the_architecture(fake_timm, weights):
    kwargs = {"mlp_layer": "SwiGLUPacked", "act_layer": "SiLU", "norm_eps": 1e-12, "img_size": 6}
    NetworkEncoder(replace(RECORD, timm_kwargs=kwargs), weights=weights)
    name, given = fake_timm.calls[-1]
    assert name == "tiny"
    norm = given.pop("norm_layer")
    assert norm(4).eps == 1e-12
    assert given == {
        "pretrained": False, "num_classes": 0, "dynamic_img_size": True, "mlp_layer": "SwiGLUPacked class",
        "act_layer": nn.SiLU, "img_size": 6,
    }  # fmt: skip
    NetworkEncoder(replace(RECORD, pooling="none"), weights=weights)
    assert fake_timm.calls[-1][1] == {"pretrained": False, "num_classes": 0}


@pytest.mark.parametrize("shape", [(2, 5, 6, 3), (2, 6, 6, 4), (6, 6, 3)])
def test_tiles_of_another_shape_are_an_error(weights, shape):
    encoder = NetworkEncoder(RECORD, weights=weights)
    with pytest.raises(InputError, match=r"\[b, 6, 6, 3\]"):
        encoder(np.zeros(shape, np.uint8))
    with pytest.raises(InputError, match="uint8"):
        encoder(np.zeros((2, 6, 6, 3), np.float32))


def test_features_of_another_length_than_the_records_are_an_error(tiles, weights):
    with pytest.raises(InputError, match=r"shape \[7, 4\] from encoder tiny; found shape \[7, 5\]"):
        NetworkEncoder(replace(RECORD, n_features=4), weights=weights, device="cpu")(tiles)


def test_weights_of_another_network_are_an_error(fake_timm, tmp_path):
    torch.save(nn.Linear(3, 5).state_dict(), tmp_path / "w.pth")
    with pytest.raises(InputError, match="Is this the file of another model"):
        NetworkEncoder(RECORD, weights=tmp_path)


def test_never_without_weights(fake_timm):
    with pytest.raises(InputError, match="weights of encoder 'tiny'"):
        NetworkEncoder(RECORD)
    assert fake_timm.calls == []


def test_without_timm_the_extra_is_named(monkeypatch, weights):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"timm.*spotweave\[histology\]"):
        NetworkEncoder(RECORD, weights=weights)


def test_an_architecture_that_timm_lacks(weights):
    with pytest.raises(InputError, match=r"timm 9\.9 can build; found absent"):
        NetworkEncoder(replace(RECORD, timm_name="absent"), weights=weights)


@pytest.fixture
def timm():
    """The real one, where it is installed and loads."""
    try:
        import timm
    except (ImportError, RuntimeError) as error:  # RuntimeError: its torchvision was built for another torch
        pytest.skip(f"timm does not load: {error}")
    return timm


def test_real_architectures_have_the_published_number_of_parameters(timm):
    """Millions, as the model cards and lazyslide-models' registry give them."""
    published = {
        "uni": 303.4, "uni2-h": 681.4, "virchow": 631.2, "virchow2": 631.2, "phikon": 85.8, "phikon-v2": 303.4,
        "h-optimus-0": 1134.8, "h0-mini": 85.7, "hibou-b": 85.7, "hibou-l": 303.7, "lunit-dino-s8": 21.7,
    }  # fmt: skip
    records = {r.name: r for r in known_encoders()}
    for name, millions in published.items():
        record = records[name]
        with torch.device("meta"):
            model = timm.create_model(record.timm_name, num_classes=0, **_resolved(record.timm_kwargs, timm))
        assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.06), name


def test_real_network_agrees_with_its_own_forward(timm, rng, tmp_path):
    model = timm.create_model("vit_small_patch16_224", img_size=224).eval()
    torch.save(model.state_dict(), tmp_path / "w.pth")
    tiles = rng.integers(0, 256, (2, 224, 224, 3), dtype=np.uint8)
    encoder = get_encoder("lunit-dino-s16", weights=tmp_path, device="cpu")
    model.reset_classifier(0)
    record = next(r for r in known_encoders() if r.name == "lunit-dino-s16")
    with torch.inference_mode():
        expected = model(normalise(tiles, record.mean, record.std, "cpu"))
    np.testing.assert_allclose(encoder(tiles), expected, atol=1e-5)
