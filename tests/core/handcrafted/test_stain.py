"""Unmixing against least squares, and dyes that are mixed come apart again."""

import numpy as np
import pytest

from spotweave.core.handcrafted.stain import STAINS, optical_density, unmix


def test_optical_density_is_the_law_of_beer_and_lambert(rng):
    rgb = rng.integers(0, 256, (3, 7, 5), dtype=np.uint8)
    found = optical_density(rgb)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, -np.log((rgb.astype(float) + 1) / 256), rtol=1e-6, atol=1e-7)
    assert optical_density(np.full((1, 1), 255, np.uint8)) == 0


def test_unmix_matches_least_squares(rng):
    density = rng.random((3, 6, 7)).astype(np.float32) * 2
    expected = np.linalg.lstsq(STAINS.T, density.reshape(3, -1).astype(float), rcond=None)[0]
    np.testing.assert_allclose(unmix(density).reshape(3, -1), expected, atol=1e-5)


@pytest.mark.parametrize("amounts", [(1.2, 0, 0), (0, 0.7, 0), (0.4, 0.9, 0.1)])
def test_mixed_dyes_come_apart(amounts):
    density = sum(c * dye for c, dye in zip(amounts, STAINS, strict=True))
    light = np.rint(256 * np.exp(-density) - 1).astype(np.uint8)
    found = unmix(optical_density(np.tile(light[:, None, None], (1, 2, 2))))
    np.testing.assert_allclose(found[:, 0, 0], amounts, atol=0.02)
