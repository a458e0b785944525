"""Scores against dense formulas."""

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.bench._denoise_counts import Counts, split_counts
from spotweave.bench._denoise_fit import Denoised
from spotweave.bench._denoise_score import judged, score_split, truth_correlation


@pytest.fixture
def split(rng):
    rates = rng.gamma(1.0, 1.0, (71, 9)) * rng.gamma(2.0, 3.0, 9)
    rates[:, 8] = 0.05  # too few counts to be judged
    counts = Counts(sp.csr_matrix(rng.poisson(rates).astype(np.float32)), rng.random((71, 2)), rates)
    return split_counts(counts, "poisson", 307)


@pytest.fixture
def means(rng) -> np.ndarray:
    return rng.gamma(2.0, 1.0, (71, 9))


def by_hand(split, means):
    """Expected counts of the held-out half: its own depth, the method's rates, not below a hundredth of depth's."""
    given, held_out = split.train.toarray().sum(axis=1), split.held_out.toarray().sum(axis=1)
    X = split.counts.X.toarray()
    floor = 0.01 * np.outer(held_out, X.sum(axis=0) / X.sum())
    mu = np.maximum(means * np.divide(held_out, given, out=np.zeros_like(given), where=given > 0)[:, None], floor)
    return mu[:, X.sum(axis=0) >= 20]


def test_judged(split, means):
    means[3, 1], means[4, 2] = 0, -1
    predict = judged(split, lambda rows: means[rows])
    np.testing.assert_allclose(np.concatenate([predict(slice(0, 50)), predict(slice(50, 71))]), by_hand(split, means))
    assert predict(slice(0, 5)).min() > 0


def test_row(split, means):
    (row,) = score_split(split, Denoised(lambda rows: means[rows], {"fit_s": 7.0}))
    b, mu = split.held_out.toarray()[:, :8], by_hand(split, means)
    log_ratio = np.log(np.where(b > 0, b, 1) / mu)
    poisson = 2 * (b * log_ratio - (b - mu))
    alpha = np.maximum(split.counts.dispersion[:8], 1e-9)
    nb = 2 * (b * log_ratio - (b + 1 / alpha) * np.log((1 + alpha * b) / (1 + alpha * mu)))
    assert row["poisson_deviance"] == pytest.approx(poisson.mean(), rel=1e-6)
    assert row["deviance"] == pytest.approx(nb.mean(), rel=1e-4)
    assert row["deviance"] < row["poisson_deviance"]
    kept = {key: row[key] for key in ("n_obs", "n_genes", "n_scored", "splitting", "split", "repeat", "fit_s")}
    assert kept == {
        "n_obs": 71,
        "n_genes": 9,
        "n_scored": 8,
        "splitting": "poisson",
        "split": 3,
        "repeat": 7,
        "fit_s": 7.0,
    }


def test_true_rates_win_everything(split, rng):
    depth = split.train.toarray().sum(axis=1, keepdims=True)
    share = split.counts.rates / split.counts.rates.sum(axis=1, keepdims=True)
    flat = depth * np.asarray(split.train.sum(axis=0)).ravel() / split.train.sum()
    raw = split.train.toarray()
    scores = [score_split(split, Denoised(means.__getitem__, {}))[0] for means in (depth * share, flat, raw)]
    true, mean, own = scores
    assert true["truth_correlation"] == pytest.approx(1, abs=0.01)  # the floor
    assert true["deviance"] < mean["deviance"] < own["deviance"]
    assert true["correlation"] > own["correlation"] > abs(mean["correlation"])


def test_truth_correlation(split, means):
    X, rates = split.train.toarray(), split.counts.rates
    whole = split.counts.X.toarray()
    truth = np.log(rates / rates.sum(axis=1, keepdims=True))
    found = np.log(np.maximum(means / np.maximum(X.sum(axis=1, keepdims=True), 1), 0.01 * whole.sum(0) / whole.sum()))
    found[:, 4] = 3.0
    expected = [np.corrcoef(truth[:, j], found[:, j])[0, 1] if j != 4 else 0 for j in range(8)]
    means[:, 4] = np.exp(3.0) * np.maximum(X.sum(axis=1), 1)
    assert truth_correlation(split, lambda rows: means[rows]) == pytest.approx(np.mean(expected))


def test_without_true_rates_there_is_no_such_column(split, means):
    bare = split_counts(Counts(split.counts.X, split.counts.xy), "nb", 0)
    (row,) = score_split(bare, Denoised(lambda rows: means[rows], {}))
    assert "truth_correlation" not in row
    assert row["splitting"] == "nb"
