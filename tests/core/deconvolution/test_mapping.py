"""Cells on spots: planted mixtures, order of rows, composition of the reference, depth, what is refused."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError
from spotweave.core.deconvolution import mapping as module
from spotweave.core.deconvolution.mapping import map_cells, map_proportions

N, T, G = 61, 4, 150


@pytest.fixture(scope="module")
def planted():
    """Spots of 4 types at known shares, one without counts; 140 cells, half of them of type 0."""
    rng = np.random.default_rng(4)
    shares = rng.dirichlet(np.full(G, 0.5), T)
    labels = rng.permutation(np.repeat(np.arange(T), [70, 30, 30, 10]))
    R = rng.poisson(rng.gamma(4, 100, (140, 1)) * shares[labels])
    truth = rng.dirichlet(np.full(T, 0.4), N)
    X = rng.poisson(rng.gamma(4, 500, (N, 1)) * (truth @ shares))
    X[7] = 0
    return sp.csr_matrix(X, dtype=np.float32), sp.csr_matrix(R, dtype=np.float32), labels, truth


def seeded():
    return np.random.default_rng(0)


def test_proportions_are_those_planted(planted):
    X, R, labels, truth = planted
    found = map_proportions(X, R, labels, T, rng=seeded())
    np.testing.assert_allclose(found.sum(axis=1), 1)
    np.testing.assert_allclose(found[7], 1 / T)
    some = np.arange(N) != 7
    error = np.sqrt(np.mean((found - truth)[some] ** 2))
    assert error < 0.035
    assert error < 0.2 * np.sqrt(np.mean((1 / T - truth)[some] ** 2))


def test_map_is_sparse_sharp_and_monotone_and_adds_up(planted):
    X, R, labels, _ = planted
    found = map_cells(X, R, labels, n_candidates=12, rng=seeded())
    M = found.weights.toarray()
    assert found.weights.shape == (140, N)
    np.testing.assert_allclose(M.sum(axis=1), 1, rtol=1e-5)
    assert found.mass.sum() == pytest.approx(N - 1)
    mixtures = found.mixtures.toarray()
    np.testing.assert_allclose(mixtures, (M * found.mass[:, None]).T, rtol=1e-5)
    np.testing.assert_allclose(mixtures.sum(axis=1), np.arange(N) != 7, atol=1e-5)
    assert found.weights.nnz <= N * 12 + 140 * 20
    assert (np.diff(found.objective) >= -1e-6 * np.abs(found.objective[:-1])).all()
    each = [-sum(w * np.log(w) for w in row if w > 0) / np.log(N) for row in M]
    assert found.entropy == pytest.approx(np.average(each, weights=found.mass), rel=1e-4)
    assert found.entropy < 0.9


def test_order_of_spots_and_cells_does_not_matter(planted):
    X, R, labels, _ = planted
    spots, cells = seeded().permutation(N), seeded().permutation(140)
    plain = map_cells(X, R, labels, rng=seeded()).weights.toarray()
    found = map_cells(X[spots], R[cells], labels[cells], rng=seeded()).weights.toarray()
    np.testing.assert_allclose(found, plain[cells][:, spots], atol=2e-3)
    assert np.corrcoef(found.ravel(), plain[cells][:, spots].ravel())[0, 1] > 0.999


def test_same_seed_same_map_and_inputs_stay(planted):
    X, R, labels, _ = planted
    before = X.copy(), R.copy()
    first, second = (map_cells(X, R, rng=seeded()).weights for _ in range(2))
    np.testing.assert_array_equal(first.toarray(), second.toarray())
    assert (before[0] != X).nnz == 0
    assert (before[1] != R).nnz == 0


def test_composition_of_the_reference_is_no_prior(planted):
    X, R, labels, truth = planted
    rows = np.r_[np.flatnonzero(labels != 0), np.repeat(np.flatnonzero(labels == 0), 4)]  # type 0 four times
    plain, more = (map_proportions(X, R[r], labels[r], T, rng=seeded()) for r in (np.arange(140), rows))
    assert np.abs(plain.mean(axis=0) - truth.mean(axis=0)).max() < 0.02
    assert np.abs(more - plain).mean() < 0.01


def test_depth_of_spots_does_not_matter(planted):
    X, R, labels, _ = planted
    deeper = X.copy()
    deeper[3:9] *= 3
    plain, found = (map_proportions(A, R, labels, T, rng=seeded()) for A in (X, deeper))
    np.testing.assert_allclose(found, plain, atol=0.06)


def test_what_a_platform_catches_is_corrected(planted, monkeypatch):
    X, R, labels, truth = planted
    factor = np.exp(seeded().normal(0, 0.8, G))
    skewed = sp.csr_matrix(np.random.default_rng(1).poisson(X.toarray() * factor), dtype=np.float32)
    found = map_cells(skewed, R, labels, rng=seeded())
    assert np.corrcoef(found.log_factor, np.log(factor)[found.genes])[0, 1] > 0.8
    corrected = np.abs(map_proportions(skewed, R, labels, T, rng=seeded()) - truth).mean()
    monkeypatch.setattr(module, "log_factors", lambda blocks, p: np.zeros(p))
    plain = map_cells(skewed, R, labels, rng=seeded())
    assert plain.objective[-1] < found.objective[-1] - 5_000  # of 8,000 counts that are not 0
    assert corrected < np.abs(map_proportions(skewed, R, labels, T, rng=seeded()) - truth).mean()


def test_without_types_the_map_finds_them_all_the_same(planted):
    X, R, labels, truth = planted
    member = sp.csr_matrix(np.eye(T)[labels])
    found = (map_cells(X, R, rng=seeded()).mixtures @ member).toarray()
    some = np.arange(N) != 7
    assert np.sqrt(np.mean((found - truth)[some] ** 2)) < 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, R, g: (X[:, :9], R, g), "shapes"),
        (lambda X, R, g: (X, sp.csr_matrix(np.diag(np.arange(140) > 2).astype(float)) @ R, g), "counts in every cell"),
        (lambda X, R, g: (X * 0, R, g), "some spots"),
        (lambda X, R, g: (X, R, g[:5]), "`group` of 140"),
        (lambda X, R, g: (X, R, g + (g > 1)), "each of which occurs"),
    ],
)
def test_what_does_not_fit_is_refused(planted, change, message):
    X, R, group = change(*planted[:3])
    with pytest.raises(InputError, match=message):
        map_cells(X, R, group, rng=seeded())


@pytest.mark.parametrize("name", ["n_candidates", "n_genes", "n_steps"])
def test_numbers_out_of_range_are_refused(planted, name):
    X, R, labels, _ = planted
    with pytest.raises(InputError, match=name):
        map_cells(X, R, labels, rng=seeded(), **{name: 0})
