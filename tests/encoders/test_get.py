import json
import sys

import numpy as np
import pytest
import torch
from torch import nn

from spotweave import InputError
from spotweave._encoders import Encoder, get_encoder
from spotweave._encoders._callable import CallableEncoder
from spotweave._encoders._handcrafted import HandcraftedEncoder
from spotweave._encoders._network import NetworkEncoder


def mean_colour(tiles):
    return tiles.mean(axis=(1, 2))


@pytest.fixture
def weights(fake_timm, tmp_path):
    torch.save(fake_timm.Tokens(1024).state_dict(), tmp_path / "w.pth")
    return tmp_path / "w.pth"


def test_each_kind_gets_its_encoder():
    own = CallableEncoder(mean_colour)
    assert get_encoder(own) is own
    assert isinstance(get_encoder("handcrafted"), HandcraftedEncoder)
    assert isinstance(get_encoder(mean_colour), CallableEncoder)
    assert isinstance(get_encoder(nn.Flatten()), CallableEncoder)
    for made in (own, get_encoder(nn.Flatten())):
        assert isinstance(made, Encoder)


def test_a_name_gets_its_network(fake_timm, tmp_path):
    torch.save(fake_timm.Tokens().state_dict(), tmp_path / "w.pth")
    encoder = get_encoder("UNI", weights=tmp_path)
    assert isinstance(encoder, NetworkEncoder)
    assert isinstance(encoder, Encoder)
    assert (encoder.name, encoder.tile_px, encoder.scales, encoder.n_features) == ("uni", 224, (1.0,), 1024)
    assert fake_timm.calls[-1][0] == "vit_large_patch16_224"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("uni2", r"found 'uni2'\. Did you mean 'uni' or 'uni2-h'.*timm:NAME"),
        ("handcraft", "Did you mean 'handcrafted'"),
        ("zzzz", r"'virchow2'\]; found 'zzzz'\. Any other network"),
        ("tim:resnet18", "found 'tim:resnet18'"),
    ],
)
def test_an_unknown_name_lists_close_ones(name, message):
    with pytest.raises(InputError, match=message):
        get_encoder(name)


@pytest.mark.parametrize("name", ["conch", "CONCH-v1.5"])
def test_networks_with_a_package_of_their_own_say_so(name):
    with pytest.raises(InputError, match=r"package of its own.*huggingface\.co/MahmoodLab.*encoder=function"):
        get_encoder(name, weights="somewhere")


@pytest.mark.parametrize("encoder", ["handcrafted", mean_colour])
@pytest.mark.parametrize("options", [{"weights": "w.pth"}, {"download": True}])
def test_weights_are_never_ignored(encoder, options):
    with pytest.raises(InputError, match="only with the name of a network"):
        get_encoder(encoder, **options)


def test_what_is_no_encoder():
    with pytest.raises(InputError, match=r"an encoder: a name, .*; found 3"):
        get_encoder(3)  # type: ignore[arg-type]


def test_any_network_of_timm(fake_timm, tmp_path):
    torch.save(fake_timm.Tokens().state_dict(), tmp_path / "w.pth")
    encoder = get_encoder("timm:tiny.a", weights=tmp_path, device="cpu")
    assert encoder.name == "timm:tiny.a"
    assert encoder.tile_px == 32
    assert encoder(np.zeros((3, 32, 32, 3), np.uint8)).shape == (3, 5)
    with pytest.raises(InputError, match=r"timm/tiny\.a"):
        get_encoder("timm:tiny.a")
    for name in ("other", "tiny.absent"):
        with pytest.raises(InputError, match=f"'{name}'.*tiny.a"):
            get_encoder(f"timm:{name}")


def test_a_repository_in_timms_format(fake_timm, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--Org--Own" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match=r"no config\.json.*weights=PATH"):
        get_encoder("hf-hub:Org/Own")
    config = {
        "architecture": "own",
        "model_args": {"img_size": 8},
        "pretrained_cfg": {"input_size": [3, 8, 8], "mean": [0.5, 0.4, 0.3]},
    }
    (folder / "config.json").write_text(json.dumps(config))
    torch.save(fake_timm.Tokens().state_dict(), folder / "pytorch_model.bin")
    for weights in (None, folder, folder / "pytorch_model.bin"):
        encoder = get_encoder("hf-hub:Org/Own", weights=weights, device="cpu")
        assert isinstance(encoder, NetworkEncoder)
        assert encoder.tile_px == 8
        assert encoder.record.mean == (0.5, 0.4, 0.3)
        assert fake_timm.calls[-1] == ("own", {"pretrained": False, "num_classes": 0, "img_size": 8})
    (folder / "config.json").write_text('{"model_type": "dinov2"}')
    with pytest.raises(InputError, match=r"timm's format .*\['model_type'\]"):
        get_encoder("hf-hub:Org/Own")


def test_any_classifier_of_torchvision(monkeypatch, tmp_path):
    from types import ModuleType, SimpleNamespace

    class Classifier(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
            self.scale = nn.Parameter(torch.full((3,), 2.0))
            self.fc = nn.Linear(3, 1000)

        def forward(self, images):
            return self.fc(self.body(images) * self.scale)

    url = "https://download.pytorch.org/models/net-0a1b.pth"
    models = SimpleNamespace(
        list_models=lambda module: ["net"],
        get_model_weights=lambda name: SimpleNamespace(DEFAULT=SimpleNamespace(url=url)),
        get_model=lambda name, weights: Classifier(),
    )
    module = ModuleType("torchvision")
    vars(module)["models"] = models
    monkeypatch.setitem(sys.modules, "torchvision", module)
    torch.save(Classifier().state_dict(), tmp_path / "net-0a1b.pth")
    torch.save({}, tmp_path / "other.pth")
    tiles = np.full((2, 224, 224, 3), 255, np.uint8)
    values = get_encoder("torchvision:net", weights=tmp_path, device="cpu")(tiles)
    expected = 2 * (1 - np.array([0.485, 0.456, 0.406])) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(values, [expected, expected], rtol=1e-5)
    with pytest.raises(InputError, match="torchvision knows"):
        get_encoder("torchvision:absent")
