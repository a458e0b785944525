import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.propagate import max_in_degree, n_isolated, propagate, row_normalise, sym_normalise, symmetrise


@pytest.fixture
def W(rng) -> sp.csr_matrix:
    """Directed weights of 17 points; the last has no edge at all."""
    dense = np.where(rng.random((17, 17)) < 0.2, rng.random((17, 17)), 0)
    np.fill_diagonal(dense, 0)
    dense[16] = dense[:, 16] = 0
    return sp.csr_matrix(dense)


def test_symmetrise_matches_dense(W):
    A = W.toarray()
    np.testing.assert_array_equal(symmetrise(W).toarray(), np.maximum(A, A.T))
    mutual = symmetrise(W, "mutual")
    np.testing.assert_array_equal(mutual.toarray(), np.minimum(A, A.T))
    assert 0 < mutual.nnz < W.nnz
    assert mutual.format == "csr"
    assert (mutual.data != 0).all()
    with pytest.raises(InputError, match="how"):
        symmetrise(W, "both")  # type: ignore[arg-type]


def test_row_normalise_matches_loop(W):
    A = W.toarray()
    P = row_normalise(W).toarray()
    for i in range(17):
        row = A[i].copy()
        row[i] += 1
        np.testing.assert_allclose(P[i], row / row.sum())
    assert P[16, 16] == 1
    bare = row_normalise(W, self_loops=False)
    np.testing.assert_allclose(bare.toarray()[:16], (A / np.maximum(A.sum(1), 1e-300)[:, None])[:16])
    assert bare[[16]].nnz == 0


def test_sym_normalise_matches_formula(W):
    A = symmetrise(W).toarray()
    degree = np.diag((A + np.eye(17)).sum(axis=1) ** -0.5)
    S = sym_normalise(symmetrise(W))
    np.testing.assert_allclose(S.toarray(), degree @ (A + np.eye(17)) @ degree)
    values = np.linalg.eigvalsh(S.toarray())
    assert values.min() > -1
    np.testing.assert_allclose(values.max(), 1)


def test_operators_leave_the_graph_alone(W):
    before = W.copy()
    for operator in (symmetrise, row_normalise, sym_normalise):
        operator(W)
    row_normalise(W, self_loops=False)
    assert (before != W).nnz == 0


def test_float32_stays(W):
    W = W.astype(np.float32)
    X = np.ones((17, 3), np.float32)
    assert row_normalise(W).dtype == sym_normalise(W).dtype == np.float32
    assert propagate(X, row_normalise(W), 2).dtype == np.float32


def test_n_isolated():
    W = sp.csr_matrix(([1.0, 1, 0, 1], ([0, 1, 2, 4], [1, 1, 3, 0])), shape=(5, 5))
    assert n_isolated(W) == 2  # row 1 has itself only, row 3 nothing; the stored zero of row 2 is an edge
    assert n_isolated(sp.csr_matrix((0, 0))) == 0


def test_max_in_degree():
    W = sp.csr_matrix(np.array([[0, 1, 0], [0, 0, 1], [0, 1, 0]]))
    assert max_in_degree(W) == 2
    assert max_in_degree(sp.csr_matrix((3, 3))) == 0


@pytest.mark.parametrize("n_hops", [0, 1, 3])
def test_propagate_matches_power_and_sparse_equals_dense(W, rng, n_hops):
    P = row_normalise(W)
    X = rng.random((17, 5)) * (rng.random((17, 5)) < 0.4)
    expected = np.linalg.matrix_power(P.toarray(), n_hops) @ X
    np.testing.assert_allclose(propagate(X, P, n_hops), expected)
    sparse = propagate(sp.csr_matrix(X), P, n_hops)
    assert sparse.format == "csr"
    np.testing.assert_allclose(sparse.toarray(), expected)
    np.testing.assert_allclose(propagate(X, P, n_hops)[16], X[16])  # the isolated point keeps its values


def test_propagate_of_neighbourhood_means_matches_loop(W, rng):
    A, X = (W != 0).astype(float).tocsr(), rng.random((17, 4))
    expected = np.stack([np.vstack([X[i], X[W[[i]].indices]]).mean(axis=0) for i in range(17)])
    np.testing.assert_allclose(propagate(X, row_normalise(A), 1), expected)


def test_propagate_refuses(W):
    with pytest.raises(InputError, match="17 points"):
        propagate(np.ones((16, 2)), W, 1)
    with pytest.raises(InputError, match="n_hops"):
        propagate(np.ones((17, 2)), W, -1)
