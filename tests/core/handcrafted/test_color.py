"""Lab against the standard's formula written out for one pixel, and against known colours."""

import numpy as np
import pytest

from spotweave.core.handcrafted.color import lab, linear_light, saturation

# sRGB code to L*, a*, b* under D65 (Lindbloom's calculator, one decimal)
KNOWN = {
    (255, 255, 255): (100.0, 0.0, 0.0),
    (0, 0, 0): (0.0, 0.0, 0.0),
    (255, 0, 0): (53.2, 80.1, 67.2),
    (0, 255, 0): (87.7, -86.2, 83.2),
    (0, 0, 255): (32.3, 79.2, -107.9),
    (128, 128, 128): (53.6, 0.0, 0.0),
}


@pytest.mark.parametrize(("code", "expected"), list(KNOWN.items()))
def test_lab_of_known_colours(code, expected):
    rgb = np.array(code, np.uint8)[:, None]
    np.testing.assert_allclose(lab(linear_light(rgb))[:, 0], expected, atol=0.1)


def by_hand(code):
    light = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.asarray(code) / 255]
    to_xyz = [[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]]
    f = []
    for row in to_xyz:
        t = sum(m * c for m, c in zip(row, light, strict=True)) / sum(row)
        f.append(t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29)
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def test_lab_matches_the_formula_written_out(rng):
    codes = np.concatenate([rng.integers(0, 256, (40, 3)), rng.integers(0, 12, (20, 3))]).astype(np.uint8)
    found = lab(linear_light(codes.T))
    np.testing.assert_allclose(found.T, [by_hand(c) for c in codes], atol=2e-3)


def test_saturation_is_the_distance_from_grey():
    pixels = np.array([[200, 100, 50], [90, 90, 90], [0, 0, 0], [0, 255, 255]], np.float32)
    np.testing.assert_allclose(saturation(pixels.T), [150 / 201, 0, 0, 255 / 256], rtol=1e-6)
