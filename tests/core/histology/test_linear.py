"""The path of ridge regressions against scikit-learn, fold by fold."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from spotweave.core.histology.linear import PENALTIES, ridge_path

N, Q, T = 71, 6, 4


@pytest.fixture
def data(rng):
    X = rng.normal(size=(N, Q))
    signal = X @ rng.normal(size=(Q, T)) * [0, 0.1, 0.4, 3]
    fold = rng.choice([3, 0, 7], N)
    return X, signal + rng.normal(size=(N, T)), fold


def ridge(X, Y, penalty):
    return Ridge(alpha=penalty, fit_intercept=False).fit(X, Y).coef_.reshape(-1, X.shape[1]).T


@pytest.mark.parametrize("shared", [False, True])
def test_path_is_ridge_fold_by_fold(data, shared):
    X, Y, fold = data
    penalties = np.array([0.1, 10, 300, 1e5])
    path = ridge_path(X, Y, fold, penalties=penalties, shared=shared)
    told = np.empty((len(penalties), N, T))
    for k, penalty in enumerate(penalties):
        for out in (fold == 3, fold == 0, fold == 7):
            told[k, out] = X[out] @ ridge(X[~out], Y[~out], penalty)
    error = ((told - Y) ** 2).sum(axis=1)
    np.testing.assert_allclose(path.error, error)
    best = np.full(T, error.sum(axis=1).argmin()) if shared else error.argmin(axis=0)
    np.testing.assert_array_equal(path.best, best)
    if not shared:
        assert len(set(best.tolist())) > 1, "the data should call for different penalties"
    for t in range(T):
        np.testing.assert_allclose(path.held_out[:, t], told[best[t], :, t], atol=1e-10)
        np.testing.assert_allclose(path.coefficients[:, t], ridge(X, Y[:, [t]], penalties[best[t]])[:, 0], atol=1e-10)


def test_more_predictors_than_rows_and_default_penalties(rng):
    X, Y, fold = rng.normal(size=(12, 40)), rng.normal(size=(12, 2)), np.arange(12) % 4
    path = ridge_path(X, Y, fold)
    np.testing.assert_array_equal(path.penalties, PENALTIES)
    assert (np.diff(PENALTIES) > 0).all()
    np.testing.assert_allclose(path.coefficients[:, 1], ridge(X, Y[:, [1]], PENALTIES[path.best[1]])[:, 0], atol=1e-10)


def test_held_out_answers_lack_the_truth_of_their_fold(data):
    X, Y, fold = data
    changed = Y.copy()
    changed[fold == 0] += 1e3
    one = np.array([30.0])  # the choice itself looks at all folds
    before, after = (ridge_path(X, y, fold, penalties=one).held_out for y in (Y, changed))
    np.testing.assert_allclose(after[fold == 0], before[fold == 0], atol=1e-8)
    assert np.abs(after[fold != 0] - before[fold != 0]).max() > 1
