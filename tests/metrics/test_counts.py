"""Scores of expected counts against scikit-learn, scipy and their definitions."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats
from sklearn.metrics import mean_poisson_deviance

from spotweave import InputError, metrics
from spotweave.metrics import _counts

SCORES = {
    "poisson_deviance": {},
    "negative_binomial_deviance": {"dispersion": 0.4},
    "residual_correlation": {"dispersion": 0.4},
}


@pytest.fixture
def truth(rng) -> np.ndarray:
    X = rng.poisson(rng.random((61, 1)) * [0.5, 3.0, 8.0, 2.0, 1.0])
    X[:, 3] = 0
    return X


@pytest.fixture
def prediction(rng) -> np.ndarray:
    return 4 * rng.random((61, 5)) + 0.01


def test_poisson_deviance_matches_scikit_learn(truth, prediction):
    each = [mean_poisson_deviance(truth[:, j], prediction[:, j]) for j in range(5)]
    np.testing.assert_allclose(metrics.poisson_deviance(truth, prediction, per_gene=True), each)
    assert metrics.poisson_deviance(truth, prediction) == pytest.approx(np.mean(np.delete(each, 3)))


def test_negative_binomial_deviance_matches_its_log_likelihood(truth, prediction):
    alpha = np.array([0.1, 0.5, 2.0, 1.0, 0.3])

    def log_likelihood(mean):
        return stats.nbinom.logpmf(truth, 1 / alpha, 1 / (1 + alpha * mean))

    best = np.where(truth > 0, log_likelihood(np.maximum(truth, 1)), 0)
    each = (2 * (best - log_likelihood(prediction))).mean(axis=0)
    found = metrics.negative_binomial_deviance(truth, prediction, dispersion=alpha, per_gene=True)
    np.testing.assert_allclose(found, each)
    poisson = metrics.negative_binomial_deviance(truth, prediction, dispersion=0)
    assert poisson == metrics.poisson_deviance(truth, prediction)


def test_residual_correlation_matches_its_definition(truth, prediction):
    alpha = 0.3
    kept = truth.sum(axis=1) > 0
    T, M = truth[kept], prediction[kept]
    mean = np.outer(T.sum(axis=1), T.sum(axis=0) / T.sum())[:, [0, 1, 2, 4]]
    sd = np.sqrt(mean + alpha * mean**2)
    each = [
        np.corrcoef(a, b)[0, 1]
        for a, b in zip(((T[:, [0, 1, 2, 4]] - mean) / sd).T, ((M[:, [0, 1, 2, 4]] - mean) / sd).T, strict=True)
    ]
    found = metrics.residual_correlation(truth, prediction, dispersion=alpha, per_gene=True)
    np.testing.assert_allclose(found, np.insert(each, 3, 0), atol=1e-12)
    assert metrics.residual_correlation(truth, prediction, dispersion=alpha) == pytest.approx(np.mean(each))


@pytest.mark.parametrize("name", SCORES)
def test_scores_do_not_depend_on_storage_or_chunks(truth, prediction, name, monkeypatch):
    score = getattr(metrics, name)
    expected = score(truth, prediction, **SCORES[name])
    assert type(expected) is float
    assert score(truth, prediction, per_gene=True, **SCORES[name]).shape == (5,)
    before = sp.csr_matrix(truth)
    for most in (1, 150, 10**6):  # of 305 values
        monkeypatch.setattr(_counts, "MOST_VALUES", most)
        for T in (truth, before, sp.csc_matrix(truth), truth.astype(np.float32).tolist()):
            for P in (prediction, sp.coo_matrix(prediction)):
                assert score(T, P, **SCORES[name]) == pytest.approx(expected)
    np.testing.assert_array_equal(before.toarray(), truth)


@pytest.mark.parametrize("name", SCORES)
def test_refusals(truth, prediction, name):
    def score(*args):
        return getattr(metrics, name)(*args, **SCORES[name])

    with pytest.raises(InputError, match=r"shape \[61, 5\], as the truth; found shape \[61, 4\]"):
        score(truth, prediction[:, :4])
    with pytest.raises(InputError, match="counts as truth"):
        score(truth - 1, prediction)
    with pytest.raises(InputError, match="counts as truth"):
        score(np.where(truth > 3, np.nan, truth), prediction)
    with pytest.raises(InputError, match="finite predictions"):
        score(truth, np.where(prediction > 3, np.inf, prediction))
    with pytest.raises(InputError, match="`truth` of shape"):
        score(truth[:, 0], prediction[:, 0])
    with pytest.raises(InputError, match="`truth` of shape"):
        score(truth[:0], prediction[:0])


def test_dispersion_must_fit(truth, prediction):
    with pytest.raises(InputError, match="each of 5 genes"):
        metrics.negative_binomial_deviance(truth, prediction, dispersion=np.ones(4))
    with pytest.raises(InputError, match="not negative"):
        metrics.residual_correlation(truth, prediction, dispersion=-1)
