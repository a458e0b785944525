import sys
from types import ModuleType

import numpy as np
import pytest

from spotweave import InputError
from spotweave._encoders import Encoder, get_encoder


@pytest.fixture
def core(monkeypatch):
    """A stand-in for core.handcrafted: mean colour."""
    module = ModuleType("spotweave.core.handcrafted")
    vars(module).update(
        VERSION="7",
        FEATURE_NAMES=("red", "green", "blue"),
        TILE_PX=16,
        SCALES=(1.0, 2.0, 4.0),
        describe_tiles=lambda tiles: tiles.mean(axis=(1, 2)).astype(np.float32),
    )
    monkeypatch.setitem(sys.modules, "spotweave.core.handcrafted", module)
    return module


def test_it_is_what_core_says(core, rng):
    encoder = get_encoder("handcrafted")
    assert isinstance(encoder, Encoder)
    assert (encoder.name, encoder.identity, encoder.tile_px) == ("handcrafted", "handcrafted:7", 16)
    assert (encoder.scales, encoder.n_features) == ((1.0, 2.0, 4.0), 3)
    tiles = rng.integers(0, 256, (5, 16, 16, 3), dtype=np.uint8)
    np.testing.assert_allclose(encoder(tiles), tiles.mean(axis=(1, 2)), rtol=1e-6)


def test_tiles_and_features_are_checked(core):
    with pytest.raises(InputError, match=r"\[b, 16, 16, 3\]"):
        get_encoder("handcrafted")(np.zeros((5, 8, 8, 3), np.uint8))
    core.FEATURE_NAMES = ("red",)
    with pytest.raises(InputError, match=r"\[5, 1\] from encoder handcrafted; found shape \[5, 3\]"):
        get_encoder("handcrafted")(np.zeros((5, 16, 16, 3), np.uint8))
