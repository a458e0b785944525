import numpy as np
import pytest
from scipy.special import ndtri

from spotweave.core.rotation_null import rotation_z, two_sided


def products(sizes, reach, n, rng):
    """Inner products of vectors turned at random within bands, drawn."""
    total = np.zeros(n)
    for size, most in zip(sizes, reach, strict=True):
        turned = rng.normal(size=(n, size))
        total += most * turned[:, 0] / np.linalg.norm(turned, axis=1)
    return total


def test_one_band_of_three_is_uniform_on_the_line():
    t = np.array([-0.999, -0.9, 0.5, 0.97])
    z = rotation_z(2 * t, np.full((4, 1), 2.0), np.array([3.0]))
    np.testing.assert_allclose(two_sided(z), 1 - np.abs(t), rtol=0.12)
    assert (np.sign(z) == np.sign(t)).all()


def test_many_equal_bands_are_normal():
    t = np.array([-3.0, 0.0, 1.0, 4.0])
    z = rotation_z(t, np.full((4, 400), 0.5), np.full(400, 100.0))  # variance 1
    np.testing.assert_allclose(z, t, rtol=2e-3)


@pytest.mark.parametrize(
    ("sizes", "reach"), [((2, 3), (1, 1)), ((2, 2, 3, 5, 8), (1, 0.3, 0.2, 0.1, 0.1)), ((3, 5, 8), (1, 1, 1))]
)
def test_p_values_are_uniform_down_to_a_thousandth(rng, sizes, reach):
    t = products(sizes, reach, 200_000, rng)
    p = two_sided(rotation_z(t, np.tile(np.array(reach, float), (len(t), 1)), np.array(sizes)))
    for level, slack in [(0.05, 0.08), (0.01, 0.1), (0.001, 0.3)]:
        assert abs((p < level).mean() / level - 1) < slack


def test_the_greatest_product_and_nothing_are_borne():
    reach = np.array([[1.0, 2.0], [0.0, 0.0], [1.0, 2.0]])
    z = rotation_z(np.array([3.5, 1.0, 0.0]), reach, np.array([4.0, 9.0]))
    assert np.isfinite(z).all()
    assert z[0] > -ndtri(1e-6)
    np.testing.assert_array_equal(z[1:], 0)
    assert rotation_z(np.zeros(0), np.zeros((0, 2)), np.array([2, 3])).shape == (0,)
