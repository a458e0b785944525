"""The consensus of mixtures: planted domains, every switch, a part of the rows."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from spotweave.core import ensemble as module
from spotweave.core import mixture
from spotweave.core.directions import leading_coordinates
from spotweave.core.ensemble import EnsembleParams, by_predictability, ensemble
from spotweave.core.graph import knn
from spotweave.core.propagate import row_normalise, symmetrise


@pytest.fixture
def tissue(rng):
    """Three stripes, told apart by two of twelve features."""
    xy = rng.random((420, 2))
    truth = (3 * xy[:, 0]).astype(int)
    P = rng.normal(size=(420, 12)) * np.linspace(3, 1, 12)
    P[:, 4] += 3 * (truth == 1)
    P[:, 7] += 3 * (truth == 2)
    W = symmetrise(knn(xy, n_neighs=6).connectivities)
    return P.astype(np.float32), W, truth


def run(tissue, k=3, starts=None, seed=0, **options):
    P, W, _ = tissue
    smooth = row_normalise(W) @ (row_normalise(W) @ P)
    starts = starts or {"smooth": leading_coordinates(smooth, 8)}
    params = EnsembleParams(**{"widths": (3, 6), "n_starts": 2, **options})
    return ensemble(starts, [smooth], P, W, k, params=params, rng=np.random.default_rng(seed))


def test_finds_planted_domains_and_reports(tissue):
    result = run(tissue)
    assert adjusted_rand_score(tissue[2], result.probability.argmax(axis=1)) > 0.75
    np.testing.assert_allclose(result.probability.sum(axis=1), 1, rtol=1e-6)
    assert sorted(result.kept) == ["smooth:3", "smooth:6"]
    assert 0 < result.agreement <= 1
    assert result.explained > 0
    assert isinstance(result.converged, bool)


def test_noise_is_offered_but_not_kept(tissue, rng):
    P, W, _ = tissue
    smooth = leading_coordinates(row_normalise(W) @ (row_normalise(W) @ P), 8)
    starts = {"noise": rng.normal(size=(420, 8)), "smooth": smooth}
    result = run(tissue, starts=starts, n_keep=2, n_rounds=0)  # sharpening would mend the noise
    assert {name.split(":")[0] for name in result.kept} == {"smooth"}


@pytest.mark.parametrize("n_rounds", [0, 20])
def test_large_data_is_fitted_on_a_part_and_labelled_whole(tissue, monkeypatch, n_rounds):
    whole = run(tissue, n_rounds=n_rounds).probability.argmax(axis=1)
    for where in (module, mixture):
        monkeypatch.setattr(where, "MAX_ROWS", 250)
    part = run(tissue, n_rounds=n_rounds)
    assert part.probability.shape == (420, 3)
    np.testing.assert_allclose(part.probability.sum(axis=1), 1, rtol=1e-5)
    assert adjusted_rand_score(whole, part.probability.argmax(axis=1)) > 0.6


def test_without_sharpening_or_smoothing(tissue):
    plain = run(tissue, n_rounds=0, strength=0.0, widths=(6,), n_keep=1)
    P, W, truth = tissue
    H = leading_coordinates(row_normalise(W) @ (row_normalise(W) @ P), 8)[:, :6]
    expected = mixture.tied_mixture(H, 3, n_starts=20, rng=np.random.default_rng(1)).probability
    assert adjusted_rand_score(expected.argmax(axis=1), plain.probability.argmax(axis=1)) > 0.95
    assert plain.agreement == 1
    smooth = run(tissue, n_rounds=0, widths=(6,), n_keep=1)
    neighbours_differ = lambda p: np.mean(np.diff(p.argmax(axis=1)[np.stack(W.nonzero())], axis=0) != 0)
    assert neighbours_differ(smooth.probability) < neighbours_differ(plain.probability)


def test_same_seed_same_result(tissue):
    a, b = run(tissue), run(tissue)
    np.testing.assert_array_equal(a.probability, b.probability)


@pytest.mark.parametrize("k", [1, 2, 9])
def test_other_numbers_of_domains(tissue, k):
    result = run(tissue, k)
    assert result.probability.shape == (420, k)
    assert np.isfinite(result.probability).all()


def test_predictable_columns_come_first(tissue):
    P, W, truth = tissue
    E = by_predictability(P, W)
    assert E.dtype == np.float32
    np.testing.assert_allclose(E.T @ E / 420, np.eye(12), atol=1e-4)
    share = [np.var([E[truth == c, j].mean() for c in range(3)]) for j in range(12)]
    assert min(share[:2]) > 3 * max(share[4:])
