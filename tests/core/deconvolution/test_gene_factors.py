"""Factors of genes: planted ones are found, chance and ordinary differences are left alone."""

import numpy as np
import pytest

from spotweave.core.deconvolution.gene_factors import ALIKE, log_factors


def counts_of(rng, n, log_factor):
    expected = rng.gamma(2, 4, (n, len(log_factor)))
    return rng.poisson(expected * np.exp(log_factor)), expected


def test_matches_loops(rng):
    x, mu = counts_of(rng, 11, rng.normal(0, 1, 7))
    x[:, 2] = 0
    r, error = np.empty(7), np.empty(7)
    for g in range(7):
        a = sum(x[i, g] / (1 + mu[i, g]) for i in range(11)) + 0.5
        b = sum(mu[i, g] / (1 + mu[i, g]) for i in range(11)) + 0.5
        spread = sum(((x[i, g] - a / b * mu[i, g]) / (1 + mu[i, g])) ** 2 for i in range(11))
        r[g], error[g] = np.log(a / b), (spread + 0.5) / a**2
    variance = np.median(r**2 - error) / 0.455
    blocks = [(x[:4], mu[:4]), (x[4:], mu[4:])]
    np.testing.assert_allclose(log_factors(blocks, 7), r * (variance - ALIKE) / (variance + error), rtol=1e-10)


def test_strong_factors_are_found(rng):
    planted = rng.normal(0, 0.8, 300)
    found = log_factors([counts_of(rng, 200, planted)], 300)
    assert np.corrcoef(found, planted)[0, 1] > 0.99
    assert np.polyfit(planted, found, 1)[0] == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize(("n", "spread"), [(6, 0.0), (200, 0.0), (200, 0.15)])
def test_chance_and_small_differences_are_left_alone(rng, n, spread):
    assert not log_factors([counts_of(rng, n, rng.normal(0, spread, 300))], 300).any()
