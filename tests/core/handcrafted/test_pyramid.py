"""Blur against scipy and the closed form for waves, means against a loop, no direction preferred."""

import numpy as np
import pytest
from scipy import ndimage

from spotweave.core.handcrafted.pyramid import blur, halve, pool, pyramid

WEIGHTS = np.array([1, 4, 6, 4, 1]) / 16


@pytest.mark.parametrize("shape", [(2, 2), (3, 2), (5, 7), (33, 40)])
def test_blur_matches_scipy(shape, rng):
    plane = rng.normal(size=shape)
    rows = ndimage.convolve1d(plane, WEIGHTS, axis=0, mode="reflect")
    np.testing.assert_allclose(blur(plane), ndimage.convolve1d(rows, WEIGHTS, axis=1, mode="reflect"), atol=1e-12)


@pytest.mark.parametrize("wavelength", [3.0, 5.5, 8.0, 30.0])
def test_band_of_a_wave_has_the_closed_form(wavelength):
    phase = 2 * np.pi / wavelength
    wave = np.tile(np.sin(phase * np.arange(64)), (9, 1))
    band = pyramid(wave, n_levels=1)[0].band
    np.testing.assert_allclose(band[:, 2:-2], (1 - np.cos(phase / 2) ** 4) * wave[:, 2:-2], atol=1e-12)


@pytest.mark.parametrize("side", [1, 2, 3, 8])
def test_pool_matches_a_loop(side, rng):
    planes = rng.normal(size=(2, 19, 24))
    h, w = 19 // side, 24 // side
    expected = np.empty((2, h, w))
    for p in range(2):
        for i in range(h):
            for j in range(w):
                expected[p, i, j] = planes[p, i * side : (i + 1) * side, j * side : (j + 1) * side].mean()
    before = planes.copy()
    np.testing.assert_allclose(pool(planes, side), expected, atol=1e-12)
    np.testing.assert_array_equal(planes, before)


def test_levels_halve_and_coarse_waves_show_in_coarse_bands():
    x = np.arange(128.0)
    sizes, strongest = [], []
    for wavelength in (2.5, 7, 14, 28, 56):  # about 2 pi standard deviations of the bands
        levels = pyramid(np.tile(np.sin(2 * np.pi * x / wavelength), (128, 1)).astype(np.float32))
        sizes = [level.plane.shape for level in levels]
        strongest.append(int(np.argmax([level.band[:, 2:-2].std() for level in levels])))
    assert sizes == [(128, 128), (64, 64), (32, 32), (16, 16), (8, 8)]
    assert strongest == [0, 1, 2, 3, 4]


def test_turned_and_mirrored_planes_have_turned_and_mirrored_pyramids(rng):
    plane = rng.normal(size=(64, 64))
    for move in (np.rot90, np.flipud, np.fliplr, np.transpose):
        for there, here in zip(pyramid(move(plane)), pyramid(plane), strict=True):
            np.testing.assert_allclose(there.band, move(here.band), atol=1e-12)


def test_flat_planes_stay_flat_to_the_bit_and_means_are_kept(rng):
    flat = np.full((32, 40), np.float32(0.1))
    for level in pyramid(flat):
        assert (level.plane == np.float32(0.1)).all()
        assert (level.band == 0).all()
    plane = rng.random((32, 32))
    assert halve(plane).mean() == pytest.approx(plane.mean())
    assert blur(plane).mean() == pytest.approx(plane.mean()), "mirrored edges lose nothing"
