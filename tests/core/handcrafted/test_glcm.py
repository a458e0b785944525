"""Co-occurrence and its properties against loops over pixels and steps."""

import numpy as np
import pytest

from spotweave.core.handcrafted.glcm import cooccurrence, glcm_features, grey_levels


def counted(greys, distance):
    h, w = greys.shape
    p = np.zeros((8, 8))
    for i in range(h):
        for j in range(w):
            for k, l in ((i + distance, j), (i, j + distance), (i - distance, j), (i, j - distance)):
                if 0 <= k < h and 0 <= l < w:
                    p[greys[i, j], greys[k, l]] += 1
    return p / p.sum()


@pytest.mark.parametrize("distance", [1, 3])
def test_cooccurrence_matches_a_loop(distance, rng):
    greys = rng.integers(0, 8, (11, 14)).astype(np.uint8)
    np.testing.assert_allclose(cooccurrence(greys, distance=distance), counted(greys, distance))


def test_properties_match_a_loop(rng):
    plane = rng.normal(0.5, 0.4, (16, 13)).astype(np.float32)
    steps = np.array([[min(max(int(np.floor(v / 1.2 * 8)), 0), 7) for v in row] for row in plane])
    np.testing.assert_array_equal(grey_levels(plane, high=1.2), steps)
    p = counted(steps, 2)
    contrast = dissimilarity = homogeneity = energy = entropy = covariance = variance = 0.0
    mean = sum(i * p[i].sum() for i in range(8))
    for i in range(8):
        for j in range(8):
            contrast += p[i, j] * (i - j) ** 2
            dissimilarity += p[i, j] * abs(i - j)
            homogeneity += p[i, j] / (1 + (i - j) ** 2)
            energy += p[i, j] ** 2
            entropy -= p[i, j] * np.log(p[i, j]) if p[i, j] else 0
            covariance += p[i, j] * (i - mean) * (j - mean)
            variance += p[i, j] * (i - mean) ** 2
    expected = {
        "p_contrast": contrast,
        "p_dissimilarity": dissimilarity,
        "p_homogeneity": homogeneity,
        "p_energy": np.sqrt(energy),
        "p_correlation": covariance / variance,
        "p_entropy": entropy,
    }
    assert glcm_features("p", plane, high=1.2, distance=2) == pytest.approx(expected, rel=1e-5)


def test_a_flat_plane_is_all_one_pair():
    found = glcm_features("p", np.full((9, 9), np.float32(0.4)), high=1.2, distance=1)
    assert found["p_energy"] == found["p_homogeneity"] == 1
    assert found["p_contrast"] == found["p_correlation"] == found["p_entropy"] == 0
