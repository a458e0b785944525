"""Tiles and slides unlike those of training."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from spotweave.core.histology import novelty as module
from spotweave.core.histology.novelty import NEIGHBOR, learn_novelty, slide_novelty, tile_novelty
from spotweave.core.histology.tissue import standardise

N, D = 600, 6


def slides(rng, n_sections=3, n=N):
    section = np.arange(n) % n_sections
    raw = rng.normal(size=(n, D)) * [3, 2, 1, 1, 1, 1] + 0.2 * rng.normal(size=(n_sections, D))[section]
    standard = np.empty_like(raw)
    for s in range(n_sections):
        standard[section == s] = standardise(raw[section == s])
    return standard.astype(np.float32), raw.astype(np.float32), section


def test_limit_is_passed_by_one_training_tile_of_a_hundred(rng):
    features, raw, section = slides(rng)
    found = learn_novelty(features, raw, section, section, rng)
    far = np.array([np.sort(cdist(features[[i]], features[section != section[i]])[0])[NEIGHBOR - 1] for i in range(N)])
    np.testing.assert_allclose(found.limit, np.quantile(far, 0.99), rtol=1e-5)
    new = standardise(rng.normal(size=(N, D)))
    assert (tile_novelty(found, new) > 1).mean() < 0.03
    new[11] = 5
    assert tile_novelty(found, new)[11] > 1.5
    np.testing.assert_allclose(
        tile_novelty(found, new), np.sort(cdist(new, features))[:, NEIGHBOR - 1] / found.limit, rtol=1e-5
    )


def test_training_slides_are_known_and_another_stain_is_not(rng):
    features, raw, section = slides(rng)
    found = learn_novelty(features, raw, section, section, rng)
    means = np.stack([raw[section == s].mean(axis=0) for s in range(3)]).astype(float)
    away = [np.sqrt((((means[s] - np.delete(means, s, 0).mean(0)) / raw.std(0)) ** 2).mean()) for s in range(3)]
    np.testing.assert_allclose(found.shift, max(away), rtol=1e-5)
    for s in range(3):
        own = raw[section == s]
        expected = np.sqrt((((means[s] - means.mean(axis=0)) / raw.std(axis=0)) ** 2).mean()) / (2 * max(away))
        assert slide_novelty(found, own) == pytest.approx(expected, rel=1e-4)
        assert slide_novelty(found, own) < 1
        assert slide_novelty(found, own + 5) > 1


def test_one_section_has_the_spread_of_its_tiles_as_yardstick(rng):
    features, raw, section = slides(rng, 1)
    found = learn_novelty(features, raw, section, np.arange(N) % 5, rng)
    assert found.shift == 1
    assert slide_novelty(found, raw) == pytest.approx(0, abs=1e-6)
    assert slide_novelty(found, raw + 3 * raw.std(axis=0)) == pytest.approx(1.5, rel=1e-4)


def test_bank_is_capped_and_holds_some_tiles_of_each_fold(rng, monkeypatch):
    monkeypatch.setattr(module, "MOST", 50)
    features, raw, section = slides(rng)
    fold = np.zeros(N, int)
    fold[[5, 9]] = 1
    fold[100:130] = 2
    found = learn_novelty(features, raw, section, fold, np.random.default_rng(1))
    assert 50 <= len(found.bank) <= 57
    for rows in ([5], [9]):
        assert cdist(features[rows] @ found.axes, found.bank).min() < 1e-5
    again = learn_novelty(features, raw, section, fold, np.random.default_rng(1))
    np.testing.assert_array_equal(again.bank, found.bank)


def test_fewer_tiles_than_neighbours(rng):
    features, raw, section = slides(rng, 2, 6)
    found = learn_novelty(features, raw, section, section, rng)
    assert np.isfinite(found.limit)
    assert np.isfinite(tile_novelty(found, features)).all()
    assert tile_novelty(found, np.full((1, D), 5.0))[0] > 1
