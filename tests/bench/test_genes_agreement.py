"""Agreement of two embeddings, against loops and what has to come out."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from spotweave.bench import _genes_agreement as of
from spotweave.bench._genes_agreement import agreement, module_agreement, nearest_overlap, own_ranks, unit_rows


@pytest.fixture
def pair(rng):
    """Two noisy views of 61 directions, in spaces that are rotated against each other."""
    A = rng.normal(size=(61, 5))
    R = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    return A, (A + 0.4 * rng.normal(size=A.shape)) @ R


def test_a_rotation_and_lengths_do_not_matter(pair, rng):
    A, _ = pair
    R = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    found = agreement(A, 3 * A @ R * rng.uniform(1, 2, (61, 1)), np.arange(61.0), rng)
    assert (found.mrr, found.top10, found.rank, found.mrr_like, found.rank_like) == (1, 1, 0, 1, 0)
    assert (found.overlap, found.ari_sections) == pytest.approx((1, 1))


def test_half_of_the_genes_judge(pair):
    A, B = (unit_rows(M) for M in pair)
    mean = np.random.default_rng(1).permutation(61).astype(float)
    found = agreement(pair[0], pair[1], mean, np.random.default_rng(3))
    order = np.random.default_rng(3).permutation(61)
    fitted, held = order[:30], order[30:]
    u, _, vt = np.linalg.svd(A[fitted].T @ B[fitted])
    turned = A @ u @ vt
    place, like = [], []
    for i in held:
        closer = [j for j in held if turned[i] @ B[j] > turned[i] @ B[i]]
        same = [j for j in held if j != i and int(mean[j] * 20 / 61) == int(mean[i] * 20 / 61)]
        place.append(len(closer))
        like.append((len(set(closer) & set(same)), len(same)))
    assert 0 < np.mean(place) < 12
    assert found.mrr == pytest.approx(np.mean([1 / (1 + p) for p in place]))
    assert found.top10 == pytest.approx(np.mean([p < 10 for p in place]))
    assert found.rank == pytest.approx(np.median(place) / 30)
    assert found.mrr_like == pytest.approx(np.mean([1 / (1 + n) for n, _ in like]))
    assert found.rank_like == pytest.approx(np.median([n / m for n, m in like if m]))


def test_chance(rng):
    A, B = rng.normal(size=(2, 400, 6))
    found = agreement(A, B, rng.random(400), rng)
    assert found.rank == pytest.approx(0.5, abs=0.08)
    assert found.rank_like == pytest.approx(0.5, abs=0.12)
    assert found.overlap == pytest.approx(20 / 399, abs=0.01)
    assert found.ari_sections == pytest.approx(0, abs=0.02)


def test_equal_vectors_are_in_the_middle():
    place, like, n_like = own_ranks(np.ones((5, 2)), np.ones((5, 2)), np.array([0, 0, 0, 1, 2]))
    assert place.tolist() == [2] * 5
    assert like.tolist() == [1, 1, 1, 0, 0]
    assert n_like.tolist() == [2, 2, 2, 0, 0]


def test_nearest_and_ranks_in_blocks(pair, monkeypatch):
    A, B = (unit_rows(M) for M in pair)
    shares = []
    for i in range(61):
        one, other = ([j for j in np.argsort(-(M @ M[i])) if j != i][:7] for M in (A, B))
        shares.append(len(set(one) & set(other)) / 7)
    whole = own_ranks(A, B, np.arange(61) % 3)
    monkeypatch.setattr(of, "BLOCK", 9)
    assert nearest_overlap(A, B, 7) == pytest.approx(np.mean(shares))
    np.testing.assert_array_equal(own_ranks(A, B, np.arange(61) % 3), whole)


def test_modules(pair, monkeypatch):
    monkeypatch.setattr(of, "N_MODULES", 4)
    A, B = pair
    scores = [adjusted_rand_score(*(of.kmeans(M, 4, seed=s, n_init=1) for M in pair)) for s in range(3)]
    assert module_agreement(A, B) == pytest.approx(np.mean(scores))


def test_spaces_of_different_width_and_rows_of_zeros(pair, rng):
    A, B = pair
    A[3] = 0
    found = agreement(A, np.pad(B, ((0, 0), (0, 2))), np.arange(61.0), rng)
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(unit_rows(A)[3], 0)
