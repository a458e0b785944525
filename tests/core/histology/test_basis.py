"""Principal axes: ridge regression on the scores is ridge regression on the features."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge

from spotweave.core.histology.basis import principal_basis


@pytest.mark.parametrize(("n", "d"), [(61, 7), (9, 31), (20, 20)])
@pytest.mark.parametrize("penalty", [0.3, 50.0])
def test_ridge_on_scores_is_ridge_on_features(rng, n, d, penalty):
    X, Y = rng.normal(size=(n, d)) + 0.5, rng.normal(size=(n, 3))
    axes, scores = principal_basis(X)
    assert axes.shape == (d, min(n, d))
    np.testing.assert_allclose(axes.T @ axes, np.eye(min(n, d)), atol=1e-9)
    np.testing.assert_allclose(scores, X @ axes, atol=1e-9)
    expected = Ridge(alpha=penalty, fit_intercept=False).fit(X, Y).coef_.T
    found = axes @ Ridge(alpha=penalty, fit_intercept=False).fit(scores, Y).coef_.T
    np.testing.assert_allclose(found, expected, atol=1e-8)


@pytest.mark.parametrize("shape", [(40, 6), (6, 40)])
def test_axes_are_those_of_pca_when_columns_are_centred(rng, shape):
    X = rng.normal(size=shape) * np.linspace(3, 1, shape[1])
    X -= X.mean(axis=0)
    found = principal_basis(X).axes
    expected = PCA().fit(X).components_[:5].T
    np.testing.assert_allclose(np.abs((found[:, :5] * expected).sum(axis=0)), 1, atol=1e-9)


@pytest.mark.parametrize("shape", [(50, 8), (8, 50)])
def test_axes_without_a_row_are_dropped(rng, shape):
    X = rng.normal(size=(shape[0], 3)) @ rng.normal(size=(3, shape[1]))
    axes, scores = principal_basis(X.astype(np.float32))
    assert axes.shape[1] == 3
    assert scores.dtype == np.float64
    assert (np.diff((scores**2).sum(axis=0)) < 0).all(), "by falling variance"
    np.testing.assert_allclose(scores @ axes.T, X, atol=1e-4)
    assert principal_basis(np.zeros((4, 3))).scores.shape == (4, 0)
