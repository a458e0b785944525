"""Mixing of batches against slow definitions and against what must come out of perfect and of no mixing."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import chisquare, entropy
from sklearn.metrics import silhouette_samples, silhouette_score

from spotweave import InputError, metrics


@pytest.fixture
def batch(rng) -> np.ndarray:
    return np.array(["b1", "b2", "b3"])[rng.choice(3, 143, p=[0.5, 0.3, 0.2])]


@pytest.fixture
def H(rng, batch) -> np.ndarray:
    return rng.normal(size=(143, 4)) + 0.8 * (batch == "b2")[:, None]


def nearest(H: np.ndarray, i: int, k: int, among: np.ndarray) -> np.ndarray:
    distance = np.where(among, np.linalg.norm(H - H[i], axis=1), np.inf)
    distance[i] = np.inf
    return np.argsort(distance)[:k]


def loop_ilisi(H: np.ndarray, batch: np.ndarray, perplexity: float, k: int) -> float:
    found = []
    for i in range(len(H)):
        near = nearest(H, i, k, np.ones(len(H), bool))
        distance = np.linalg.norm(H[near] - H[i], axis=1)
        weights = lambda beta, d=distance: np.exp(-beta * (d - d.min())) / np.exp(-beta * (d - d.min())).sum()
        beta = brentq(lambda b, w=weights: entropy(w(b)) - np.log(perplexity), 1e-9, 1e3)
        shares = [weights(beta)[batch[near] == name].sum() for name in np.unique(batch)]
        found.append(1 / np.square(shares).sum())
    return float(np.mean(found))


@pytest.mark.parametrize("perplexity", [5, 12.5])
def test_ilisi_matches_loop(H, batch, perplexity):
    expected = loop_ilisi(H, batch, perplexity, int(np.ceil(3 * perplexity)))
    np.testing.assert_allclose(metrics.ilisi(H, batch, perplexity=perplexity), expected, rtol=1e-5)
    np.testing.assert_allclose(
        metrics.ilisi(1e-6 * H, batch, perplexity=perplexity, scaled=True), (expected - 1) / 2, rtol=1e-4
    )


def test_ilisi_of_few_rows_takes_fewer_neighbours(H, batch):
    expected = loop_ilisi(H[:40], batch[:40], 13, 39)
    np.testing.assert_allclose(metrics.ilisi(H[:40], batch[:40], perplexity=30), expected, rtol=1e-5)


def test_ilisi_in_parts_of_rows(H, batch, monkeypatch):
    whole = metrics.ilisi(H, batch, perplexity=5)
    monkeypatch.setattr("spotweave.metrics._mixing.MOST_WEIGHTS", 100)
    np.testing.assert_allclose(metrics.ilisi(H, batch, perplexity=5), whole)


def test_ilisi_of_ties_counts_them_alike():
    H, batch = np.zeros((61, 2)), np.arange(61) % 2
    assert 1.9 < metrics.ilisi(H, batch, perplexity=5) <= 2


def test_kbet_matches_loop(H, batch):
    names, size = np.unique(batch, return_counts=True)
    accepted = []
    for i in range(143):
        near = batch[nearest(H, i, 11, np.ones(143, bool))]
        counts = [(near == name).sum() for name in names]
        accepted.append(chisquare(counts, 11 * size / 143).pvalue >= 0.05)
    assert 0.1 < np.mean(accepted) < 0.95
    assert metrics.kbet(H, batch) == np.mean(accepted)  # 143 / 3 / 4 = 11
    assert metrics.kbet(H, batch, n_neighs=20) != metrics.kbet(H, batch)


def test_batch_asw_is_that_of_scib(H, batch, rng):
    label = np.array(["x", "y", "y", "z"])[rng.integers(0, 4, 143)]
    label[(label == "z") & (batch != "b1")] = "x"  # one batch alone
    parts = [1 - np.abs(silhouette_samples(H[label == t], batch[label == t])).mean() for t in "xy"]
    np.testing.assert_allclose(metrics.batch_asw(H, batch, label), np.mean(parts))
    np.testing.assert_allclose(metrics.batch_asw(H, batch), 1 - np.abs(silhouette_samples(H, batch)).mean())


def test_rows_without_batch_or_label_are_dropped(H, batch):
    label = np.where(H[:, 0] > 0, "x", "y")
    more = np.vstack([H, H[:2] + 5])
    batches = np.array([*batch, None, "b1"], dtype=object)
    labels = np.array([*label, "x", None], dtype=object)
    found = metrics.batch_asw(more[::-1], batches[::-1], labels[::-1])  # the rows to be dropped come first
    np.testing.assert_allclose(found, metrics.batch_asw(H, batch, label))
    without = np.array([*batch, None, None], dtype=object)
    for score in (metrics.ilisi, metrics.kbet, metrics.batch_asw):
        np.testing.assert_allclose(score(more, without), score(H, batch), rtol=1e-4)


def test_label_asw_is_that_of_scib(H, batch):
    np.testing.assert_allclose(metrics.label_asw(H, batch), (silhouette_score(H, batch) + 1) / 2)


def test_silhouettes_of_a_sample(rng):
    H, batch = rng.normal(size=(900, 3)), np.tile([0, 1], 450)
    few = metrics.batch_asw(H, batch, n_max=100)
    assert few == metrics.batch_asw(H, batch, n_max=100) != metrics.batch_asw(H, batch, n_max=100, rng=1)
    np.testing.assert_allclose(few, metrics.batch_asw(H, batch), atol=0.05)


def test_neighbors_kept_matches_loop(H, batch, rng):
    after = H + 0.5 * rng.normal(size=H.shape)
    shared = n = 0
    for i in range(143):
        k = min(30, (batch == batch[i]).sum() - 1)
        before, now = (set(nearest(X, i, k, batch == batch[i]).tolist()) for X in (H, after))
        shared, n = shared + len(before & now), n + k
    np.testing.assert_allclose(metrics.neighbors_kept(H, after, batch), shared / n)
    assert metrics.neighbors_kept(H, after, n_neighs=5) < 1


def test_moving_slices_keeps_neighbours(H, batch):
    moved = 3 * H[:, ::-1] + np.array([[0], [7], [-9]])[np.unique(batch, return_inverse=True)[1]]
    assert metrics.neighbors_kept(H, moved, batch) == 1
    assert metrics.neighbors_kept(H, moved) < 0.8


def test_mixed_and_apart(rng):
    H, batch = rng.normal(size=(800, 3)), np.tile([0, 1], 400)
    apart = H + 50 * batch[:, None]
    assert metrics.ilisi(H, batch, scaled=True) > 0.85
    assert 0.9 < metrics.kbet(H, batch) <= 1
    assert metrics.batch_asw(H, batch) > 0.95
    np.testing.assert_allclose(metrics.ilisi(apart, batch), 1)
    assert metrics.kbet(apart, batch) == 0
    assert metrics.batch_asw(apart, batch) < 0.1


def test_one_batch(H):
    one = np.zeros(143)
    np.testing.assert_allclose(metrics.ilisi(H, one), 1)
    assert np.isnan([metrics.ilisi(H, one, scaled=True), metrics.kbet(H, one), metrics.batch_asw(H, one)]).all()


def test_what_does_not_fit(H, batch):
    for score in (metrics.ilisi, metrics.kbet, metrics.batch_asw):
        with pytest.raises(InputError, match="143 rows"):
            score(H, batch[:-1])
    with pytest.raises(InputError, match="143 batches"):
        metrics.batch_asw(H, batch, batch[:-1])
    with pytest.raises(InputError, match="143 rows before"):
        metrics.neighbors_kept(H, H[:-1])
    with pytest.raises(InputError, match="`perplexity`"):
        metrics.ilisi(H, batch, perplexity=1)
    with pytest.raises(InputError, match="at least 5 rows"):
        metrics.ilisi(H[:4], batch[:4])
