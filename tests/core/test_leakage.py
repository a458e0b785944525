import numpy as np

from spotweave.core.leakage import leakage
from spotweave.core.spatial_basis import spatial_basis


def test_white_noise_and_flat_fields_do_not_leak(rng):
    xy = rng.random((150, 2))
    basis = spatial_basis(xy, 20)
    assert leakage(basis.functions, xy, basis.frequency, np.ones(20)) == 1
    assert leakage(basis.functions, xy, basis.frequency, np.full(20, 5.0)) >= 1


def test_factor_is_the_excess_variance_of_drawn_fields(rng):
    grid = np.stack(np.meshgrid(np.arange(24.0), np.arange(24.0)), -1).reshape(-1, 2)
    xy = grid[((grid - 11.5) ** 2).sum(axis=1) < 140]
    basis, scale = spatial_basis(xy, 60), 6.0
    distance = ((xy[:, None] - xy[None]) ** 2).sum(axis=2)
    field = np.linalg.cholesky(np.exp(-distance / 2 / scale**2) + 1e-8 * np.eye(len(xy)))
    a, b = (basis.functions.T @ field @ rng.normal(size=(len(xy), 4000)) + rng.normal(size=(60, 4000)) for _ in "ab")
    power = np.maximum(((a**2).mean(axis=1) + (b**2).mean(axis=1)) / 2, 1)
    whitening = (power - 1) / power**2
    expected = ((whitening @ (a * b)) ** 2).mean() / (whitening**2 @ power**2)
    found = leakage(basis.functions, xy, basis.frequency, power)
    assert expected > 1.1
    assert abs(found - expected) < 0.08
