"""The route through genes against correlations, a kernel and a solution written out in loops."""

import numpy as np
import pytest

from spotweave.core.imputation.features import features
from spotweave.core.imputation.gene_kernel import SHORTEST, gene_kernel
from spotweave.core.imputation.linear import panel_features
from spotweave.core.imputation.pair import CEILING, make_pair, sizes

EVERY = slice(None)


def correlation(a, b):
    return 0.0 if a.std() < 1e-6 or b.std() < 1e-6 else np.corrcoef(a, b)[0, 1]


def cosine(a, b):
    return a @ b / max(np.linalg.norm(a) * np.linalg.norm(b), 1e-300)


def slow_gene_kernel(pair, rank, width, penalty, most_genes):
    """Definition, gene by gene."""
    A, B = (values.astype(float) for values in panel_features(pair, "residual"))
    T = features(pair.Y, sizes(pair.R), "residual").astype(float)
    p, t = B.shape[1], T.shape[1]
    lead = np.argsort(-pair.Y.toarray().sum(axis=0), kind="stable")[:most_genes]
    U = np.linalg.svd(np.hstack([B, T[:, lead]]), full_matrices=False)[0][:, :rank]
    e = [np.array([correlation(U[:, k], B[:, g]) for k in range(rank)]) for g in range(p)]
    w = [np.array([correlation(U[:, k], T[:, g]) for k in range(rank)]) for g in range(t)]
    explained = np.array([max(np.sqrt(v @ v), SHORTEST) ** 2 for v in e])
    K = np.array([[np.exp((cosine(a, b) - 1) / width) for b in e] for a in e])
    for g in range(p):
        K[g, g] = (1 if e[g].any() else np.exp(-1 / width)) + penalty * np.median(explained) / explained[g]
    K_w = np.array([[np.exp((cosine(a, b) - 1) / width) * np.sqrt(b @ b) for b in w] for a in e])
    return np.clip(A @ (np.linalg.inv(K) @ K_w), -CEILING, CEILING)


@pytest.mark.parametrize("options", [{}, {"rank": 4, "width": 0.3}, {"penalty": 0.2, "rank": 6}, {"most_genes": 5}])
def test_matches_a_loop(planted, rng, options):
    expected = slow_gene_kernel(
        planted.pair, **{"rank": 20, "width": 1.0, "penalty": 3.0, "most_genes": 4000} | options
    )
    found = gene_kernel(planted.pair, rng, **options)(EVERY)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_markers_of_types_are_found(planted, rng):
    assert planted.worst(gene_kernel(planted.pair, rng)) > 0.8


def test_some_genes_are_those_of_all(planted, rng):
    predict = gene_kernel(planted.pair, rng)
    whole = predict(EVERY)
    assert whole.shape == (61, 17)
    assert np.isfinite(whole).all()
    assert not whole[:, 11].any()  # no counts in the reference
    for genes in (slice(3, 8), np.array([16, 11, 2])):
        np.testing.assert_allclose(predict(genes), whole[:, genes], atol=1e-5)


def test_sensitivity_of_panel_genes_hardly_matters(planted, rng):
    pair = planted.pair
    factors = rng.permutation(np.geomspace(1, 10, 23).round())
    scaled = make_pair(pair.X.multiply(factors), pair.R, pair.Y)
    plain, other = (gene_kernel(each, rng)(np.arange(10)) for each in (pair, scaled))
    assert min(np.corrcoef(plain[:, g], other[:, g])[0, 1] for g in range(10)) > 0.9


def test_patterns_that_only_the_target_has_are_carried(rng):
    """Half of the genes of one module vary together in the target, in a way that no cell of the reference does."""
    module = np.arange(20) % 2
    tissue = np.exp(rng.normal(size=(80, 2)))
    tissue[:, 1] = rng.permutation(tissue[:, 0] ** 1.5)
    X = rng.poisson(8 * tissue[:, module])
    R = rng.poisson(8 * np.exp(rng.normal(size=(120, 2)))[:, np.arange(24) % 2])
    found = gene_kernel(make_pair(X, R[:, :20], R[:, 20:]), rng)(EVERY)
    contrast = np.log(tissue[:, 0] / tissue[:, 1])
    signs = [np.corrcoef(found[:, g], contrast)[0, 1] for g in range(4)]
    assert min(signs[0], signs[2]) > 0.7
    assert max(signs[1], signs[3]) < -0.7
