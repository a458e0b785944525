"""Coordinate descent against scipy's active sets."""

import numpy as np
import pytest
import scipy.optimize

from spotweave.core.deconvolution.nonnegative import solve


def problems(rng, n, t, rows=30):
    A, y = rng.normal(0.3, 1, (n, rows, t)), rng.normal(size=(n, rows))
    return A, y, np.swapaxes(A, 1, 2) @ A, np.einsum("nrt,nr->nt", A, y)


def test_matches_scipy(rng):
    A, y, H, b = problems(rng, 17, 5)
    expected = np.array([scipy.optimize.nnls(a, x)[0] for a, x in zip(A, y, strict=True)])
    assert 0.2 < (expected == 0).mean() < 0.8
    np.testing.assert_allclose(solve(H, b, np.ones((17, 5)), n_sweeps=300), expected, atol=1e-8)
    np.testing.assert_array_equal(solve(H, b, np.ones((17, 5)), n_sweeps=300) == 0, expected == 0)


def test_one_matrix_for_all(rng):
    A, y, H, _ = problems(rng, 9, 4)
    b = y @ A[0]
    expected = np.array([scipy.optimize.nnls(A[0], x)[0] for x in y])
    np.testing.assert_allclose(solve(H[0], b, np.zeros((9, 4)), n_sweeps=300), expected, atol=1e-8)


def test_singular_matrices_reach_the_same_minimum(rng):
    """Two equal columns: their sum is determined."""
    A, y, _, _ = problems(rng, 11, 4)
    A[:, :, 3] = A[:, :, 1]
    H, b = np.swapaxes(A, 1, 2) @ A, np.einsum("nrt,nr->nt", A, y)
    found = solve(H, b, np.ones((11, 4)), n_sweeps=500)
    for a, x, w in zip(A, y, found, strict=True):
        assert np.linalg.norm(a @ w - x) == pytest.approx(scipy.optimize.nnls(a, x)[1], abs=1e-8)
        assert (w >= 0).all()


def test_a_type_without_any_information_stays_where_it_was(rng):
    _, _, H, b = problems(rng, 3, 4)
    H[:, 2], H[:, :, 2], b[:, 2] = 0, 0, 0
    found = solve(H, b, np.full((3, 4), 0.7), n_sweeps=300)
    np.testing.assert_array_equal(found[:, 2], 0.7)
    rest = [0, 1, 3]
    expected = solve(H[:, rest][:, :, rest], b[:, rest], np.ones((3, 3)), n_sweeps=300)
    np.testing.assert_allclose(found[:, rest], expected, atol=1e-9)
    assert not solve(np.zeros((2, 3, 3)), np.zeros((2, 3)), np.zeros((2, 3))).any()


@pytest.mark.parametrize("shape", [(1, 5), (6, 1), (6, 5)])
def test_the_start_is_left_alone(rng, shape):
    _, _, H, b = problems(rng, *shape)
    start = np.full(shape, 0.25)
    assert (solve(H, b, start) != start).any()
    np.testing.assert_array_equal(start, 0.25)


def test_stops_when_nothing_moves(rng):
    _, _, H, b = problems(rng, 8, 5)
    sure = solve(H, b, np.ones((8, 5)), n_sweeps=500)
    np.testing.assert_allclose(solve(H, b, np.ones((8, 5)), n_sweeps=500, tolerance=1e-6), sure, atol=1e-4)
    loose = solve(H, b, np.ones((8, 5)), n_sweeps=500, tolerance=1e3)
    np.testing.assert_array_equal(loose, solve(H, b, np.ones((8, 5)), n_sweeps=1))
