import numpy as np

from spotweave.core.integration.sharing import shared_surroundings


def test_differences_are_those_of_a_loop(rng, monkeypatch):
    n, k = 41, 3
    H, E, batch = rng.normal(size=(n, 4)), rng.normal(size=(n, 2)), np.arange(n) % 3
    shared = rng.random((n, 3)) * (rng.random((n, 3)) < 0.7)
    shared[np.arange(n), batch] = 0
    shared[5] = 0
    rows = [np.flatnonzero(batch == c)[1:] for c in range(3)]
    expected = np.zeros_like(H)
    for i in range(n):
        if shared[i].sum() == 0:
            continue
        for q in range(3):
            near = rows[q][np.linalg.norm(E[rows[q]] - E[i], axis=1).argsort()[:k]]
            expected[i] += shared[i, q] * (H[near].mean(axis=0) - H[i])
        expected[i] *= shared[i].max() / shared[i].sum()
    for chunk in (7, 50_000):
        monkeypatch.setattr("spotweave.core.integration.sharing.CHUNK", chunk)
        found = shared_surroundings(H, E, batch, rows, shared, n_neighs=k)
        np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(found[5], 0)
