import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize_scalar

from spotweave import InputError
from spotweave.core.libraries import library_blocks
from spotweave.core.pattern_fold import LEAST_SCALE, N_SCALES, pattern_fold


def test_equals_a_search_for_each_gene(rng):
    n, library = 90, np.repeat([0, 1], [50, 40])
    depth, r = rng.lognormal(0, 0.4, n), rng.normal(size=n)
    depth[7] = 0
    X = rng.poisson(np.outer(depth, [0.2, 3, 20, 2]) * np.exp(r[:, None] * [0, 0.5, -0.3, 1]) * (1 + library[:, None]))
    found = pattern_fold(sp.csr_matrix(X), r, depth, library=library)
    blocks = library_blocks(n, library)

    def loss(beta, x, phi, tau, sd):
        total = beta * (x @ r)
        for rows in blocks:
            total -= x[rows].sum() * np.log((depth[rows] * np.exp(beta * r[rows])).sum())
        return -total / phi + np.log1p((beta * sd / tau) ** 2)

    mean = np.average(r, weights=depth)
    sd = np.sqrt(np.average((r - mean) ** 2, weights=depth))
    phis, steps, variances = [], [], []
    for x in X.T:
        expected = depth * x.sum() / depth.sum()
        ok = depth > 0
        phis.append(max(((x - expected)[ok] ** 2 / expected[ok]).mean(), 1))
        score = information = 0.0
        for rows in blocks:
            centred = (r[rows] - np.average(r[rows], weights=depth[rows])) / sd
            score += x[rows] @ centred
            information += x[rows].sum() * np.average(centred**2, weights=depth[rows])
        steps.append(score / information)
        variances.append(phis[-1] / information)
    scales = np.geomspace(LEAST_SCALE, 4, N_SCALES)
    V = np.add.outer(scales**2, variances)
    tau = scales[(-np.log(V) - np.array(steps) ** 2 / V).sum(axis=1).argmax()]
    best = [
        minimize_scalar(loss, bounds=(-3, 3), method="bounded", args=(x, phi, tau, sd)).x
        for x, phi in zip(X.T, phis, strict=True)
    ]
    np.testing.assert_allclose(found, best, rtol=2e-3, atol=2e-4)


def test_log_ratio_of_a_region_is_found_and_weak_ones_shrink(rng):
    region, depth = np.arange(1_000) < 150, rng.lognormal(0, 0.4, 1_000)
    fold = np.repeat([0.0, 1.5], [300, 20])
    rate = np.outer(depth, np.tile([0.01, 1.0], 160)) * np.where(region[:, None], np.exp(fold), 1)
    X = rng.poisson(rate)
    found = pattern_fold(sp.csr_matrix(X), region, depth)
    plain = np.log((X[region].sum(axis=0) + 0.5) / depth[region].sum()) - np.log(
        (X[~region].sum(axis=0) + 0.5) / depth[~region].sum()
    )
    np.testing.assert_allclose(found[301::2], 1.5, atol=0.2)
    assert np.abs(found[:300:2]).mean() < 0.3 * np.abs(plain[:300:2]).mean()
    np.testing.assert_allclose(pattern_fold(sp.csr_matrix(X), region / 4.0 + 2, depth), 4 * found, rtol=1e-6, atol=1e-9)


def test_genes_without_counts_or_only_inside_are_borne(rng):
    region = np.arange(200) < 40
    X = rng.poisson(2.0, (200, 5))
    X[:, 0] = 0
    X[~region, 1] = 0
    found = pattern_fold(sp.csr_matrix(X), region, np.ones(200))
    assert abs(found[0]) < 1e-12
    assert 2 < found[1] < 14.1


def test_a_pattern_that_does_not_vary_is_refused():
    with pytest.raises(InputError, match="varies"):
        pattern_fold(sp.csr_matrix(np.ones((30, 2))), np.full(30, 0.3), np.ones(30))
