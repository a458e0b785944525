import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.bench._denoise_dispersion import _halves, neutral_dispersion


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_dispersion_of_groups_of_cells_is_found(rng, alpha):
    profiles = rng.gamma(2.0, 1.0, (3, 60))
    mean = profiles[rng.integers(3, size=900)] * rng.gamma(20.0, 0.05, (900, 1))
    rates = mean * rng.gamma(1 / alpha, alpha, mean.shape) if alpha else mean
    X = rng.poisson(rates)
    X[:, 7] = 0
    found = neutral_dispersion(sp.csr_matrix(X.astype(np.float32)))
    busy = mean.mean(axis=0) > 1
    busy[7] = False
    assert np.median(found[busy]) == pytest.approx(alpha, abs=0.03)
    assert found[7] == 0
    assert (found >= 0).all()


def test_groups_are_disjoint_and_equal(rng):
    W = sp.random(23, 23, 0.4, format="csr", rng=rng)
    first, second = _halves(W)
    assert (first + second != W).nnz == 0
    assert first.multiply(second).nnz == 0
    gap = np.diff(first.indptr) - np.diff(second.indptr)
    assert set(gap) <= {0, 1}
