"""Streamed scores against the whole matrix, and who wins."""

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import mean_poisson_deviance

from spotweave import InputError
from spotweave.core.heldout import held_out_scores
from spotweave.core.likelihood import negative_binomial_deviance
from spotweave.core.splitting import split_negative_binomial, thin


def chunks_of(X, size=50):
    X = sp.csr_matrix(X)
    return lambda: ((slice(i, i + size), X[i : i + size]) for i in range(0, X.shape[0], size))


def of(matrix):
    return lambda rows: matrix[rows]


@pytest.fixture
def counts(rng) -> np.ndarray:
    B = rng.poisson(rng.random((117, 1)) * rng.random((117, 9)) * 6)
    B[5] = 0
    B[:, 3] = 0
    return B


@pytest.fixture
def prediction(rng) -> np.ndarray:
    return rng.random((117, 9)) * 3


@pytest.mark.parametrize("dispersion", [0.0, 0.6, np.linspace(0, 2, 9)])
@pytest.mark.parametrize("size", [117, 50, 1])
def test_streamed_scores_match_whole_matrices(counts, prediction, dispersion, size):
    scores = held_out_scores(chunks_of(counts, size), of(prediction), dispersion)
    deviance = negative_binomial_deviance(counts, prediction, dispersion)
    np.testing.assert_allclose(scores.deviance, deviance.mean(axis=0))
    filled = np.delete(np.arange(117), np.flatnonzero(counts.sum(axis=1) == 0))
    B, M = counts[filled], prediction[filled]
    mean = np.outer(B.sum(axis=1), B.sum(axis=0) / B.sum())
    sd = np.sqrt(mean + dispersion * mean**2)
    for j in range(9):
        expected = 0 if j == 3 else np.corrcoef((B - mean)[:, j] / sd[:, j], (M - mean)[:, j] / sd[:, j])[0, 1]
        assert scores.correlation[j] == pytest.approx(expected, abs=1e-12)
    present = np.arange(9) != 3
    np.testing.assert_array_equal(scores.present, present)
    assert scores.mean_deviance == pytest.approx(scores.deviance[present].mean())
    assert scores.mean_correlation == pytest.approx(scores.correlation[present].mean())


def test_poisson_deviance_is_that_of_scikit_learn(counts, prediction):
    scores = held_out_scores(chunks_of(counts), of(prediction))
    for j in range(9):
        assert scores.deviance[j] == pytest.approx(mean_poisson_deviance(counts[:, j], prediction[:, j]))


@pytest.mark.parametrize("offset", [0.0, 1e-13])
def test_predicting_depth_alone_earns_nothing(counts, offset):
    depth_only = np.outer(counts.sum(axis=1), counts.sum(axis=0) / counts.sum()) * (1 + offset)
    scores = held_out_scores(chunks_of(counts), of(depth_only))
    assert scores.correlation.tolist() == [0] * 9
    assert np.isfinite(scores.deviance).all()


def test_constant_predictions_of_cells_of_one_depth_have_correlation_0(rng):
    B = np.apply_along_axis(rng.permutation, 1, np.tile([0, 1, 2, 5], (40, 1)))
    for level in (0.0, 0.1, 3.0, 1e5):
        scores = held_out_scores(chunks_of(B), of(np.full(B.shape, level)))
        assert scores.correlation.tolist() == [0] * 4


def test_nothing_held_out_is_no_error():
    scores = held_out_scores(chunks_of(np.zeros((5, 3))), of(np.ones((5, 3))))
    np.testing.assert_allclose(scores.deviance, 2)
    assert scores.correlation.tolist() == [0, 0, 0]
    assert np.isnan(scores.mean_deviance)
    assert np.isnan(scores.mean_correlation)


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_truth_beats_depth_alone_beats_the_raw_counts(rng, alpha):
    n, g = 1500, 30
    rate = rng.lognormal(0, 0.4, (n, 1)) * (0.3 + 1.5 * (np.arange(g) % 3 == rng.integers(0, 3, (n, 1))))
    X = rng.poisson(rate * (rng.gamma(1 / alpha, alpha, (n, g)) if alpha else 1.0))
    A, B = split_negative_binomial(X, alpha, rng) if alpha else thin(X, rng)
    depth = B.toarray().sum(axis=1, keepdims=True) * B.toarray().sum(axis=0) / B.sum()
    raw = A.toarray()
    models = {"truth": rate / 2, "depth": depth, "raw": raw, "shuffled": rate[rng.permutation(n)] / 2}
    found = {name: held_out_scores(chunks_of(B), of(M), 2 * alpha) for name, M in models.items()}
    deviance = {name: scores.mean_deviance for name, scores in found.items()}
    assert deviance["truth"] < deviance["depth"] < deviance["raw"]
    assert deviance["depth"] < deviance["shuffled"]
    correlation = {name: scores.mean_correlation for name, scores in found.items()}
    assert correlation["truth"] > correlation["raw"] + 0.03 > correlation["depth"] + 0.03
    assert abs(correlation["shuffled"]) < 4 / np.sqrt(n)


def test_refusals(counts, prediction):
    with pytest.raises(InputError, match=r"shape \[117, 9\]; found shape \[117, 8\]"):
        held_out_scores(chunks_of(counts, 117), of(prediction[:, :8]))
    with pytest.raises(InputError, match="NaN or infinity in 117"):
        held_out_scores(chunks_of(counts, 117), of(np.where(np.arange(9) == 0, np.nan, prediction)))
    with pytest.raises(InputError, match="each of 9 genes"):
        held_out_scores(chunks_of(counts), of(prediction), np.ones(8))
    with pytest.raises(InputError, match="at least one row"):
        held_out_scores(lambda: iter(()), of(prediction))
