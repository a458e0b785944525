"""The training loops on problems with a known answer; seeds, threads, devices, bars."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from spotweave import InputError, settings
from spotweave.core.train import Stop, _settled, fit, fit_until, resolve_device, seeded, show_progress


class Line(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(3))
        self.modes = []

    def loss(self, batch):
        X, y = batch
        self.modes.append(self.training)
        return {"error": (X @ self.weight - y).square().mean(), "size": 0.5 * self.weight.square().sum()}


@pytest.fixture
def batches(rng):
    X = torch.tensor(rng.normal(size=(60, 3)), dtype=torch.float32)
    return lambda: [(X[i : i + 20], X[i : i + 20] @ torch.tensor([1.0, -2.0, 0.5])) for i in (0, 20, 40)]


def test_reaches_the_ridge_solution_and_reports_every_term(batches):
    model = Line()
    history = fit(model, batches, n_epochs=400, learning_rate=0.02, weight_decay=0.0)
    X, y = (torch.cat(t).double().numpy() for t in zip(*batches(), strict=True))
    expected = np.linalg.solve(X.T @ X / 60 + 0.5 * np.eye(3), X.T @ y / 60)
    np.testing.assert_allclose(model.weight.detach(), expected, atol=0.05)
    assert history.loss.shape == history.terms["error"].shape == history.terms["size"].shape == (400,)
    np.testing.assert_allclose(history.loss, history.terms["error"] + history.terms["size"])
    assert history.loss[-1] < history.loss[0] / 2
    assert history.converged
    assert all(model.modes)
    assert not model.training


def test_first_epoch_is_the_mean_over_its_batches(batches):
    history = fit(Line(), batches, n_epochs=1, learning_rate=0.0)
    expected = np.mean([y.square().mean().item() for _, y in batches()])
    assert history.loss[0] == pytest.approx(expected, rel=1e-5)
    assert not history.converged


@pytest.mark.parametrize("n", [0, -1, 1.5])
def test_no_epochs_is_an_error(batches, n):
    with pytest.raises(InputError, match="n_epochs"):
        fit(Line(), batches, n_epochs=n)


def test_settled():
    assert _settled(np.r_[np.linspace(9, 1, 80), np.ones(20)])
    assert not _settled(np.linspace(9, 1, 100))
    assert not _settled(np.array([1.0]))
    assert _settled(np.linspace(1, 2, 100))  # rising is no gain


# By single steps until a held-out score stops getting better.


class Walker(nn.Module):
    """Walks to its batch, through where validation is best."""

    no_decay: tuple[str, ...] = ("spared",)
    seen: torch.Tensor

    def __init__(self):
        super().__init__()
        self.weight, self.spared = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.ones(2))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))
        self.modes: list[bool] = []

    def loss(self, batch):
        self.modes.append(self.training)
        self.seen += 1
        return {"gap": (self.weight - batch).abs().sum(), "none": 0 * self.spared.sum()}


FAR = [torch.full((2,), 2.0), torch.full((2,), 2.5), torch.full((2,), 3.0)]


def walked(n, *, average=0.98, learning_rate=0.01, weight_decay=1e-4):
    """Averaged weights and losses after each step, by the optimiser's own definition and a loop."""
    model = Walker()
    groups: list[dict[str, Any]] = [{"params": [model.weight]}, {"params": [model.spared], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=learning_rate, weight_decay=weight_decay)
    mean, means, losses = np.zeros(2), [], []
    for step in range(1, n + 1):
        loss = model.loss(FAR[(step - 1) % 3])["gap"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        past = min(average, step / (step + 10))
        mean = past * mean + (1 - past) * model.weight.detach().numpy()
        means.append(mean)
        losses.append(loss.item())
    return np.array(means), np.array(losses)


def test_stops_when_validation_gets_worse_and_keeps_the_average_of_the_best_look():
    model, seen = Walker(), []

    def validate():
        assert not model.training
        seen.append(model.weight.detach().numpy().copy())
        return (model.weight - 0.3).abs().sum().item()

    stopped = fit_until(model, lambda: FAR, Stop(500, 7, 3), validate=validate, learning_rate=0.01)
    means, losses = walked(500)
    scores = np.abs(means[6::7] - 0.3).sum(axis=1)
    best = int(scores.argmin())
    n_looks = best + 4  # three looks without a better score
    assert 1 < best < n_looks < 20
    assert (stopped.n_steps, stopped.converged) == (7 * (best + 1), True)
    np.testing.assert_allclose(stopped.score, scores[:n_looks], atol=1e-5)
    np.testing.assert_allclose(seen, means[6::7][:n_looks], atol=1e-6)  # the averages are what is scored
    np.testing.assert_allclose(model.weight.detach(), means[7 * best + 6], atol=1e-6)
    np.testing.assert_allclose(stopped.loss, losses[: 7 * n_looks].reshape(-1, 7).mean(axis=1), rtol=1e-5)
    assert model.seen == stopped.n_steps  # what is no number to average is that of the last step
    assert all(model.modes)
    assert not model.training


def test_a_look_is_taken_after_the_last_step_and_too_few_steps_are_not_converged():
    model = Walker()
    stopped = fit_until(
        model, lambda: FAR, Stop(17, 7), validate=lambda: -model.weight.sum().item(), learning_rate=0.01
    )
    means, _ = walked(17)
    np.testing.assert_allclose(stopped.score, -means[[6, 13, 16]].sum(axis=1), rtol=1e-4)
    assert (stopped.n_steps, stopped.converged) == (17, False)
    np.testing.assert_allclose(model.weight.detach(), means[16], atol=1e-6)


def test_patience_counts_looks_since_the_best_one():
    scores = iter([5.0, 3.0, 4.0, 3.5, 2.0, 6.0, 5.0, 4.0, 0.0])
    stopped = fit_until(Walker(), lambda: FAR, Stop(500, 5, 3), validate=lambda: next(scores))
    np.testing.assert_array_equal(stopped.score, [5.0, 3.0, 4.0, 3.5, 2.0, 6.0, 5.0, 4.0])
    assert (stopped.n_steps, stopped.converged) == (25, True)


def test_a_score_that_is_only_equal_is_not_better():
    model = Walker()
    stopped = fit_until(model, lambda: FAR, Stop(50, 5, 2), validate=lambda: 1.0)
    assert (stopped.n_steps, len(stopped.score)) == (5, 3)


def test_without_validation_all_steps_are_done():
    model = Walker()
    stopped = fit_until(model, lambda: FAR, Stop(23, 10), average=0.5, learning_rate=0.01)
    means, losses = walked(23, average=0.5)
    assert (stopped.n_steps, len(model.modes), stopped.converged) == (23, 23, True)
    assert stopped.score.shape == (0,)
    np.testing.assert_allclose(stopped.loss, [losses[:10].mean(), losses[10:20].mean(), losses[20:].mean()], rtol=1e-5)
    np.testing.assert_allclose(model.weight.detach(), means[-1], atol=1e-6)
    assert not model.training


def test_weights_that_are_spared_do_not_decay():
    model = Walker()
    fit_until(model, lambda: FAR, Stop(30, 30), learning_rate=0.01, weight_decay=5.0, average=0.0)
    means, _ = walked(30, average=0.0, weight_decay=5.0)
    np.testing.assert_array_equal(model.spared.detach(), [1, 1])
    np.testing.assert_allclose(model.weight.detach(), means[-1], atol=1e-6)
    freed = Walker()
    freed.no_decay = ()
    fit_until(freed, lambda: FAR, Stop(30, 30), learning_rate=0.01, weight_decay=5.0, average=0.0)
    np.testing.assert_allclose(freed.spared.detach(), 0.95**30, rtol=1e-4)


def test_same_seed_same_bits():
    found = []
    for seed in (3, 3, 4):
        with seeded(np.random.default_rng(seed)):
            model = Walker()
            random = lambda: (torch.randn(2) for _ in range(4))
            stopped = fit_until(model, random, Stop(40, 9), validate=lambda: model.weight.sum().item())  # noqa: B023
        found.append((model.weight.detach().numpy(), stopped.score, stopped.loss))
    for a, b, c in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)


@pytest.mark.parametrize("n", [0, 2.5])
def test_no_steps_is_an_error(n):
    with pytest.raises(InputError, match="max_steps"):
        fit_until(Walker(), lambda: FAR, Stop(n))


def test_seeded_is_repeatable_and_leaves_global_state_and_threads_alone():
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    numpy_before = np.random.get_state(legacy=False)  # noqa: NPY002
    draws = []
    for seed in (1, 1, 2):
        with seeded(np.random.default_rng(seed)):
            assert torch.get_num_threads() == 1
            draws.append(torch.randn(5))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_equal(np.random.get_state(legacy=False), numpy_before)  # noqa: NPY002
    assert torch.get_num_threads() == threads


def test_seeded_restores_after_an_error():
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(2)
    with pytest.raises(RuntimeError, match="size"), seeded(np.random.default_rng(0)):
        torch.randn(3) @ torch.randn(4)
    assert torch.get_num_threads() == 2
    assert torch.equal(state, torch.get_rng_state())
    torch.set_num_threads(threads)


def test_device_and_progress(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert resolve_device().type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert resolve_device().type == "cuda"
    assert resolve_device("cpu").type == "cpu"
    with settings.override(device="cpu", progress=False):
        assert resolve_device().type == "cpu"
        assert not show_progress(None)
        assert show_progress(True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert show_progress(None)
    assert not show_progress(False)
