"""Closed-form predictors against scikit-learn, and what they may know of held-out rows."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge

from spotweave.core.histology.linear import PENALTIES
from spotweave.core.histology.tissue import make_tissue
from spotweave.models.histology_linear import Linear, fit_mean, fit_programs, fit_ridge, regress_programs
from spotweave.models.histology_training import Training, centred

N, D, G = 160, 5, 12


def training(rng, *, signal=1.0) -> Training:
    """Four sections of four patients; two programs follow the features as they are, signal=0 makes noise of them."""
    section = np.arange(N) % 4
    tissue = make_tissue(rng.normal(size=(N, D)), section, rng.random((N, 2)))
    programs = tissue.features[:, :2] @ rng.normal(size=(2, G)) * signal
    Y = 3 + programs + section[:, None] + 0.5 * rng.normal(size=(N, G))
    return Training(tissue, sp.csr_matrix(Y.astype(np.float32)), section)


def with_target(data: Training, rows: np.ndarray, rng: Any) -> Training:
    """Another truth in some rows."""
    Y = data.target.toarray()
    Y[rows] += 0.05 * rng.normal(size=(rows.sum(), G)).astype(np.float32)
    return data._replace(target=sp.csr_matrix(Y))


def correlations(a, b):
    return np.array([np.corrcoef(a[:, j], b[:, j])[0, 1] for j in range(a.shape[1])])


def test_ridge_is_that_of_scikit_learn(rng):
    data = training(rng)
    fitted = fit_ridge(data)
    X, Y = data.tissue.joined.astype(float), centred(data)
    error = dict.fromkeys(PENALTIES.tolist(), 0.0)
    told = {}
    for penalty in error:
        told[penalty] = np.empty_like(Y)
        for f in range(4):
            out = data.fold == f
            told[penalty][out] = Ridge(alpha=penalty, fit_intercept=False).fit(X[~out], Y[~out]).predict(X[out])
        error[penalty] = ((told[penalty] - Y) ** 2).sum()
    best = min(error, key=error.__getitem__)
    assert fitted.chosen == {"penalty": best}
    np.testing.assert_allclose(fitted.held_out, told[best], atol=1e-5)
    whole = Ridge(alpha=best, fit_intercept=False).fit(X, Y).predict(X)
    np.testing.assert_allclose(fitted.predictor(data.tissue).parts, whole, atol=1e-5)
    np.testing.assert_allclose(fitted.genes(whole), data.target.toarray().mean(axis=0) + whole, rtol=1e-5)


def test_ridge_answers_held_out_rows_without_their_truth(rng):
    data = training(rng)
    out = data.fold == 2
    before, after = fit_ridge(data), fit_ridge(with_target(data, out, rng))
    assert before.chosen == after.chosen, "the test is of one penalty"
    np.testing.assert_allclose(after.held_out[out], before.held_out[out], atol=1e-8)
    assert np.abs(after.held_out[~out] - before.held_out[~out]).max() > 1e-4


def test_programs_are_ridge_of_each_program_shrunk(rng):
    data = training(rng)
    linear, fitted = regress_programs(data, n_programs=6), fit_programs(data, n_programs=6)
    weights = fitted.chosen["weights"]
    assert ((weights >= 0) & (weights <= 1)).all()
    np.testing.assert_allclose(fitted.held_out, linear.path.held_out * weights)
    X = data.tissue.joined.astype(float)
    for t in range(6):
        model = Ridge(alpha=fitted.chosen["penalties"][t], fit_intercept=False).fit(X, linear.programs.scores[:, t])
        np.testing.assert_allclose(fitted.predictor(data.tissue).parts[:, t], weights[t] * model.predict(X), atol=1e-5)
    assert (weights[:2] > 0.7).all()


def test_genes_that_follow_the_picture_are_told_and_noise_stays_at_the_mean(rng):
    told, noise = training(rng), training(rng, signal=0)
    for fit in (fit_programs, fit_ridge):
        fitted = fit(told)
        within = fitted.genes(fitted.held_out) - fitted.mean
        assert correlations(within, centred(told)).mean() > 0.6
        nothing = fit(noise)
        assert nothing.genes(nothing.held_out).std(axis=0).max() < 0.25 * centred(noise).std()


def test_mean_predicts_the_mean(rng):
    data = training(rng)
    fitted = fit_mean(data)
    for parts in (fitted.held_out, fitted.predictor(data.tissue).parts):
        np.testing.assert_allclose(
            fitted.genes(parts), np.tile(data.target.toarray().mean(axis=0, dtype=float), (N, 1)), rtol=1e-6
        )


@pytest.mark.parametrize("fit", [fit_mean, fit_ridge, fit_programs])
def test_state_restores_the_predictor(rng, fit):
    data = training(rng)
    predictor = fit(data).predictor
    again = Linear(**predictor.state())
    np.testing.assert_array_equal(again(data.tissue).parts, predictor(data.tissue).parts)
    assert predictor(data.tissue).retrieved is None
