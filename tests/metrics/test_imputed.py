"""Scores of predicted genes against slow loops, closed forms and scipy."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import brentq
from scipy.spatial.distance import jensenshannon
from scipy.stats import pearsonr, zscore

from spotweave import InputError
from spotweave.core.likelihood import fit_dispersion
from spotweave.metrics import _imputed as module
from spotweave.metrics import imputation_scores


@pytest.fixture
def depth(rng) -> np.ndarray:
    d = rng.poisson(30.0, 61).astype(float)
    d[[3, 17]] = 0
    return d


@pytest.fixture
def means(rng, depth) -> np.ndarray:
    return depth[:, None] / 30 * np.array([0.3, 1.0, 5.0, 20.0]) * np.exp(0.5 * rng.standard_normal((61, 4)))


@pytest.fixture
def truth(rng, means) -> np.ndarray:
    x = rng.poisson(means).astype(float)
    x[3] = [0, 1, 0, 2]  # cells of depth 0 may hold counts of wanted genes
    return x


def slow_ssim(x, q):
    x, q = x / x.max(), q / q.max()
    mx, mq = x.mean(), q.mean()
    sx, sq = np.sqrt(((x - mx) ** 2).mean()), np.sqrt(((q - mq) ** 2).mean())
    c1, c2 = 1e-4, 9e-4
    c3 = c2 / 2
    light, contrast = (2 * mx * mq + c1) / (mx**2 + mq**2 + c1), (2 * sx * sq + c2) / (sx**2 + sq**2 + c2)
    return light * contrast * (((x - mx) * (q - mq)).mean() + c3) / (sx * sq + c3)


def rows_of(mean, rows):
    return mean[rows, None]


def slow_depth_curve(x, d):
    """Power of depth by root finding on the score equation, dispersion by moments in turn."""
    log_d = np.log(d)
    curve = lambda b: d**b * x.sum() / (d**b).sum()
    power = 1.0
    for _ in range(3):
        mean = curve(power)
        a = float(fit_dispersion(lambda: iter([(slice(None), x[:, None])]), partial(rows_of, mean))[0])

        def score(b, a=a):
            mean = curve(b)
            weight = 1 / (1 + a * mean)
            away = log_d - np.average(log_d, weights=mean * weight)
            return ((x - mean) * weight * away).sum()

        power = brentq(score, -1, 4)
    return curve(power), a


def slow_beyond_depth(x, q, d):
    x, q, d = x[d > 0], q[d > 0], d[d > 0]
    mean, a = slow_depth_curve(x, d)
    q = q * x.sum() / q.sum()
    sd = np.sqrt(mean + a * mean**2)

    def deviance(m):
        total = 0.0
        for k, v in zip(x, m, strict=True):
            log_part = k * np.log(k / v) if k else 0.0
            if a == 0:
                total += 2 * (log_part - k + v)
            else:
                total += 2 * (log_part - (k + 1 / a) * np.log((1 + a * k) / (1 + a * v)))
        return total

    curve = lambda v: v - np.polyval(np.polyfit(np.log(d), v, 2), np.log(d))
    r = pearsonr(curve((x - mean) / sd), curve((q - mean) / sd)).statistic
    return r, 1 - deviance(np.maximum(q, 0.01 * mean)) / deviance(mean)


def test_all_scores_are_those_of_slow_formulas(truth, means, depth, monkeypatch):
    predicted = means * [1.0, 3.0, 0.1, 1e-3]
    predicted[5] = 0
    monkeypatch.setattr(module, "MOST_VALUES", 61 * 3)  # two blocks of genes
    found = imputation_scores(sp.csr_matrix(truth), predicted, depth)
    for j in range(4):
        x, q = truth[:, j], predicted[:, j]
        assert found.pcc[j] == pytest.approx(pearsonr(x, q).statistic)
        assert found.ssim[j] == pytest.approx(slow_ssim(x, q))
        assert found.rmse[j] == pytest.approx(np.sqrt(np.mean((zscore(x) - zscore(q)) ** 2)))
        assert found.js[j] == pytest.approx(jensenshannon(x, q) ** 2)
        r, explained = slow_beyond_depth(x, q, depth)
        assert found.residual_r[j] == pytest.approx(r, abs=1e-4)
        assert found.deviance_explained[j] == pytest.approx(explained, abs=1e-4)
    np.testing.assert_allclose(found.rmse, np.sqrt(2 * (1 - found.pcc)))


def test_a_factor_of_a_gene_changes_nothing(truth, means, depth):
    first = imputation_scores(truth, means, depth)
    second = imputation_scores(truth, sp.csc_matrix(means * [0.01, 5, 1, 300]), depth)
    np.testing.assert_allclose(first, second, rtol=1e-9)
    assert (first.deviance_explained > 0).all(), "true means are worth something"


def test_depth_alone_scores_on_the_published_ones_only(rng):
    depth = rng.poisson(30.0, 4_000).astype(float) + 1
    truth = rng.poisson(np.outer(depth**0.7, [0.02, 0.1, 1.0, 3.0])).astype(float)
    for power in (1.0, 0.7, 0.0):
        found = imputation_scores(truth, np.outer(depth**power, [1.0, 2.0, 3.0, 0.5]), depth)
        np.testing.assert_allclose(found.residual_r, 0, atol=4 / np.sqrt(4_000))
        assert (found.deviance_explained < 1e-6).all(), "no power of depth beats the fitted one"
        assert power == 0 or found.pcc[2] > 0.08


def test_the_truth_itself_is_the_best(truth, depth):
    truth[[3, 17]] = 0
    found = imputation_scores(truth, truth, depth)
    for name in ("pcc", "ssim", "residual_r"):
        np.testing.assert_allclose(getattr(found, name), 1)
    np.testing.assert_allclose([found.rmse, found.js], 0, atol=1e-7)
    assert (found.deviance_explained > 0.8).all()


def test_constant_and_absent_genes(truth, means, depth):
    truth[:, 1] = 0
    means[:, 2], means[:, 3] = 4.0, 0.0
    found = imputation_scores(truth, means, depth)
    assert all(np.isnan(score[1]) for score in found)
    assert found.pcc[2] == found.pcc[3] == found.residual_r[3] == 0
    np.testing.assert_allclose(found.rmse[2:], np.sqrt(2))
    assert found.js[3] == pytest.approx(np.log(2))
    assert found.deviance_explained[3] < -1, "nothing expected where much is found"
    assert np.isfinite([score[[0, 2, 3]] for score in found]).all()


def test_errors(truth, means, depth):
    with pytest.raises(InputError, match=r"shape \[61, 4\], as the truth; found shape \[61, 3\]"):
        imputation_scores(truth, means[:, :3], depth)
    with pytest.raises(InputError, match="`predicted` finite and not negative"):
        imputation_scores(truth, means - 1, depth)
    with pytest.raises(InputError, match="`truth` finite"):
        imputation_scores(truth * np.nan, means, depth)
    with pytest.raises(InputError, match="`depth` of 61 counts"):
        imputation_scores(truth, means, depth[:60])
    with pytest.raises(InputError, match="`depth` of 61 counts"):
        imputation_scores(truth, means, depth * 0)
