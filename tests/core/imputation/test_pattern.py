"""Moran's I of counts at their depth against a slow loop."""

import numpy as np
import pytest

from spotweave.core.graph import knn
from spotweave.core.imputation.pattern import moran_of_counts


@pytest.fixture
def W(rng):
    return knn(rng.random((29, 2)), n_neighs=6).connectivities


def slow_moran(x, depth, W):
    middle = np.median([d for d in depth if d > 0])
    values = np.array([np.log1p(v / d * middle) if d > 0 else 0.0 for v, d in zip(x, depth, strict=True)])
    z = values - values.mean()
    total = sum(W[i, k] * z[i] * z[k] for i in range(len(z)) for k in range(len(z)))
    return len(z) / W.sum() * total / (z**2).sum()


def test_is_that_of_a_slow_loop(rng, W):
    depth = rng.poisson(20.0, 29).astype(float)
    depth[4] = 0
    x = rng.poisson(3.0, (29, 5)).astype(float)
    x[4] = 0
    statistic, pvalue = moran_of_counts(x, depth, W)
    np.testing.assert_allclose(
        statistic, [slow_moran(v, depth, W.toarray()) for v in x.T], rtol=1e-6
    )  # weights are single
    assert ((pvalue > 0) & (pvalue < 1)).all()


def test_moran_of_what_does_not_vary_is_0(W):
    depth = np.array([0.0, *range(1, 29)])
    x = np.outer(depth, [1.0, 2.0, 0.0])
    x[:, 2] = depth.astype(np.float32) * np.float32(0.1)  # rounded: its I would be that of the last digits
    x[:, 1] = np.arange(29)[::-1]
    found, pvalue = moran_of_counts(x[1:], depth[1:], W[1:, 1:])
    assert found[0] == found[2] == 0 != found[1]
    assert pvalue[0] == pvalue[2] == 1
    assert np.isfinite(moran_of_counts(x, depth, W)[0]).all(), "a cell of depth 0 has no rate"
