"""Energies of waves and counts of drawn discs."""

import numpy as np
import pytest

from spotweave.core.handcrafted.bands import band_energies, blob_features, find_blobs
from spotweave.core.handcrafted.pyramid import Level, pyramid


def discs(radius, *, pitch, rng, side=256, dye=1.0):
    """Soft-edged discs on a jittered grid, and how many."""
    y, x = np.mgrid[:side, :side]
    plane = np.zeros((side, side), np.float32)
    at = np.arange(pitch, side - pitch / 2, pitch)
    for row in at:
        for column in at:
            dy, dx = rng.uniform(-2, 2, 2)
            far = np.hypot(y - row - dy, x - column - dx)
            plane += dye * np.clip(radius + 0.5 - far, 0, 1).astype(np.float32)
    return plane, at.size**2


@pytest.mark.parametrize(("radius", "pitch", "size"), [(3, 16, 2), (6, 27, 4), (12, 50, 8)])
@pytest.mark.parametrize("dye", [0.8, 2.0])
def test_discs_are_counted_in_the_band_of_their_size(radius, pitch, size, dye, rng):
    plane, n = discs(radius, pitch=pitch, rng=rng, dye=dye)
    found = blob_features("x", pyramid(plane))
    assert found[f"x_blob{size}_count05"] * plane.size / 10_000 == pytest.approx(n, rel=0.1)
    assert found[f"x_blob{size}_dye_mean"] > 0.4 * dye


def test_pale_discs_count_at_low_contrast_only(rng):
    plane, n = discs(6, pitch=27, rng=rng, dye=0.3)
    found = blob_features("x", pyramid(plane))
    counts = [found[f"x_blob4_count{t}"] * plane.size / 10_000 / n for t in ("05", "15", "30")]
    assert counts[0] > 0.8
    assert counts[2] < 0.1
    assert counts[0] > counts[1] > counts[2] > 0


def test_blobs_match_a_loop(rng):
    plane = rng.normal(size=(13, 10))
    level = Level(plane, rng.normal(size=(13, 10)))
    expected = []
    for i in range(1, 12):
        for j in range(1, 9):
            around = level.band[i - 1 : i + 2, j - 1 : j + 2]
            if level.band[i, j] == around.max() and level.band[i, j] > 0:
                expected.append((level.band[i, j], plane[i, j]))
    np.testing.assert_allclose(np.transpose(find_blobs(level)), expected)
    assert len(expected) > 3


def test_equal_neighbours_are_one_blob():
    plane = np.zeros((9, 9))
    plane[3:5, 3:5] = 1
    assert find_blobs(Level(plane, np.zeros((9, 9))))[0].tolist() == [1.0]


@pytest.mark.parametrize("slope", [0.0, 0.01])
def test_planes_without_blobs_have_none(slope):
    plane = np.tile(slope * np.arange(64, dtype=np.float32), (64, 1))
    found = blob_features("x", pyramid(plane))
    assert all(value == pytest.approx(0, abs=1e-3) for value in found.values())


def test_energies_match_numpy(rng):
    levels = pyramid(rng.gamma(0.5, size=(64, 64)).astype(np.float32))
    found = band_energies("x", levels)
    for k, level in enumerate(levels):
        band = level.band.astype(float)
        m2 = (band**2).mean()
        assert found[f"x_band{2**k}_sd"] == pytest.approx(np.sqrt(m2), rel=1e-5)
        assert found[f"x_band{2**k}_abs"] == pytest.approx(np.abs(band).mean(), rel=1e-5)
        assert found[f"x_band{2**k}_skew"] == pytest.approx((band**3).mean() / (m2 + 1e-4) ** 1.5, rel=1e-3, abs=1e-5)


def test_dark_spots_are_skewed_up_and_pale_ones_down(rng):
    plane, _ = discs(3, pitch=40, rng=rng)
    dark, pale = (band_energies("x", pyramid(p))["x_band4_skew"] for p in (plane, -plane))
    assert dark > 1
    assert pale == pytest.approx(-dark)
