import numpy as np
import pytest
from scipy.spatial import cKDTree

from spotweave.datasets._layout import make_outline
from spotweave.datasets._sites import Slice, _crossings, jitter, make_slices


def _all(section: Slice) -> np.ndarray:
    return section.positions(*section.lattice(0, section.n_obs))


def test_lattice_is_hexagonal(rng: np.random.Generator) -> None:
    [section] = make_slices(make_outline(rng), [1_001], 100.0, rng)
    distance = cKDTree(_all(section)).query(_all(section), k=7)[0][:, 1:]
    assert len(np.unique(_all(section), axis=0)) == 1_001
    np.testing.assert_allclose(distance[:, 0], 100.0)
    assert (np.abs(distance - 100.0) < 1e-6).all(axis=1).mean() > 0.85  # six equal neighbours but at the border


@pytest.mark.parametrize("sizes", [[1], [2, 1], [17, 17, 16], [400]])
def test_slices_have_the_size_asked_for(sizes: list[int], rng: np.random.Generator) -> None:
    for n, section in zip(sizes, make_slices(make_outline(rng), sizes, 10.0, rng), strict=True):
        assert len(_all(section)) == n
        assert (_all(section) + section.centre).min() > 0


def test_lattice_in_pieces_is_the_whole(rng: np.random.Generator) -> None:
    [section] = make_slices(make_outline(rng), [333], 100.0, rng)
    pieces = [section.positions(*section.lattice(a, b)) for a, b in [(0, 100), (100, 101), (101, 333)]]
    np.testing.assert_array_equal(np.concatenate(pieces), _all(section))


def test_slices_cover_the_same_anatomy(rng: np.random.Generator) -> None:
    one, two = make_slices(make_outline(rng), [900, 900], 100.0, rng)
    a, b = one.to_anatomy(_all(one)), two.to_anatomy(_all(two))
    assert cKDTree(a).query(b)[0].max() < 250  # every point of one close to a point of the other
    assert cKDTree(b).query(a)[0].max() < 250
    assert cKDTree(a).query(b)[0].mean() > 5  # yet not the same points


def test_transform_undoes_to_anatomy(rng: np.random.Generator) -> None:
    _, section = make_slices(make_outline(rng), [50, 50], 100.0, rng)
    local = _all(section)
    anatomy = np.column_stack([section.to_anatomy(local), np.ones(50)])
    np.testing.assert_allclose((anatomy @ section.transform.T)[:, :2], local + section.centre)


def test_crossings_of_a_square() -> None:
    square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    turned = np.array([[0.0, -1.0], [1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    y = np.array([-0.5, 0.0, 0.75])
    np.testing.assert_allclose(_crossings(square, y), [[-1, -1, -1], [1, 1, 1]])
    np.testing.assert_allclose(_crossings(turned, y), [[-0.5, -1, -0.25], [0.5, 1, 0.25]])


def test_jitter_keeps_cells_apart(rng: np.random.Generator) -> None:
    [section] = make_slices(make_outline(rng), [2_000], 10.0, rng)
    moved = _all(section) + jitter(2_000, 10.0, rng)
    nearest = cKDTree(moved).query(moved, k=2)[0][:, 1]
    assert nearest.min() >= 4.0
    assert nearest.std() > 0.5
