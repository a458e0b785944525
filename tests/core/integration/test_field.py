import numpy as np

from spotweave.core.integration.field import displacement, robust
from spotweave.core.integration.matches import Matches


def linear(E):
    return np.hstack([np.ones((len(E), 1)), E])


def pairs(rng, n, p, q, rows):
    i, j = rng.choice(rows[p], n), rng.choice(rows[q], n)
    return Matches(p, q, i, j, np.ones(n))


def test_coefficients_are_those_of_stacked_least_squares(rng):
    E, H = rng.normal(size=(60, 2)), rng.normal(size=(60, 3))
    rows = [np.arange(20), np.arange(20, 40), np.arange(40, 60)]
    matches = [pairs(rng, 25, 0, 1, rows), pairs(rng, 17, 0, 2, rows), pairs(rng, 9, 1, 2, rows)]
    weights = [rng.random(len(m.i)) for m in matches]
    ridge = np.array([0.1, 0.7, 2.0])
    A, y = [], []
    for m, w in zip(matches, weights, strict=True):
        for i, j, u in zip(m.i, m.j, w, strict=True):
            f, row = np.r_[1, (E[i] + E[j]) / 2], np.zeros((3, 3))
            row[m.first], row[m.second] = f, -f
            A.append(np.sqrt(u) * row.ravel())
            y.append(np.sqrt(u) * (H[i] - H[j]))
    A += list(np.diag(np.sqrt(np.tile(ridge, 3))))
    y += [np.zeros(3)] * 9
    expected = np.linalg.lstsq(np.array(A), np.array(y), rcond=None)[0].reshape(3, 3, 3)
    found = displacement(E, H, matches, weights, features=linear, n_batches=3, ridge=ridge)
    np.testing.assert_allclose(found, expected, atol=1e-10)


def test_seen_from_midpoints_noise_is_no_stretching(rng):
    truth = np.repeat(rng.normal(0, 1, (4000, 1)), 1, axis=1)
    E = np.concatenate([truth, truth]) + rng.normal(0, 1, (8000, 1))
    m = Matches(0, 1, np.arange(4000), np.arange(4000, 8000), np.ones(4000))
    C = displacement(E, E, [m], [m.weight], features=linear, n_batches=2, ridge=np.full(2, 1e-9))
    assert np.abs(C[0] - C[1]).max() < 0.08


def test_a_batch_without_matches_does_not_move(rng):
    E, rows = rng.normal(size=(30, 2)), [np.arange(10), np.arange(10, 20), np.arange(20, 30)]
    m = pairs(rng, 9, 0, 1, rows)
    C = displacement(E, E, [m], [m.weight], features=linear, n_batches=3, ridge=np.ones(3))
    np.testing.assert_array_equal(C[2], 0)
    assert np.abs(C[0]).max() > 0


def test_robust_weights_follow_the_majority(rng):
    E = np.concatenate([rng.normal(0, 0.1, (100, 2)), rng.normal(0, 0.1, (100, 2)) + [3, 0]])
    E[190:] += [0, 40]
    m = Matches(0, 1, np.arange(100), np.arange(100, 200), np.ones(100))
    w = robust(E, m)
    assert w[90:].max() < 0.001
    assert np.median(w[:90]) > 0.5
    centre = w @ (E[m.i] - E[m.j]) / w.sum()
    np.testing.assert_allclose(centre, [-3, 0], atol=0.1)
