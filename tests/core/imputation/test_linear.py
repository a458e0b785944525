"""Linear routes against scikit-learn's ridge regression, singular values and least squares."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge

from spotweave.core.imputation import linear
from spotweave.core.imputation.features import Scale, features
from spotweave.core.imputation.linear import (
    RIDGE,
    SCORE_RIDGE,
    bounded,
    busiest,
    components,
    factor,
    panel_features,
    ridge,
)
from spotweave.core.imputation.pair import CEILING, Pair, make_pair, sizes

SCALES: tuple[Scale, ...] = ("residual", "log")
METHODS = [ridge, factor]
EVERY = slice(None)


def wanted_features(pair, scale):
    return features(pair.Y, sizes(pair.R), scale).astype(float)


def centred(rng, m, g):
    J = rng.normal(size=(m, g)) * rng.gamma(2.0, 1.0, g)
    return (J - J.mean(axis=0)).astype(np.float32)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("penalty", [RIDGE, 0.02])
def test_ridge_matches_scikit_learn(planted, rng, scale, penalty):
    A, B = (values.astype(float) for values in panel_features(planted.pair, scale))
    model = Ridge(alpha=penalty * len(B), fit_intercept=False).fit(B, wanted_features(planted.pair, scale))
    found = ridge(planted.pair, rng, scale=scale, penalty=penalty)(EVERY)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.clip(model.predict(A), -CEILING, CEILING), atol=2e-4)


def test_panel_features_are_kept_apart_by_scale(planted):
    pair = planted.pair
    for scale in [*SCALES, *SCALES]:
        A, B = panel_features(pair, scale)
        np.testing.assert_array_equal(A, features(pair.X, sizes(pair.X), scale))
        np.testing.assert_array_equal(B, features(pair.R, sizes(pair.R), scale))


def test_ridge_defaults(planted, rng):
    given = ridge(planted.pair, rng, scale="residual", penalty=RIDGE)(EVERY)
    np.testing.assert_array_equal(ridge(planted.pair, rng)(EVERY), given)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize(("rank", "most_genes"), [(3, 100), (10, 100), (4, 6)])
def test_factor_matches_svd_and_least_squares(planted, rng, scale, rank, most_genes):
    pair = planted.pair
    A, B = (values.astype(float) for values in panel_features(pair, scale))
    T = wanted_features(pair, scale)
    lead = np.argsort(-pair.Y.toarray().sum(axis=0), kind="stable")[:most_genes]
    U, length, _ = np.linalg.svd(np.hstack([B, T[:, lead]]), full_matrices=False)
    Z = U[:, :rank] * length[:rank]
    scores = A @ Ridge(alpha=SCORE_RIDGE * len(B), fit_intercept=False).fit(B, Z).coef_.T
    expected = scores @ np.linalg.lstsq(Z, T, rcond=None)[0]
    found = factor(pair, rng, scale=scale, rank=rank, most_genes=most_genes)(EVERY)
    np.testing.assert_allclose(found, np.clip(expected, -CEILING, CEILING), atol=1e-4)


@pytest.mark.parametrize(("m", "g"), [(31, 12), (12, 31), (15, 15)])
def test_components_match_svd(rng, m, g):
    J = centred(rng, m, g)
    U, length, _ = np.linalg.svd(J.astype(float), full_matrices=False)
    found = components(J, 5)
    signs = np.sign((found.basis * U[:, :5]).sum(axis=0))
    np.testing.assert_allclose(found.basis * signs, U[:, :5], atol=1e-5)
    np.testing.assert_allclose(found.length, length[:5], rtol=1e-5)
    np.testing.assert_allclose(found.scores * signs, U[:, :5] * length[:5], atol=1e-4)
    np.testing.assert_allclose(found.basis.T @ found.basis, np.eye(5), atol=1e-5)
    assert found.scores.dtype == np.float32


@pytest.mark.parametrize(("m", "g"), [(31, 23), (23, 31)])
def test_components_of_large_features_are_the_same(rng, m, g, monkeypatch):
    J = centred(rng, m, g)
    J[:, :3] *= 5
    expected = components(J, 6)
    monkeypatch.setattr(linear, "LARGE", 10)
    found = components(J, 6)
    np.testing.assert_allclose(found.length, expected.length, rtol=1e-4)
    signs = np.sign((found.basis * expected.basis).sum(axis=0))
    np.testing.assert_allclose(found.basis * signs, expected.basis, atol=1e-3)
    flat = centred(rng, m, 3) @ rng.normal(size=(3, g)).astype(np.float32)
    assert components(flat, 6).basis.shape == (m, 3)


@pytest.mark.parametrize(("m", "g", "rank"), [(31, 12, 11), (12, 31, 10), (2, 9, 1)])
def test_components_are_no_more_than_the_data_have(rng, m, g, rank):
    assert components(centred(rng, m, g), 99).scores.shape == (m, rank)


@pytest.mark.parametrize(("m", "g"), [(31, 12), (12, 31)])
def test_components_of_rounding_errors_are_left_out(rng, m, g):
    J = centred(rng, m, 3) @ rng.normal(size=(3, g)).astype(np.float32)
    J[:, 4] = 0
    found = components(J, 8)
    assert found.basis.shape == (m, 3)
    np.testing.assert_allclose(found.basis @ (found.basis.T @ J), J, atol=1e-4)


def test_busiest_genes_are_those_with_most_counts():
    Y = sp.csc_matrix([[1.0, 5, 2, 0, 2], [1, 0, 0, 9, 0]])  # totals 2 5 2 9 2
    assert busiest(Y, 5) == EVERY
    for most, expected in ((1, [3]), (2, [1, 3]), (3, [0, 1, 3]), (4, [0, 1, 2, 3])):
        np.testing.assert_array_equal(busiest(Y, most), expected)


def test_bounded_cuts_off():
    found = bounded(np.array([-9.0, -1.5, 0.0, 4.5]))
    np.testing.assert_array_equal(found, np.array([-CEILING, -1.5, 0, CEILING], np.float32))
    assert found.dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", SCALES)
def test_markers_of_types_are_found(planted, rng, method, scale):
    assert planted.worst(method(planted.pair, rng, scale=scale)) > 0.6


@pytest.mark.parametrize("method", METHODS)
def test_some_genes_are_those_of_all(planted, rng, method):
    predict = method(planted.pair, rng)
    whole = predict(EVERY)
    assert whole.shape == (61, 17)
    assert np.isfinite(whole).all()
    assert not whole[:, 11].any()  # no counts in the reference
    for genes in (slice(3, 8), np.array([16, 11, 2])):
        np.testing.assert_allclose(predict(genes), whole[:, genes], atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("scale", SCALES)
def test_sensitivity_of_panel_genes_hardly_matters(planted, rng, method, scale):
    pair = planted.pair
    found = []
    for factors in (np.ones(23), rng.permutation(np.geomspace(1, 10, 23).round())):
        scaled = Pair(sp.csr_matrix(pair.X @ sp.diags(factors)), pair.R, pair.Y)
        found.append(method(scaled, rng, scale=scale)(np.arange(10)))
    agreement = [np.corrcoef(found[0][:, g], found[1][:, g])[0, 1] for g in range(10)]
    assert min(agreement) > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_a_reference_with_few_genes_predicts_those(rng, method):
    X, R, Y = (rng.poisson(3.0, shape).astype(float) for shape in ((30, 12), (50, 12), (50, 9)))
    R[:, 5:], Y[:, 2:] = 0, 0
    found = method(make_pair(X, R, Y), rng)(EVERY)
    assert found[:, :2].std(axis=0).min() > 0.01
    assert not found[:, 2:].any()
