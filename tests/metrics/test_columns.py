"""Comparisons of columns against scipy."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import pearsonr

from spotweave.metrics._columns import correlation, jensen_shannon


def test_columns_are_compared_as_scipy_does(rng):
    x, q = rng.random((2, 23, 3))
    pairs = list(zip(x.T, q.T, strict=True))
    assert correlation(x, q) == pytest.approx([pearsonr(a, b)[0] for a, b in pairs])
    assert jensen_shannon(x, q) == pytest.approx([jensenshannon(a, b) ** 2 for a, b in pairs])


def test_constant_and_empty_columns(rng):
    x = np.column_stack([rng.random(7), np.full(7, 0.1), np.zeros(7)])
    q = rng.random((7, 3))
    assert correlation(x, q)[1:].tolist() == [0, 0]
    assert jensen_shannon(x, q)[2] == pytest.approx(np.log(2))
