import numpy as np
import pytest

from spotweave import InputError
from spotweave.core.spatial_basis import box_waves, orthonormal, spatial_basis


def ring(rng: np.random.Generator) -> np.ndarray:
    angle = rng.random(201) * 7
    return np.column_stack([np.cos(angle), np.sin(angle)]) * rng.uniform(0.9, 1, (201, 1))


SHAPES = {
    "square": lambda r: r.random((201, 2)),
    "ring": ring,
    "line": lambda r: np.column_stack([np.zeros(201), np.arange(201.0)]),
    "solid": lambda r: r.random((201, 3)) * [1, 5, 2],
    "far away": lambda r: r.random((201, 2)) * 1e-3 + 1e6,
    "twins": lambda r: np.repeat(r.random((67, 2)), 3, axis=0),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_functions_are_orthonormal_and_without_constant(rng, shape):
    B, frequency = spatial_basis(shape(rng), 40)
    np.testing.assert_allclose(B.T @ B, np.eye(B.shape[1]), atol=1e-6)
    np.testing.assert_allclose(B.sum(axis=0), 0, atol=1e-5)
    assert 5 < B.shape[1] <= 40
    assert len(frequency) == B.shape[1]
    assert (np.diff(frequency) >= -1e-9 * frequency[-1]).all()


def test_span_is_that_of_cosines_by_lstsq(rng):
    xy = rng.random((77, 2)) * [3, 1]
    u = (xy - xy.min(axis=0)) / np.ptp(xy, axis=0)
    every = sorted(
        (np.hypot(a / np.ptp(xy[:, 0]), b / np.ptp(xy[:, 1])) / 2, a, b) for a in range(30) for b in range(30)
    )
    chosen = every[1:13]
    F = np.column_stack(
        [np.ones(77), *(np.cos(np.pi * a * u[:, 0]) * np.cos(np.pi * b * u[:, 1]) for _, a, b in chosen)]
    )
    B, frequency = spatial_basis(xy, 12)
    np.testing.assert_allclose(frequency, [f for f, _, _ in chosen])
    np.testing.assert_allclose(F @ np.linalg.lstsq(F, B)[0], B, atol=1e-9)


def test_lowest_frequencies_of_a_long_strip_are_complete():
    waves = box_waves(np.array([[0, 0], [40, 1.0]] * 50), 60)
    every = sorted(np.hypot(a / 40, b) / 2 for a in range(200) for b in range(200))[1:61]
    np.testing.assert_allclose(waves.frequency, every)


def test_libraries_have_functions_of_their_own(rng):
    xy, library = rng.random((150, 2)), np.arange(150) % 3
    B, frequency = spatial_basis(xy, 30, library=library)
    assert B.shape == (150, 30) == (150, len(frequency))
    alone = spatial_basis(xy[library == 1], 10)
    np.testing.assert_allclose(B[library == 1, 10:20], alone.functions)
    assert not B[library != 1, 10:20].any()


def test_few_points_give_few_functions(rng):
    assert spatial_basis(rng.random((5, 2)), 40).functions.shape == (5, 4)
    assert spatial_basis(np.ones((5, 2)), 40).functions.shape == (5, 0)


def test_no_points_or_functions_are_refused(rng):
    with pytest.raises(InputError, match="n_functions"):
        spatial_basis(rng.random((5, 2)), 0)
    with pytest.raises(InputError, match="one point"):
        box_waves(np.empty((0, 2)), 3)


def test_orthonormal_skips_dependent_columns(rng):
    F = rng.normal(size=(20, 4))
    F = np.column_stack([F[:, :2], F[:, 0] - 2 * F[:, 1], F[:, 2:]])
    mix, kept = orthonormal(F.T @ F)
    assert kept.tolist() == [0, 1, 3, 4]
    np.testing.assert_allclose((F[:, kept] @ mix).T @ (F[:, kept] @ mix), np.eye(4), atol=1e-9)
    assert np.triu(mix) == pytest.approx(mix)
