import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import poisson

from spotweave.core.flatness import EXPONENTS, SUPPORT, Flattened, blend, fit_flatness

N, G = 401, 60  # the first half of the genes follow the model, the second half depth alone


@pytest.fixture
def tissue(rng):
    """Depth, a model that gives every gene a pattern, counts that follow it in half of the genes, held-out counts."""
    size = rng.integers(300, 900, N).astype(float)
    share = rng.dirichlet(np.full(G, 5.0))
    pattern = np.exp(0.8 * np.sin(np.arange(N) / 20)[:, None] * np.where(np.arange(G) % 2, 1.0, -1.0))
    model = size[:, None] * share * pattern
    truth = np.where(np.arange(G) < G // 2, model, size[:, None] * share * model.mean(0) / (size.mean() * share))
    X, held_out = rng.poisson(truth), rng.poisson(truth / 9)
    means = lambda rows, genes: model[rows][:, genes].astype(np.float32)
    return means, sp.csr_matrix(X.astype(float)), sp.csc_matrix(held_out.astype(float)), model


def fitted(tissue, **options) -> Flattened:
    means, X, held_out, _ = tissue
    return fit_flatness(means, X, held_out, 1 / 9, np.arange(N), **options)


def test_blend_is_a_geometric_mean():
    mean, flat = np.array([[4.0, 0.0]]), np.array([[1.0, 2.0]])
    np.testing.assert_allclose(blend(mean, flat, np.array([0.5, 0.5])), [[2.0, 0.0]])
    np.testing.assert_allclose(blend(mean, flat, 0.0), [[1.0, 2.0]])
    np.testing.assert_allclose(blend(mean, flat, 1.0), mean)
    np.testing.assert_array_equal(blend(np.ones((1, 2)), np.zeros((1, 2)), 0.5), np.zeros((1, 2)))


def test_genes_that_follow_the_model_keep_it_and_others_do_not(tissue):
    exponent = fitted(tissue).exponent
    assert exponent[: G // 2].mean() > 0.9
    assert (exponent[G // 2 :] == 0).mean() > 0.8


def test_gain_is_the_log_likelihood_won(tissue):
    means, X, held_out, model = tissue
    found = fitted(tissue)
    size, total = np.asarray(X.sum(1)).ravel(), np.asarray(X.sum(0)).ravel()
    for j in (0, 7, 45):
        flat = size * total[j] / size.sum()
        values = [flat ** (1 - e) * model[:, j] ** e for e in EXPONENTS]
        values = [v * model[:, j].sum() / v.sum() / 9 for v in values]
        L = [poisson.logpmf(held_out[:, [j]].toarray().ravel(), v).sum() for v in values]
        assert found.gain[j] == pytest.approx(max(L[1:]) - L[0], abs=1e-3)


def test_means_keep_the_sum_of_each_gene(tissue):
    model = tissue[3]
    found = fitted(tissue)
    whole = found(slice(None), slice(None))
    np.testing.assert_allclose(whole.sum(0), model.sum(0), rtol=1e-4)
    rows, genes = np.array([5, 2, 400]), np.array([1, 59])
    np.testing.assert_allclose(found(rows, genes), whole[rows][:, genes], rtol=1e-6)
    flat = np.flatnonzero(found.exponent == 0)
    rate = whole[:, flat] / found.size[:, None]
    np.testing.assert_allclose(rate, np.broadcast_to(rate[0], rate.shape), rtol=1e-4)


def test_strict_follows_each_genes_own_support(tissue):
    free, strict = fitted(tissue), fitted(tissue, strict=True)
    np.testing.assert_allclose(strict.gain, free.gain)
    assert (strict.exponent[free.gain < SUPPORT] == 0).all()
    kept = free.gain >= SUPPORT
    np.testing.assert_allclose(strict.exponent[kept], free.exponent[kept])


def test_support_is_reached_by_one_noise_gene_in_twenty(rng):
    """The model's pattern has nothing to do with the counts."""
    n, g = 500, 1500
    size, share = np.full(n, 1000.0), np.full(g, 1 / g)
    model = size[:, None] * share * np.exp(0.3 * rng.standard_normal((n, 1)))
    X, held_out = (sp.csr_matrix(rng.poisson(size[:, None] * share / d).astype(float)) for d in (1, 9))
    means = lambda rows, genes: np.repeat(model[rows][:, :1], len(range(*genes.indices(g))), axis=1)
    found = fit_flatness(means, X, held_out.tocsc(), 1 / 9, np.arange(n))
    assert 0.02 < (found.gain >= SUPPORT).mean() < 0.07


def test_genes_without_counts_are_fine(tissue):
    means, X, held_out, _ = tissue
    X, held_out = X.tolil(), held_out.tolil()
    X[:, 3] = 0
    held_out[:, [3, 4]] = 0
    found = fit_flatness(means, X.tocsr(), held_out.tocsc(), 1 / 9, np.arange(N))
    assert np.isfinite(found(slice(None), slice(None))).all()
    assert np.isfinite(found.gain).all()
