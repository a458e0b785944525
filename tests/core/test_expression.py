"""Components from streamed counts, against dense formulas and scikit-learn."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.decomposition import PCA

from spotweave import InputError
from spotweave.core.expression import (
    MAX_SCALED,
    principal_components,
    project,
    project_halves,
)
from spotweave.core.splitting import thin


def chunked(X, size):
    """Row chunks of any matrix, as `_table.row_chunks` gives them."""
    return lambda: ((slice(s, min(s + size, X.shape[0])), X[s : s + size]) for s in range(0, X.shape[0], size))


@pytest.fixture
def counts(rng) -> np.ndarray:
    X = rng.negative_binomial(2, 0.4, size=(47, 23)) * (rng.random((47, 23)) < 0.6)
    X[5] = 0  # a cell of zeros
    X[:, 3] = 0  # a gene of zeros
    return X.astype(float)


def standardised(X, target=None):
    size = X.sum(axis=1)
    target = np.median(size[size > 0]) if target is None else target
    L = np.log1p(X * np.divide(target, size, out=np.zeros_like(size), where=size > 0)[:, None])
    sd = L.std(axis=0)
    sd[sd < 1e-8] = 1
    return np.minimum(L / sd, MAX_SCALED), sd


@pytest.mark.parametrize("size", [1, 7, 47, 100])
def test_components_are_those_of_the_dense_matrix_and_scikit_learn(counts, size, rng):
    found = principal_components(chunked(sp.csr_matrix(counts), size), counts.sum(axis=1), 6, rng=rng)
    Y, sd = standardised(counts)
    np.testing.assert_allclose(found.scale, sd)
    np.testing.assert_allclose(found.mean, Y.mean(axis=0), atol=1e-5)
    reference = PCA(6, svd_solver="full").fit(Y)
    np.testing.assert_allclose(found.variance, reference.explained_variance_ * 46 / 47, rtol=1e-4)
    signs = np.sign((found.loadings * reference.components_.T).sum(axis=0))
    np.testing.assert_allclose(found.loadings, reference.components_.T * signs, atol=2e-3)
    np.testing.assert_allclose(found.scores, reference.transform(Y) * signs, atol=1e-2)
    np.testing.assert_allclose(found.scores, (Y - Y.mean(axis=0)) @ found.loadings, atol=1e-5)
    np.testing.assert_allclose(found.loadings.T @ found.loadings, np.eye(6), atol=1e-8)
    assert found.scores.dtype == np.float32
    np.testing.assert_allclose(found.loadings[3], 0, atol=1e-12)  # the gene of zeros
    largest = np.abs(found.loadings).argmax(axis=0)
    assert (found.loadings[largest, np.arange(6)] > 0).all()


def test_iterative_solver_gives_what_the_dense_one_gives(rng):
    X = rng.poisson(rng.gamma(1, 1, (60, 1)) * rng.gamma(1, 1, (1, 90)) + rng.gamma(0.3, 2, (60, 90)))
    size = X.sum(axis=1)
    few = principal_components(chunked(X, 13), size, 5, rng=rng)  # 5 < 90 // 4: ARPACK
    many = principal_components(chunked(X, 13), size, 59, rng=rng)
    np.testing.assert_allclose(few.variance, many.variance[:5], rtol=1e-8)
    np.testing.assert_allclose(few.scores, many.scores[:, :5], atol=1e-3)


def test_same_whatever_the_container_and_input_is_left_alone(counts, rng):
    size, before = counts.sum(axis=1), counts.copy()
    sparse = sp.csr_matrix(counts)
    results = [
        principal_components(chunked(X, 10), size, 4, rng=np.random.default_rng(0)).scores
        for X in (counts, sparse, sp.csr_matrix(counts.astype(np.int32)))
    ]
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_array_equal(results[0], results[2])
    np.testing.assert_array_equal(sparse.toarray(), before)
    np.testing.assert_array_equal(counts, before)


def test_target_is_used_and_depth_alone_does_not_matter(counts, rng):
    size = counts.sum(axis=1)
    found = principal_components(chunked(counts, 10), size, 3, target=500.0, rng=rng)
    Y, sd = standardised(counts, 500.0)
    np.testing.assert_allclose(found.scale, sd)
    factor = rng.integers(1, 5, len(counts))[:, None]
    deeper = principal_components(chunked(counts * factor, 10), size * factor[:, 0], 3, target=500.0, rng=rng)
    np.testing.assert_allclose(found.scores, deeper.scores, atol=1e-4)


def test_rare_genes_are_clipped(rng):
    X = rng.poisson(3.0, (400, 6)).astype(float)
    X[:, 5] = 0
    X[7, 5] = 3  # one cell in 400: 20 standard deviations
    found = principal_components(chunked(X, 100), X.sum(axis=1), 6, rng=rng)
    np.testing.assert_allclose(found.mean[5], MAX_SCALED / 400, rtol=1e-5)


def test_number_of_components_is_cut_to_what_there_is(counts, rng):
    size = counts.sum(axis=1)
    assert principal_components(chunked(counts, 10), size, 100, rng=rng).scores.shape == (47, 23)
    assert principal_components(chunked(counts[:4], 10), size[:4], 100, rng=rng).scores.shape == (4, 3)


def test_no_counts_is_an_error(rng):
    with pytest.raises(InputError, match="at least one cell with counts"):
        principal_components(chunked(np.zeros((4, 3)), 2), np.zeros(4), 2, rng=rng)


@pytest.mark.parametrize("size", [1, 10, 100])
def test_counts_of_the_components_are_projected_onto_their_own_scores(counts, size, rng):
    depth = counts.sum(axis=1) + np.arange(47)  # genes that are not among these count too
    c = principal_components(chunked(counts, 47), depth, 5, rng=rng)
    np.testing.assert_allclose(project(chunked(sp.csr_matrix(counts), size), depth, c), c.scores, atol=1e-5)


def test_other_counts_are_projected_with_the_scale_of_the_components(counts, rng):
    depth = counts.sum(axis=1)
    c = principal_components(chunked(counts, 47), depth, 5, rng=rng)
    other = rng.poisson(2.0, (9, 23))
    other[4] = 0
    size = other.sum(axis=1)
    Y = np.minimum(np.log1p(other * c.target / np.maximum(size, 1)[:, None]) / c.scale, MAX_SCALED)
    found = project(chunked(other, 4), size, c)
    np.testing.assert_allclose(found, (Y - c.mean) @ c.loadings, atol=1e-4)
    assert found.dtype == np.float32


def test_halves_lie_on_the_same_components_and_average_to_the_whole(rng):
    rate = 40 * rng.gamma(2, 1, (200, 12))
    X = rng.poisson(rate)
    size = X.sum(axis=1)
    components = principal_components(chunked(X, 64), size, 3, rng=rng)
    A, B = project_halves(chunked(X, 64), size, components, rng=rng)
    assert A.shape == B.shape == (200, 3)
    assert not np.allclose(A, B)
    for half in (A, B):
        for column in range(3):
            assert np.corrcoef(half[:, column], components.scores[:, column])[0, 1] > 0.97
    assert np.abs((A + B) / 2 - components.scores).mean() < 0.2


def test_halves_are_normalised_as_cells_of_half_the_depth(counts, rng):
    size = counts.sum(axis=1)
    c = principal_components(chunked(counts, 64), size, 4, rng=rng)
    found = project_halves(chunked(counts, 64), size, c, rng=np.random.default_rng(3))
    for half, scores in zip(thin(counts, np.random.default_rng(3)), found, strict=True):
        share = half.toarray() / np.maximum(size / 2, 1)[:, None]
        Y = np.minimum(np.log1p(c.target * share) / c.scale, MAX_SCALED)
        np.testing.assert_allclose(scores, (Y - c.mean) @ c.loadings, atol=1e-4)


def test_components_within_batches_are_those_of_the_centred_dense_matrix(counts, rng):
    batch = np.arange(47) % 3
    counts[batch == 1] *= 3
    counts[batch == 2, :4] = 0
    fit = principal_components(chunked(counts, 10), counts.sum(axis=1), 6, batch=batch, rng=rng)
    size = counts.sum(axis=1)
    L = np.log1p(counts * np.divide(fit.target, size, out=np.zeros_like(size), where=size > 0)[:, None])
    inner = L - np.stack([L[batch == b].mean(axis=0) for b in range(3)])[batch]
    sd = inner.std(axis=0)
    sd[sd < 1e-8] = 1
    np.testing.assert_allclose(fit.scale, sd)
    Y = np.minimum(L / sd, MAX_SCALED)
    Z = Y - np.stack([Y[batch == b].mean(axis=0) for b in range(3)])[batch]
    np.testing.assert_allclose(fit.variance, np.linalg.eigvalsh(Z.T @ Z / 47)[::-1][:6], rtol=1e-4)
    np.testing.assert_allclose(fit.scores, (Y - Y.mean(axis=0)) @ fit.loadings, atol=1e-4)


def test_one_batch_changes_no_bit(counts, rng):
    one, none = (
        principal_components(chunked(counts, 10), counts.sum(axis=1), 5, batch=batch, rng=np.random.default_rng(0))
        for batch in (np.zeros(47, int), None)
    )
    np.testing.assert_array_equal(one.scores, none.scores)
