"""Expected counts of given means: standard deviations, held-out deviance, the weighing, Moran's I within slides."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.special import xlogy

from spotweave.core.flatness import Flattened
from spotweave.core.shrinkage import Guard
from spotweave.tl import _expected
from spotweave.tl._denoise_methods import DenoiseFit
from spotweave.tl._expected import Space, Weighing, expected_counts, held_out_deviance, unguarded


def test_standard_deviation_grows_with_dispersion():
    rng = np.random.default_rng(0)
    M = rng.gamma(2.0, 1.0, (50, 4)).astype(np.float32)
    X = sp.csr_matrix(rng.poisson(M).astype(np.float32))
    fit = DenoiseFit(lambda r, g: M[r][:, g], lambda r, g: M[r][:, g], M, None, converged=True)
    W, alpha = sp.csr_matrix((50, 50)), np.array([0.0, 0.01, 0.1, 0.5])
    weigh = Weighing(None, Guard(alpha, np.zeros(4), np.zeros(1)))
    found: Any = expected_counts(fit, X, Space(W, W, None), weigh, np.arange(4), sd=True, rng=rng)
    x = X.toarray()
    np.testing.assert_allclose(found.mean, M * (1 + alpha * x) / (1 + alpha * M), rtol=1e-5)
    np.testing.assert_allclose(found.sd, M * np.sqrt(alpha * (1 + alpha * x)) / (1 + alpha * M), rtol=1e-5)
    assert (np.diff((found.sd / M).mean(axis=0)) > 0).all()
    assert found.table["moran_before"].isna().all()


@pytest.mark.parametrize("most", [20_000, 7])
def test_held_out_deviance_is_that_of_a_slow_loop(monkeypatch, most):
    monkeypatch.setattr(_expected, "SCORED_ROWS", most)
    rng, n, g, ratio = np.random.default_rng(0), 23, 70, 0.3
    M = rng.gamma(2.0, 1.0, (n, g))
    X, held_out = rng.poisson(M).astype(float), rng.poisson(ratio * M).astype(float)
    for part in (X, held_out):
        part[4], part[:, 66] = 0, 0
    upper = np.triu(rng.random((n, n)) < 0.2, 1)
    W, alpha, reach = sp.csr_matrix((upper | upper.T).astype(float)), rng.random(g), rng.random(g)
    weigh = Weighing(None, Guard(alpha, reach, np.zeros(1)))
    found = held_out_deviance(
        lambda r, j: M[r][:, j],
        sp.csr_matrix(X),
        sp.csr_matrix(held_out),
        ratio,
        W,
        weigh,
        rng=np.random.default_rng(5),
    )
    rows = np.arange(n) if most > n else np.random.default_rng(5).choice(n, most, replace=False)
    slow = np.zeros((2, g))
    for i in rows:
        around = W[[i]].indices
        for j in range(g):
            count, mean = X[i, j] + reach[j] * X[around, j].sum(), M[i, j] + reach[j] * M[around, j].sum()
            ours = M[i, j] * (1 + alpha[j] * count) / (1 + alpha[j] * mean)
            for k, expected in enumerate([ours, X[i].sum() * X[:, j].sum() / X.sum()]):
                x, mu = held_out[i, j], ratio * expected
                slow[k, j] += 2 * (xlogy(x, x / max(mu, 1e-12)) - x + mu) / len(rows)
    np.testing.assert_allclose(found, slow, rtol=1e-4, atol=1e-6)


def test_weighing_asks_the_given_means_at_the_given_depth():
    means: Any = lambda rows, genes: np.full((3, 2), 7.0)[rows][:, genes]
    assert unguarded(2).of(means, sp.csr_matrix((3, 2))) is means
    old = Flattened(means, np.ones(3), np.ones(2), np.array([0.0, 1.0]), np.ones(2), np.zeros(2))
    X = sp.csr_matrix(np.array([[1.0, 3.0], [2.0, 0.0], [0.0, 0.0]]))
    found = Weighing(old, unguarded(2).guard).of(means, X)(slice(None), slice(None))
    np.testing.assert_allclose(found, np.array([[2, 7], [1, 7], [0, 0]]))


def test_moran_is_of_patterns_within_slides():
    rng, xy = np.random.default_rng(0), np.indices((15, 15)).reshape(2, -1).T
    one = sp.csr_matrix(np.abs(xy[:, None] - xy[None]).sum(axis=2) == 1, dtype=float)
    W, library = sp.block_diag([one, one], format="csr"), np.repeat([0, 1], 225)
    noise = rng.normal(size=(450, 1)) + 10 * library[:, None]
    values = np.hstack([noise, np.tile(xy[:, :1], (2, 1)) + 0.0])
    assert _expected._moran(values.copy(), Space(W, W, None))[0] > 0.9
    within = _expected._moran(values.copy(), Space(W, W, library))
    assert abs(within[0]) < 0.1
    assert within[1] > 0.8
    assert np.isnan(_expected._moran(values.copy(), Space(W, 0 * W[:0, :0], library))).all()
