import numpy as np
import scipy.sparse as sp

from spotweave.core.integration.matches import Matches, apart, mutual_matches, nearest, sampled_rows, support


def test_matches_are_those_of_a_double_loop(rng):
    E, k = rng.normal(size=(31, 3)).astype(np.float32), 4
    rows = [np.arange(0, 20, 2), np.arange(1, 21, 2), np.arange(21, 31)]
    found = mutual_matches(E, rows, n_neighs=k)
    assert [(m.first, m.second) for m in found] == [(0, 1), (0, 2), (1, 2)]
    for m in found:
        A, B = rows[m.first], rows[m.second]
        D = np.linalg.norm(E[A][:, None] - E[B][None], axis=2)
        forth, back = D.argsort(axis=1)[:, :k], D.argsort(axis=0)[:k]
        expected = {(A[i], B[j]) for i in range(len(A)) for j in forth[i] if i in back[:, j]}
        assert set(zip(m.i.tolist(), m.j.tolist(), strict=True)) == {(int(i), int(j)) for i, j in expected}
        counts = [1 / np.sqrt((m.i == i).sum() * (m.j == j).sum()) for i, j in zip(m.i, m.j, strict=True)]
        np.testing.assert_allclose(m.weight, counts)


def test_a_larger_batch_finds_as_large_a_share_of_itself(rng):
    E = rng.normal(size=(660, 2)).astype(np.float32)
    (m,) = mutual_matches(E, [np.arange(60), np.arange(60, 660)], n_neighs=6)
    assert len(np.unique(m.j)) > 400


def test_support_is_the_share_of_like_rows_with_a_match(rng):
    E = np.repeat([[0.0, 0], [50, 0], [0, 0], [50, 0]], 5, axis=0).astype(np.float32)
    E += rng.normal(0, 0.1, E.shape).astype(np.float32)
    batch = np.repeat([0, 1], 10)
    m = Matches(0, 1, np.array([0, 1, 2]), np.array([10, 10, 11]), np.ones(3))
    rows = [np.arange(10), np.arange(10, 20)]
    found = support(E, sp.csr_matrix((20, 20)), batch, rows, [m], n_neighs=5)
    expected = np.zeros((20, 2))
    expected[:5, 1], expected[10:15, 0] = 3 / 5, 2 / 5
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_counterparts_are_one_apart_where_batches_are_one_cloud_and_far_where_they_are_not(rng):
    E = rng.normal(size=(400, 3)).astype(np.float32)
    rows = [np.arange(200), np.arange(200, 400)]
    near = apart(E, rows, mutual_matches(E, rows, n_neighs=10), n_neighs=10)
    assert 0.6 < near[0, 1] < 1.2
    assert near[0, 1] == near[1, 0]
    E[200:] += 9
    assert apart(E, rows, mutual_matches(E, rows, n_neighs=10), n_neighs=10)[0, 1] > 4
    assert apart(E, rows, [], n_neighs=10)[0, 1] == np.inf


def test_distance_of_counterparts_is_that_of_a_loop(rng):
    E = np.concatenate([rng.normal(size=(30, 2)), 3 * rng.normal(size=(25, 2)) + [1, 0]])
    rows, k = [np.arange(0, 30, 2), np.arange(30, 55)], 4
    (m,) = mutual_matches(E, rows, n_neighs=5)
    own = {}
    for sample in rows:
        for i in sample:
            own[i] = np.sort(np.linalg.norm(E[sample] - E[i], axis=1))[1 : k + 1].mean()
    ratios = [np.linalg.norm(E[i] - E[j]) / np.sqrt(own[i] * own[j]) for i, j in zip(m.i, m.j, strict=True)]
    np.testing.assert_allclose(apart(E, rows, [m], n_neighs=k)[0, 1], np.median(ratios))


def test_nearest_in_pieces_are_those_of_all_distances(rng, monkeypatch):
    A, B = rng.normal(size=(23, 3)), rng.normal(size=(11, 3))
    expected = np.sort(np.linalg.norm(A[:, None] - B[None], axis=2).argsort(axis=1)[:, :4], axis=1)
    for most in (1, 40, 4_000_000):
        monkeypatch.setattr("spotweave.core.integration.matches.MOST_SCORES", most)
        np.testing.assert_array_equal(np.sort(nearest(A, B, 4), axis=1), expected)
    assert nearest(A, B, 50).shape == (23, 11)


def test_sample_is_ordered_and_within_batches(rng):
    batch = rng.integers(2, size=99)
    few, most = sampled_rows(batch, 10, rng), sampled_rows(batch, 99, rng)
    for c in range(2):
        assert len(few[c]) == 10
        assert (np.diff(few[c]) > 0).all()
        assert (batch[few[c]] == c).all()
        np.testing.assert_array_equal(most[c], np.flatnonzero(batch == c))
