"""Least squares and Poisson regression, spot by spot with scipy."""

import numpy as np
import pytest
import scipy.optimize
import scipy.sparse as sp

from spotweave.core.deconvolution.rivals import nnls, poisson


@pytest.fixture
def few(planted):
    """Nine spots, the fourth without counts."""
    X = planted.X[:9].toarray()
    X[3] = 0
    R = planted.R.toarray()
    S = np.array([R[planted.labels == t].sum(axis=0) for t in range(4)])
    return sp.csr_matrix(X), X, S / S.sum(axis=1, keepdims=True)


def test_nnls_matches_scipy(few, planted):
    sparse, X, S = few
    found = nnls(sparse, planted.R, planted.labels, 4)
    expected = np.array([scipy.optimize.nnls(S.T, x)[0] for x in X])
    np.testing.assert_allclose(found, expected, atol=1e-2)
    assert expected.max() > 500
    assert not found[3].any()


def test_poisson_is_at_the_maximum_of_the_likelihood(few, planted):
    sparse, X, S = few
    found = poisson(sparse, planted.R, planted.labels, 4, n_steps=3_000)
    assert not found[3].any()
    for x, w in zip(np.delete(X, 3, axis=0), np.delete(found, 3, axis=0), strict=True):
        loss = lambda a, x=x: (a @ S).sum() - x @ np.log(a @ S + 1e-12)
        best = scipy.optimize.minimize(loss, np.full(4, x.sum() / 4), bounds=[(1e-9, None)] * 4, method="L-BFGS-B")
        assert loss(w) <= best.fun + 0.01
        assert w.sum() == pytest.approx(x.sum(), rel=1e-3)


@pytest.mark.parametrize("method", [nnls, poisson])
def test_mixtures_are_recovered(planted, method):
    W = method(planted.X, planted.R, planted.labels, 4)
    assert planted.rmse(W / W.sum(axis=1, keepdims=True)) < 0.2
