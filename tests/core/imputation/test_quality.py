"""Expected scores: leave-one-out against refits, features against a loop, useless features."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from spotweave.core.imputation import quality
from spotweave.core.imputation.combine import Weights
from spotweave.core.imputation.quality import RIDGES, _leave_one_out, fit_quality, gene_features

P = 37


@pytest.fixture
def told(rng):
    """Features, and scores that follow two of the three."""
    features = rng.normal([2, -1, 0], [1, 0.2, 5], (P, 3))
    return features, 0.3 + 0.1 * features[:, 0] - 0.4 * features[:, 1] + rng.normal(0, 0.05, P)


def standardised(features):
    return (features - features.mean(axis=0)) / features.std(axis=0)


def left_out_by_refits(A, y, ridge):
    """Predict each gene by scikit-learn's fit to the others."""
    found = np.empty(len(y))
    for i in range(len(y)):
        others = np.arange(len(y)) != i
        found[i] = Ridge(alpha=ridge).fit(A[others], y[others]).predict(A[[i]])[0]
    return found


@pytest.mark.parametrize("ridge", [0.01, 1.0, 1000.0])
def test_leave_one_out_equals_refits(told, ridge):
    A, y = standardised(told[0]), told[1] - told[1].mean()
    slopes, left_out = _leave_one_out(A, y, ridge)
    np.testing.assert_allclose(slopes, Ridge(alpha=ridge).fit(A, y).coef_)
    np.testing.assert_allclose(left_out, left_out_by_refits(A, y, ridge), rtol=1e-6, atol=1e-10)


def test_fit_takes_the_penalty_that_refits_find_best(told):
    features, scores = told
    A = standardised(features)
    lost = [((scores - left_out_by_refits(A, scores, ridge)) ** 2).sum() for ridge in RIDGES]
    best = RIDGES[int(np.argmin(lost))]
    quality = fit_quality(features, scores)
    np.testing.assert_allclose(quality.predict(features), Ridge(alpha=best).fit(A, scores).predict(A))
    left_out = left_out_by_refits(A, scores, best)
    assert quality.correlation == pytest.approx(np.corrcoef(scores, left_out)[0, 1])
    assert quality.correlation > 0.8
    np.testing.assert_allclose(quality.predict(features + 1) - quality.predict(features), 0.1 - 0.4, atol=0.1)


def test_useless_features_give_the_mean_of_all(rng):
    """Of pure noise most fits are flat; those that are not promise little."""
    qualities = []
    for _ in range(40):
        features, scores = rng.normal(size=(P, 3)), rng.normal(0.3, 0.1, P)
        quality = fit_quality(features, scores)
        if not quality.correlation:
            np.testing.assert_array_equal(quality.predict(features * 9), np.full(P, scores.mean()))
        qualities.append(quality.correlation)
    assert min(qualities) == 0
    assert np.mean(np.array(qualities) == 0) > 0.5
    assert np.mean(qualities) < 0.2


def test_a_fit_too_bold_is_refused_though_it_goes_the_right_way(rng, monkeypatch):
    monkeypatch.setattr(quality, "RIDGES", np.array([0.01]))
    n_bold = 0
    for _ in range(200):
        features, scores = rng.normal(size=(P, 3)), rng.normal(0.3, 0.1, P)
        y = scores - scores.mean()
        left_out = _leave_one_out(standardised(features), y, 0.01)[1]
        others_mean = np.array([np.delete(y, i).mean() for i in range(P)])
        right_way = np.corrcoef(y, left_out)[0, 1] > 0
        worse = ((y - left_out) ** 2).sum() > ((y - others_mean) ** 2).sum()
        assert (fit_quality(features, scores).correlation > 0) == (right_way and not worse)
        n_bold += right_way and worse
    assert n_bold > 3


@pytest.mark.parametrize("n", [1, 2, 7])
def test_few_genes_give_the_mean_of_all(told, n):
    features, scores = told[0][:n], told[1][:n]
    quality = fit_quality(features, scores)
    np.testing.assert_allclose(quality.predict(told[0]), scores.mean())


def test_equal_scores_and_constant_features(told):
    features, scores = told
    np.testing.assert_allclose(fit_quality(features, np.full(P, 0.25)).predict(features), 0.25)
    features = features.copy()
    features[:, 2] = 7.0
    quality = fit_quality(features, scores)
    assert quality.slopes[2] == 0
    assert quality.correlation > 0.8


def test_unknown_scores_are_left_out(told):
    features, scores = told
    holes = scores.copy()
    holes[[0, 5, 36]] = np.nan
    known = np.isfinite(holes)
    found, wanted = fit_quality(features, holes), fit_quality(features[known], scores[known])
    np.testing.assert_array_equal(found.predict(features), wanted.predict(features))


def features_by_loop(C, weights, share):
    k, found = len(weights.routes), []
    for g in range(C.shape[2]):
        pattern = sum((w * C[i, :, g].astype(float) for i, w in enumerate(weights.all[:-2])), np.zeros(C.shape[1]))
        pairs = [(i, j) for i in range(k) for j in range(i)]
        together = [np.corrcoef(C[i, :, g], C[j, :, g])[0, 1] for i, j in pairs]
        found.append([np.log(pattern.std() + 0.01), np.mean(together) if pairs else 0.0, np.log(share[g] + 1e-9)])
    return np.array(found)


@pytest.mark.parametrize(("k", "h"), [(3, 2), (2, 0), (1, 1), (0, 0)])
def test_gene_features_match_a_loop(rng, k, h):
    C = rng.normal(size=(k + h + 2, 29, 5)).astype(np.float32)
    if k > 1:
        C[1] += C[0]
    weights = Weights(rng.random(k), rng.random(h), np.array([0.7, 0.1]), np.ones(k), converged=True)
    share = np.array([0.1, 0.01, 0, 1e-5, 0.3])
    np.testing.assert_allclose(
        gene_features(C, weights, share), features_by_loop(C, weights, share), rtol=1e-4, atol=1e-6
    )


def test_a_route_without_pattern_agrees_with_none(rng):
    C = rng.normal(size=(4, 29, 3)).astype(np.float32)
    C[0, :, 1] = 2.5
    weights = Weights(np.ones(2), np.zeros(0), np.array([1.0, 0.0]), np.ones(2), converged=True)
    found = gene_features(C, weights, np.full(3, 0.1))
    assert found[1, 1] == 0
    assert np.isfinite(found).all()
