"""The vector as a whole: names, batches, turned and flat tiles, small changes, bad input."""

import numpy as np
import pytest
from scipy import ndimage
from threadpoolctl import threadpool_limits

from spotweave import InputError
from spotweave.core.handcrafted import FEATURE_NAMES, SCALES, TILE_PX, VERSION, describe_tiles
from spotweave.core.handcrafted.stain import STAINS


def stained(rng, *, n=3, px=96, density=0.02, eosin=0.4):
    """Nuclei in pink ground with a grain."""
    nuclei = np.stack([ndimage.gaussian_filter((rng.random((px, px)) < density) * 1.0, 2) for _ in range(n)])
    ground = np.stack([ndimage.gaussian_filter(rng.normal(size=(px, px)), 3) for _ in range(n)])
    amounts = np.stack([20 * nuclei, eosin * (1 + 2 * ground), np.zeros_like(nuclei)], axis=-1)
    light = 250 * np.exp(-amounts @ STAINS) + rng.normal(0, 2, (n, px, px, 3))
    return np.clip(light, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def tiles():
    rng = np.random.default_rng(7)
    parts = [
        stained(rng, density=d, eosin=e) for d, e in ((0.003, 0.2), (0.01, 0.4), (0.02, 0.8), (0.04, 0.5), (0.01, 1.2))
    ]
    return np.concatenate(parts)


@pytest.fixture(scope="module")
def spread(tiles):
    """How much each feature differs between tiles."""
    return describe_tiles(tiles).std(axis=0) + 1e-3


def test_contract(tiles):
    found = describe_tiles(tiles)
    assert found.dtype == np.float32
    assert found.shape == (15, len(FEATURE_NAMES))
    assert np.isfinite(found).all()
    assert 150 <= len(FEATURE_NAMES) <= 260
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert {"haematoxylin_mean", "density_band4_sd", "haematoxylin_blob4_count15"} <= set(FEATURE_NAMES)
    assert (VERSION, TILE_PX, SCALES) == ("1", 224, (1.0, 2.0, 4.0))
    assert describe_tiles(tiles[:0]).shape == (0, len(FEATURE_NAMES))


def test_every_feature_tells_tiles_apart(tiles):
    assert (describe_tiles(tiles).std(axis=0) > 1e-5).all()


def test_a_tile_has_the_same_bits_in_any_batch(tiles):
    before = tiles.copy()
    together = describe_tiles(tiles)
    np.testing.assert_array_equal(describe_tiles(tiles[::-1])[::-1], together)
    np.testing.assert_array_equal(describe_tiles(tiles[4:5])[0], together[4])
    elsewhere = np.zeros((15, 100, 200, 4), np.uint8)[:, 2:98, 3:195:2, :3]  # not contiguous
    elsewhere[...] = tiles
    np.testing.assert_array_equal(describe_tiles(elsewhere), together)
    np.testing.assert_array_equal(tiles, before)


@pytest.mark.parametrize("move", ["turn", "half", "up", "left", "transpose"])
def test_turned_and_mirrored_tiles_are_alike(move, tiles, spread):
    turns = {
        "turn": np.rot90(tiles, axes=(1, 2)),
        "half": np.rot90(tiles, 2, axes=(1, 2)),
        "up": tiles[:, ::-1],
        "left": tiles[:, :, ::-1],
        "transpose": tiles.transpose(0, 2, 1, 3),
    }
    change = np.abs(describe_tiles(turns[move]) - describe_tiles(tiles)) / spread
    # rounding may carry one pixel of 8,100 to another pattern
    assert change.max() < 0.01, FEATURE_NAMES[change.max(axis=0).argmax()]


@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (243, 241, 244), (120, 60, 140)])
def test_flat_tiles_are_finite_and_have_no_texture(colour):
    tile = np.broadcast_to(np.array(colour, np.uint8), (1, 64, 64, 3))
    found = dict(zip(FEATURE_NAMES, describe_tiles(tile)[0].tolist(), strict=True))
    assert np.isfinite(list(found.values())).all()
    assert found["red_mean"] == pytest.approx(colour[0] / 255, abs=1e-6)
    texture = [v for k, v in found.items() if k.endswith(("_sd", "_abs", "_skew", "_contrast")) or "blob" in k]
    assert len(texture) > 60
    assert np.abs(texture).max() < 1e-5


@pytest.mark.parametrize("px", [32, 33, 47, 100])
def test_other_sides(px, rng):
    found = describe_tiles(stained(rng, n=2, px=px))
    assert found.shape == (2, len(FEATURE_NAMES))
    assert np.isfinite(found).all()


def test_a_step_of_the_camera_moves_the_vector_little(tiles, spread, rng):
    moved = np.clip(tiles.astype(int) + rng.integers(-1, 2, tiles.shape), 0, 255).astype(np.uint8)
    change = np.abs(describe_tiles(moved) - describe_tiles(tiles)) / spread
    assert np.median(change) < 0.02
    assert np.quantile(change, 0.95) < 0.3


def test_more_nuclei_and_more_dye_move_the_features_that_are_named_so(rng):
    few, many = (describe_tiles(stained(rng, density=d)).mean(axis=0) for d in (0.003, 0.01))
    pale, pink = (describe_tiles(stained(rng, eosin=e)).mean(axis=0) for e in (0.2, 0.8))
    at = FEATURE_NAMES.index
    assert many[at("haematoxylin_blob4_count05")] > 1.5 * few[at("haematoxylin_blob4_count05")]
    assert many[at("haematoxylin_mean")] > few[at("haematoxylin_mean")]
    assert pink[at("eosin_mean")] > pale[at("eosin_mean")] + 0.4
    assert pink[at("share_glass20")] < pale[at("share_glass20")]


def test_numbers_do_not_depend_on_threads(rng):
    large = stained(rng, n=2, px=224)
    found = []
    for n_threads in (1, 2, 3):
        with threadpool_limits(n_threads):
            found.append(describe_tiles(large))
    np.testing.assert_array_equal(found[1:], found[:1] * 2)


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((2, 64, 64, 3)),
        np.zeros((2, 64, 64, 3), np.int16),
        np.zeros((64, 64, 3), np.uint8),
        np.zeros((2, 64, 64, 4), np.uint8),
        np.zeros((2, 64, 63, 3), np.uint8),
        np.zeros((2, 31, 31, 3), np.uint8),
        np.zeros((2, 3, 64, 64), np.uint8),
    ],
)
def test_other_input_is_refused(bad):
    with pytest.raises(InputError, match=r"Expected tiles of type uint8 and shape \[b, px, px, 3\] .*found"):
        describe_tiles(bad)
