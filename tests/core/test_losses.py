"""Loss terms against their formulas in numpy."""

import numpy as np
import pytest
import torch

from spotweave.core.losses import agreement, corruption, redundancy, scaled_squared_error, total


@pytest.fixture
def rows(rng):
    return [rng.normal(size=(83, 4)) for _ in range(3)]


def tensors(*arrays):
    return [torch.tensor(a) for a in arrays]


def test_squared_error_is_a_share_of_the_variance(rows):
    prediction, target, _ = rows
    variance = target.var(axis=0).sum()
    expected = np.mean([((p - t) ** 2).sum() for p, t in zip(prediction, target, strict=True)]) / variance
    assert scaled_squared_error(*tensors(prediction, target, variance)).item() == pytest.approx(expected)
    mean = np.tile(target.mean(axis=0), (83, 1))
    assert scaled_squared_error(*tensors(mean, target, variance)).item() == pytest.approx(1)
    assert scaled_squared_error(*tensors(target, target, variance)).item() == 0


def test_redundancy_matches_the_correlation_matrix(rows):
    a, b, _ = rows
    c = np.corrcoef(a.T, b.T)[:4, 4:] * 82 / 83  # centred sums over n, deviations over n - 1
    expected = ((1 - np.diag(c)) ** 2).sum() + 0.3 * (c**2).sum() - 0.3 * (np.diag(c) ** 2).sum()
    assert redundancy(*tensors(a, b), weight_off_diagonal=0.3).item() == pytest.approx(expected, rel=1e-3)


def test_redundancy_wants_agreement_and_different_columns(rows):
    (a,) = tensors(np.linalg.qr(rows[0] - rows[0].mean(axis=0))[0])
    (noise,) = tensors(rows[1])
    same = a[:, [0, 0, 0, 0]]
    assert redundancy(a, a) < 0.01
    assert redundancy(a, a) < redundancy(same, same) < redundancy(a, noise)
    assert redundancy(5 * a + 2, a) == pytest.approx(redundancy(a, a).item(), abs=1e-2)


def test_redundancy_of_constant_columns_is_finite():
    a = torch.ones(7, 3, requires_grad=True)
    loss = redundancy(a, a)
    loss.backward()
    assert loss.item() == pytest.approx(3)
    assert a.grad is not None
    assert torch.isfinite(a.grad).all()


def test_corruption_is_the_binary_cross_entropy_of_both(rows):
    a, b, shuffled = rows
    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    true, false = sigmoid((a * b).sum(axis=1) / 2), sigmoid((a * shuffled).sum(axis=1) / 2)
    expected = -np.log(true).mean() - np.log(1 - false).mean()
    assert corruption(*tensors(a, b, shuffled)).item() == pytest.approx(expected)
    zero = np.zeros_like(a)
    assert corruption(*tensors(zero, b, shuffled)).item() == pytest.approx(2 * np.log(2))
    assert torch.isfinite(corruption(*tensors(1e4 * a, b, shuffled)))


def test_agreement_matches_a_loop(rows):
    a, b = (u / np.linalg.norm(u, axis=1)[:, None] for u in rows[:2])
    expected = 0.0
    for i in range(83):
        own = np.exp(a[i] @ b[i] / 0.3)
        there = sum(np.exp(a[i] @ b[j] / 0.3) for j in range(83))
        back = sum(np.exp(a[j] @ b[i] / 0.3) for j in range(83))
        expected -= (np.log(own / there) + np.log(own / back)) / 2 / 83
    assert agreement(*tensors(a, b), temperature=0.3).item() == pytest.approx(expected)
    assert agreement(*tensors(b, a), temperature=0.3).item() == pytest.approx(expected)


def test_agreement_wants_each_row_at_its_own_and_away_from_others():
    (one,) = tensors(np.eye(6))
    assert agreement(one, one, temperature=0.05) < 1e-6
    assert agreement(one, one.roll(1, 0), temperature=0.05) > 19
    same = one[[0] * 6]
    assert agreement(same, same, temperature=0.2).item() == pytest.approx(np.log(6))
    assert agreement(one[:1], one[1:2], temperature=0.2).item() == 0  # one row has nothing to be told from


def test_total_is_the_sum():
    terms = {"a": torch.tensor(1.5), "b": torch.tensor(-0.25)}
    assert total(terms).item() == 1.25
