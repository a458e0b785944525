import numpy as np
import pytest
import torch
from torch import nn

from spotweave import InputError
from spotweave._encoders._callable import CallableEncoder


@pytest.fixture
def tiles(rng):
    return rng.integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)


def test_a_function_gets_the_tiles_as_they_are(tiles):
    seen = []

    def function(given):
        seen.append((given.dtype, given.shape))
        given[:] = 0  # its own copy
        return np.arange(10).reshape(5, 2)

    before = tiles.copy()
    values = CallableEncoder(function, tile_px=8)(tiles)
    assert seen == [(np.uint8, (5, 8, 8, 3))]
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, np.arange(10).reshape(5, 2))
    np.testing.assert_array_equal(tiles, before)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.drop = nn.BatchNorm2d(3), nn.Dropout(0.9)

    def forward(self, images):
        assert not torch.is_grad_enabled()
        return self.drop(self.norm(images)).mean(dim=(2, 3))


def test_a_network_gets_normalised_tensors_in_evaluation_mode_and_is_left_alone(tiles):
    network = Network()
    network.norm.eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    values = CallableEncoder(network, tile_px=8)(tiles)
    expected = (tiles.mean(axis=(1, 2)) / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(values, expected / np.sqrt(1 + 1e-5), atol=1e-5)
    assert (network.training, network.norm.training, network.drop.training) == (True, False, True)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (np.zeros(5), r"shape \[5, d\].*found shape \[5\]"),
        (np.zeros((4, 2)), r"found shape \[4, 2\]"),
        (np.zeros((5, 2, 2)), r"found shape \[5, 2, 2\]"),
        (np.full((5, 2), np.nan), "finite"),
        ([["a"]] * 5, "numbers"),
        (None, "shape"),
    ],
)
def test_answers_are_checked(tiles, answer, message):
    with pytest.raises(InputError, match=message):
        CallableEncoder(lambda _: answer, tile_px=8)(tiles)


def test_the_length_of_a_vector_may_not_change(tiles):
    encoder = CallableEncoder(lambda given: np.zeros((len(given), len(given))), tile_px=8)
    assert encoder.n_features is None
    assert encoder(tiles[:0]).shape == (0, 0)
    encoder(tiles)
    assert encoder.n_features == 5
    assert encoder(tiles[:0]).shape == (0, 5)
    with pytest.raises(InputError, match=r"\[4, 5\].*found shape \[4, 4\]"):
        encoder(tiles[:4])


def test_tensors_are_taken_too(tiles):
    values = CallableEncoder(lambda given: torch.ones(len(given), 3, dtype=torch.bfloat16), tile_px=8)(tiles)
    np.testing.assert_array_equal(values, np.ones((5, 3), np.float32))


def test_scales_and_side_are_the_callers():
    encoder = CallableEncoder(len, tile_px=96, scales=(1.0, 2.0))
    assert (encoder.tile_px, encoder.scales) == (96, (1.0, 2.0))
