"""SpaGE's route against subspace angles of scipy, loops over cells, and a planted structure."""

import numpy as np
import pytest
from scipy.linalg import subspace_angles

from spotweave import InputError
from spotweave.core.imputation import principal_vectors as module
from spotweave.core.imputation.neighbors import nearest, sparse_rows
from spotweave.core.imputation.pair import sizes
from spotweave.core.imputation.principal_vectors import (
    distance_weights,
    nearest_cells,
    principal_vectors,
    shared_directions,
)


def orthonormal(rng, p, k):
    return np.linalg.qr(rng.normal(size=(p, k)))[0]


def test_cosines_are_those_of_the_subspace_angles(rng):
    V, W = orthonormal(rng, 19, 4), orthonormal(rng, 19, 6)
    found = shared_directions(V, W)
    cosines = np.cos(subspace_angles(V, W))
    cosines = np.sort(cosines[cosines > module.LEAST_COSINE])[::-1]
    assert found.shape == (19, len(cosines))
    assert len(cosines) >= 2
    np.testing.assert_allclose(found.T @ found, np.eye(len(cosines)), atol=1e-6)
    np.testing.assert_allclose(W @ (W.T @ found), found, atol=1e-6)  # within the reference's subspace
    np.testing.assert_allclose(np.linalg.norm(V.T @ found, axis=0), cosines, atol=1e-6)


def test_wide_angles_are_left_out_but_one(rng):
    Q = orthonormal(rng, 9, 8)
    tilted = np.stack([Q[:, 0], 0.4 * Q[:, 1] + np.sqrt(1 - 0.16) * Q[:, 4], 0.2 * Q[:, 2] + np.sqrt(0.96) * Q[:, 5]])
    assert shared_directions(tilted.T, Q[:, :3]).shape == (9, 2)
    assert shared_directions(Q[:, :3], Q[:, 3:6]).shape == (9, 1)


@pytest.mark.parametrize("entries", [1, 60, 1_000_000])
def test_nearest_against_a_loop_whatever_the_chunks(rng, entries):
    A, B = rng.normal(size=(17, 5)).astype(np.float32), rng.normal(size=(29, 5)).astype(np.float32)
    A[3] = 0
    cells, similarity = nearest(A, B, 6, entries=entries)
    for i in np.delete(np.arange(17), 3):
        cosine = [a @ A[i] / np.linalg.norm(a) / np.linalg.norm(A[i]) for a in B]
        np.testing.assert_array_equal(cells[i], np.argsort(cosine)[::-1][:6])
        np.testing.assert_allclose(similarity[i], np.sort(cosine)[::-1][:6], atol=1e-6)
    assert not similarity[3].any()


def test_more_neighbours_than_cells_are_all(rng):
    assert nearest(rng.normal(size=(3, 2)), rng.normal(size=(4, 2)), 9).cells.shape == (3, 4)


def test_weights_against_a_loop(rng):
    similarity = np.sort(rng.uniform(-0.4, 1, (13, 6)), axis=1)[:, ::-1].astype(np.float32)
    similarity[0] = [0.5, -0.1, -0.2, -0.3, -0.4, -0.5]  # one neighbour
    similarity[1] = -0.1  # none
    similarity[2] = 1  # exact copies
    found = distance_weights(similarity)
    for s, w in zip(similarity[3:], found[3:], strict=True):
        d = [1 - value for value in s if value > 0]
        expected = np.array([(1 - each / sum(d)) / (len(d) - 1) for each in d])
        np.testing.assert_allclose(w[: len(d)], expected, atol=1e-6)
        assert not w[len(d) :].any()
    np.testing.assert_allclose(found[:3], np.array([[1, 0, 0, 0, 0, 0], np.zeros(6), np.full(6, 1 / 6)]))


def test_prediction_against_a_loop(kinds, rng):
    pair = kinds.pair
    near = nearest_cells(pair, rank=8, n_neighs=9)
    weights, size, Y = distance_weights(near.similarity), sizes(pair.R), pair.Y.toarray()
    found = principal_vectors(pair, rng, rank=8, n_neighs=9)(slice(1, 29))
    middle = np.median(size)
    for i in range(len(found)):
        for g in range(1, 28):
            mean = sum(
                w * np.log(1 + Y[j, g] * middle / size[j]) for j, w in zip(near.cells[i], weights[i], strict=True)
            )
            ratio = (np.exp(mean) - 1) / middle / (Y[:, g].sum() / size.sum())
            np.testing.assert_allclose(found[i, g - 1], np.clip(np.log(max(ratio, 0.02)), -4, 4), atol=1e-4)
    assert not found[:, -1].any()
    np.testing.assert_array_equal(principal_vectors(pair, rng, rank=8, n_neighs=9)([1, 4]), found[:, [0, 3]])


def test_weights_in_their_places():
    weights = sparse_rows(np.array([[0, 2], [1, 2]]), np.array([[0.25, 0.75], [0, 0]]), 4)
    np.testing.assert_array_equal(weights.toarray(), [[0.25, 0, 0.75, 0], [0] * 4])


def test_a_cell_without_neighbours_is_what_depth_expects(kinds, rng, monkeypatch):
    pair = kinds.pair
    near = nearest_cells(pair, rank=8, n_neighs=9)
    near.similarity[4] = -0.5
    monkeypatch.setattr(module, "nearest_cells", lambda pair, **options: near)
    found = principal_vectors(pair, rng)(slice(None))
    assert not found[4].any()
    assert np.delete(found, 4, axis=0)[:, :-1].all()


def test_planted_kinds_are_recovered_and_nothing_is_changed(kinds, rng):
    pair = kinds.pair
    before = [A.copy() for A in (pair.X, pair.R, pair.Y)]
    found = principal_vectors(pair, rng)(slice(None))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert kinds.recovered(found) > 0.8
    assert kinds.recovered(principal_vectors(kinds.scrambled(rng), rng)(slice(None))) < 0.3
    assert all((a != b).nnz == 0 for a, b in zip(before, (pair.X, pair.R, pair.Y), strict=True))


def test_bad_numbers(kinds, rng):
    pair = kinds.pair
    with pytest.raises(InputError, match="`rank`"):
        principal_vectors(pair, rng, rank=0)
    with pytest.raises(InputError, match="`n_neighs`"):
        principal_vectors(pair, rng, n_neighs=0)
