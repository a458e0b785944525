"""The training loop on a problem with a closed-form answer; seeds, threads, devices, bars."""

import numpy as np
import pytest
import torch
from torch import nn

from spotweave import InputError, settings
from spotweave.core.train import _settled, fit, resolve_device, seeded, show_progress


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
