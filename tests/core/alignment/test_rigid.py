import numpy as np
import pytest

from spotweave.core.alignment.rigid import (
    angle_between,
    angle_of,
    is_mirrored,
    procrustes,
    scale_of,
    similarity,
    transform,
)


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("angle", [-3.0, -0.4, 0.0, 2.1])
def test_procrustes_recovers_a_known_similarity(rng, angle, mirrored):
    A = rng.normal(size=(17, 2)) * [30, 5]
    T = similarity(angle, np.array([4.0, -70.0]), scale=2.5, mirrored=mirrored)
    found = procrustes(A, transform(T, A), rng.random(17), scale=True, mirrored=mirrored)
    np.testing.assert_allclose(found, T, atol=1e-9)
    np.testing.assert_allclose(procrustes(A, transform(T, A), scale=True, mirrored=None), T, atol=1e-9)
    assert angle_of(T) == pytest.approx(angle)
    assert (scale_of(T), is_mirrored(T)) == (pytest.approx(2.5), mirrored)


@pytest.mark.parametrize("mirrored", [False, True])
def test_procrustes_is_the_best_of_all_rotations_of_noisy_points(rng, mirrored):
    A, w = rng.normal(size=(23, 2)) * [3, 1], rng.random(23)
    B = transform(similarity(0.7, np.array([1.0, 2.0]), mirrored=mirrored), A) + 0.5 * rng.normal(size=(23, 2))

    def loss(T):
        return (w * ((transform(T, A) - B) ** 2).sum(axis=1)).sum()

    best = loss(procrustes(A, B, w))
    for angle in np.linspace(-np.pi, np.pi, 721):
        R = similarity(angle, np.zeros(2))
        shift = np.average(B - transform(R, A), axis=0, weights=w)
        assert loss(similarity(angle, shift)) >= best - 1e-9
    assert loss(procrustes(A, B)) > best  # the weights count


def test_a_rotation_is_not_mistaken_for_a_reflection(rng):
    A = rng.normal(size=(9, 2))
    M = similarity(0.3, np.zeros(2), mirrored=True)
    assert not is_mirrored(procrustes(A, transform(M, A)))
    assert is_mirrored(procrustes(A, transform(M, A), mirrored=None))


def test_angle_between_counts_the_short_way_and_keeps_mirrored_ones_apart():
    turned = lambda degrees, **k: similarity(np.radians(degrees), np.zeros(2), **k)
    assert angle_between(turned(170), turned(-170)) == pytest.approx(20)
    assert angle_between(turned(10), turned(10, mirrored=True)) == 180
