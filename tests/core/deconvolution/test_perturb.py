"""Standard deviations against Laplace's approximation where no bound is near."""

import numpy as np
import pytest

from spotweave.core.deconvolution.perturb import shares_sd

CELLS = np.array([0.5, 1.0, 2.0])
OWN = np.array([0, 1, 3])


@pytest.fixture
def problem(rng):
    """Five spots of four weights far from 0; the third weight is no type."""
    A = rng.normal(0, 1, (5, 9, 4))
    H = np.swapaxes(A, 1, 2) @ A + 2 * np.eye(4)
    W = rng.uniform(60, 120, (5, 4))
    return H, np.einsum("nij,nj->ni", H, W), W


def sd_of(problem, rng, n_draws):
    return shares_sd(*problem, own=OWN, cells=CELLS, n_draws=n_draws, rng=rng)


def pooled(problem, rng):
    """Of 4,000 draws: 100 copies of the spots, 40 draws each."""
    copies = [np.concatenate([A] * 100) for A in problem]
    return np.sqrt((sd_of(copies, rng, 40) ** 2).reshape(100, 5, 3).mean(axis=0))


def test_matches_laplace(problem, rng):
    H, _, W = problem
    found = pooled(problem, rng)
    for h, w, sd in zip(H, W, found, strict=True):
        A = w[OWN] / CELLS
        J = np.zeros((3, 4))
        for t in range(3):
            for u in range(3):
                J[t, OWN[u]] = ((t == u) - A[t] / A.sum()) / A.sum() / CELLS[u]
        np.testing.assert_allclose(sd, np.sqrt(np.diag(J @ np.linalg.inv(h) @ J.T)), rtol=0.08)


def test_weights_far_below_zero_stay_and_more_information_is_surer(problem, rng):
    H, b, W = problem
    down, at = b.copy(), W.copy()
    at[:, 0] = 0
    down[:, 0] = -1e6
    assert not sd_of((H, down, at), rng, 50)[:, 0].any()
    sure = pooled((100 * H, 100 * b, W), rng)
    np.testing.assert_allclose(sure, pooled(problem, rng) / 10, rtol=0.1)


def test_blocks_draw_the_same(problem, rng):
    seed = lambda: np.random.default_rng(8)
    whole, generator = sd_of(problem, seed(), 9), seed()
    parts = [sd_of([A[rows] for A in problem], generator, 9) for rows in (slice(0, 1), slice(1, 5))]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-6)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(sd_of(problem, seed(), 9), whole)


def test_types_alike_and_spots_without_information_are_finite(problem, rng):
    H, b, W = problem
    H[:, 1], b[:, 1] = H[:, 0], b[:, 0]
    H[:, :, 1] = H[:, :, 0]
    H[0] -= 1e-7 * np.eye(4) * np.trace(H[0])  # as rounding of float32 does
    H[3], b[3], W[3] = 0, 0, 0
    before = W.copy()
    found = sd_of((H, b, W), rng, 20)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert (found[3] > 0.2).all(), "of a spot without counts nothing is known"
    np.testing.assert_array_equal(W, before)
