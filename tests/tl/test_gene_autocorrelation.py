import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.autocorrelation import autocorrelations
from spotweave.tl import _gene_autocorrelation
from spotweave.tl._gene_autocorrelation import gene_autocorrelation


@pytest.fixture
def case(rng):
    X = sp.csr_matrix(rng.poisson(2.0, (41, 7)).astype(float))
    X[3] = 0
    X.eliminate_zeros()
    W = sp.csr_matrix((rng.random((41, 41)) < 0.1).astype(float))
    return X, W


def logs(X):
    depth = X.toarray().sum(axis=1)
    return np.log1p(X.toarray() / np.maximum(depth, 1)[:, None] * np.median(depth[depth > 0]))


def test_values_are_log_counts_per_median_depth(case):
    X, W = case
    moran, geary = autocorrelations(logs(X), W)
    found = gene_autocorrelation(X, W, None)
    np.testing.assert_allclose(found["moran"], moran.statistic)
    np.testing.assert_allclose(found["moran_pvalue"], moran.pvalue)
    np.testing.assert_allclose(found["geary"], geary.statistic)
    np.testing.assert_allclose(found["geary_pvalue"], geary.pvalue)


def test_libraries_are_centred_block_by_block(case, monkeypatch):
    X, W = case
    monkeypatch.setattr(_gene_autocorrelation, "BLOCK", 3)
    library, values = np.arange(41) % 2, logs(X)
    for code in (0, 1):
        values[library == code] -= values[library == code].mean(axis=0)
    np.testing.assert_allclose(gene_autocorrelation(X, W, library)["moran"], autocorrelations(values, W)[0].statistic)


def test_no_edges(case):
    found = gene_autocorrelation(case[0], sp.csr_matrix((41, 41)), None)
    assert [set(values) for values in found.values()] == [{0.0}, {1.0}, {1.0}, {1.0}]
