"""Smoothed patterns against dense residuals, filtered and decomposed."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core import gene_smooth as module
from spotweave.core.gene_smooth import pooled, residual_coefficients, smooth_genes, unit_rows
from spotweave.core.spatial_basis import spatial_basis


@pytest.fixture
def tissue(rng):
    """153 points, 11 genes, a point without counts; genes 0 to 4 rise along x, 5 to 7 along y."""
    xy = rng.random((153, 2)) * [4, 2]
    rate = np.ones((153, 11))
    rate[:, :5] *= np.exp(xy[:, [0]] - 2)
    rate[:, 5:8] *= np.exp(2 * xy[:, [1]] - 2)
    X = rng.poisson(3 * rate * rng.gamma(5, 0.2, (153, 1))).astype(np.float64)
    X[9] = 0
    return sp.csr_matrix(X), xy


def dense_residuals(X):
    X = X.toarray()
    X = X[:, X.any(axis=0)]
    expected = np.outer(X.sum(axis=1), X.sum(axis=0)) / X.sum()
    return np.divide(X - expected, np.sqrt(expected), out=np.zeros_like(X), where=expected > 0)


def test_coefficients_are_products_of_dense_residuals(tissue, rng):
    X, _ = tissue
    F = rng.normal(size=(153, 6))
    np.testing.assert_allclose(residual_coefficients(X, F), dense_residuals(X).T @ F, atol=1e-10)
    with_empty = sp.csr_matrix(np.insert(X.toarray(), 4, 0, axis=1))
    found = residual_coefficients(with_empty, F)
    assert not found[4].any()
    np.testing.assert_allclose(np.delete(found, 4, axis=0), residual_coefficients(X, F))


def test_inner_products_are_those_of_the_dense_filter(tissue, rng):
    X, xy = tissue
    H = smooth_genes(X, xy, n_functions=40, length_scale=0.05, rng=rng)
    basis = spatial_basis(xy, 40)
    sigma = 0.05 * np.ptp(xy[:, 0])
    C = dense_residuals(X).T @ basis.functions
    for j, f in enumerate(basis.frequency):
        C[:, j] *= np.exp(-2 * np.pi**2 * f**2 * sigma**2)
    C /= np.linalg.norm(C, axis=1)[:, None]
    np.testing.assert_allclose(H @ H.T, C @ C.T, atol=1e-9)  # nothing lost: as many dimensions as genes
    np.testing.assert_allclose(np.linalg.norm(H, axis=1), 1)
    assert (H @ H.T)[:5, :5].min() > 0.6
    assert (H @ H.T)[:5, 5:8].max() < 0  # shares: what rises here falls there


def test_fewer_dimensions_are_the_leading_ones(tissue, rng):
    X, xy = tissue
    full = smooth_genes(X, xy, rng=rng)
    np.testing.assert_allclose(np.abs(smooth_genes(X, xy, n_components=3, rng=rng)), np.abs(full[:, :3]), atol=1e-6)


def test_filter_takes_noise_away(tissue):
    X, xy = tissue
    inner = [smooth_genes(X, xy, length_scale=s, rng=np.random.default_rng(0))[:5] for s in (0.001, 0.15)]
    assert (inner[0] @ inner[0].T).min() < (inner[1] @ inner[1].T).min() - 0.1


def test_level_and_units_of_length_do_not_matter(tissue):
    X, xy = tissue
    embed = lambda X, xy, **options: smooth_genes(X, xy, rng=np.random.default_rng(0), **options)
    same = lambda A, B: np.testing.assert_allclose(A @ A.T, B @ B.T, atol=1e-9)
    same(embed(X, xy), embed(2 * X, xy))
    same(embed(X, xy), embed(X, 1e4 * xy - 7e3))
    slide = np.arange(153) % 2
    moved = xy + np.where(slide == 1, 1e3, 0)[:, None]
    same(embed(X, xy, library=slide), embed(X, moved, library=slide))  # where a slide lies is no matter either


def test_pooled_sums_are_those_of_a_loop(tissue, monkeypatch):
    X, xy = tissue
    library = np.array(["q", "p"])[(np.arange(153) > 70).astype(int)]
    assert pooled(X, xy, library)[0] is X
    monkeypatch.setattr(module, "MOST_POINTS", 40)
    few, centres, slides = pooled(X, xy, library)
    assert slides is not None
    assert few.shape[0] == len(centres) == len(slides) <= 42
    assert few.shape[0] >= 36
    np.testing.assert_array_equal(few.sum(axis=0), X.sum(axis=0))
    each, _, _ = pooled(sp.identity(153, format="csr"), xy, library)
    for i, row in enumerate(each.toarray()):
        inside = np.flatnonzero(row)
        np.testing.assert_allclose(few.toarray()[i], X.toarray()[inside].sum(axis=0))
        np.testing.assert_allclose(centres[i], xy[inside].mean(axis=0))
        assert set(library[inside]) == {slides[i]}
    assert pooled(X, xy, None)[2] is None


def test_unit_rows_keep_zeros():
    A = np.array([[3.0, 4], [0, 0]])
    np.testing.assert_allclose(unit_rows(A), np.array([[0.6, 0.8], [0, 0]]))


def test_wrong_number_of_dimensions_is_an_error(tissue, rng):
    with pytest.raises(InputError, match="n_components"):
        smooth_genes(*tissue, n_components=0, rng=rng)
