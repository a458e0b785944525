"""The one training loop: minibatches in, history out."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from .._check import check_range
from .._settings import settings
from .losses import total


class History(NamedTuple):
    """What a training run reports."""

    loss: np.ndarray
    """Mean loss of each epoch."""
    terms: dict[str, np.ndarray]
    """Mean of each term of each epoch, weights included."""
    converged: bool
    """The last tenth of the epochs gained less than 1 % on the tenth before."""


def fit(
    model: nn.Module,
    batches: Callable[[], Iterable[Any]],
    *,
    n_epochs: int,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-4,
    progress: bool | None = None,
    name: str = "training",
) -> History:
    """Train with AdamW on ``model.loss(batch) -> dict of weighted terms``.

    Parameters
    ----------
    model
        Module with a ``loss`` method.
    batches
        Starts an epoch: yields its minibatches, on the model's device.
    n_epochs
        Passes over the data.
    learning_rate, weight_decay
        Of AdamW.
    progress
        Show a bar; None: the setting, when standard error is a terminal.
    name
        Label of the bar.

    Returns
    -------
    Loss and its terms by epoch.
    """
    check_range(n_epochs, "n_epochs", low=1, integer=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    model.train()
    rows: list[dict[str, float]] = []
    for _ in tqdm(range(n_epochs), desc=name, disable=not show_progress(progress), leave=False):
        sums: dict[str, float] = {}
        n = 0
        for batch in batches():
            terms: dict[str, Tensor] = model.loss(batch)  # type: ignore[operator]
            loss = total(terms)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            n += 1
            for key, value in terms.items():
                sums[key] = sums.get(key, 0.0) + value.item()
        rows.append({key: value / n for key, value in sums.items()})
    model.eval()
    terms_by_epoch = {key: np.array([row[key] for row in rows]) for key in rows[0]}
    loss_by_epoch = np.sum(list(terms_by_epoch.values()), axis=0)
    return History(loss_by_epoch, terms_by_epoch, _settled(loss_by_epoch))


class Stop(NamedTuple):
    """When `fit_until` looks and gives up."""

    max_steps: int
    """Most steps."""
    check_every: int = 50
    """Steps between two looks at the held-out score."""
    patience: int = 6
    """Looks without a better score before training ends."""


class Stopped(NamedTuple):
    """What `fit_until` reports."""

    n_steps: int
    """Steps behind the weights that were kept."""
    score: np.ndarray
    """Held-out score at each look; empty without `validate`."""
    loss: np.ndarray
    """Mean loss between two looks."""
    converged: bool
    """The score had stopped getting better; always True without `validate`."""


def fit_until(
    model: nn.Module,
    batches: Callable[[], Iterable[Any]],
    stop: Stop,
    *,
    validate: Callable[[], float] | None = None,
    learning_rate: float = 1e-3,
    weight_decay: float = 1e-4,
    average: float = 0.98,
    progress: bool | None = None,
    name: str = "training",
) -> Stopped:
    """Train by single steps until a held-out score stops getting better, and keep the averaged weights of that point.

    The weights that are scored and kept are an exponential moving average over the steps (Polyak and Juditsky 1992,
    SIAM J. Control Optim. 30:838): what is stopped early should not depend on the last minibatch.

    Parameters
    ----------
    model
        Module with a ``loss`` method; a parameter named in ``model.no_decay`` is spared the weight decay.
    batches
        Starts a pass: yields its minibatches, on the model's device.
    stop
        Most steps, how often to look, and patience.
    validate
        Score of the model as it stands, lower is better; None: do ``stop.max_steps`` steps.
    learning_rate, weight_decay
        Of AdamW.
    average
        Weight of the past in the moving average.
    progress, name
        Of the bar.

    Returns
    -------
    Steps, scores and losses; `model` holds the kept weights, in evaluation mode.
    """
    check_range(stop.max_steps, "max_steps", low=1, integer=True)
    optimiser = torch.optim.AdamW(_groups(model, weight_decay), lr=learning_rate)
    mean = {key: value.detach().clone() for key, value in model.state_dict().items()}
    best, n_best, bad = dict(mean), 0, 0
    scores: list[float] = []
    losses: list[float] = []
    since: list[Tensor] = []
    bar = tqdm(total=stop.max_steps, desc=name, disable=not show_progress(progress), leave=False)
    for step, batch in enumerate(_endless(batches), start=1):
        model.train()
        loss = total(model.loss(batch))  # type: ignore[operator]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        _follow(mean, model, min(average, step / (step + 10)))
        since.append(loss.detach())
        bar.update()
        last = step >= stop.max_steps
        if step % stop.check_every and not last:
            continue
        losses.append(float(torch.stack(since).mean()))
        since.clear()
        if validate is not None:
            scores.append(_score(model, mean, validate))
            if n_best == 0 or scores[-1] < min(scores[:-1]):
                best, n_best, bad = {key: value.clone() for key, value in mean.items()}, step, 0
            else:
                bad += 1
        if last or bad >= stop.patience:
            break
    bar.close()
    model.load_state_dict(mean if validate is None else best)
    model.eval()
    done = step if validate is None else n_best
    return Stopped(done, np.array(scores), np.array(losses), validate is None or bad >= stop.patience)


def _groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    spared = set(getattr(model, "no_decay", ()))
    named = list(model.named_parameters())
    return [
        {"params": [p for key, p in named if key not in spared], "weight_decay": weight_decay},
        {"params": [p for key, p in named if key in spared], "weight_decay": 0.0},
    ]


def _endless(batches: Callable[[], Iterable[Any]]) -> Iterator[Any]:
    while True:
        yield from batches()


@torch.no_grad()
def _follow(mean: dict[str, Tensor], model: nn.Module, past: float) -> None:
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            mean[key].lerp_(value, 1 - past)
        else:
            mean[key].copy_(value)


def _score(model: nn.Module, mean: dict[str, Tensor], validate: Callable[[], float]) -> float:
    """Score the averaged weights, then put the present ones back."""
    present = {key: value.clone() for key, value in model.state_dict().items()}
    model.load_state_dict(mean)
    model.eval()
    score = validate()
    model.load_state_dict(present)
    return score


def resolve_device(device: str = "auto") -> torch.device:
    """Turn ``"auto"`` into CUDA when there is one, else the CPU; other names are torch's."""
    device = settings.device if device == "auto" else device
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(device)


def show_progress(progress: bool | None) -> bool:  # noqa: FBT001
    """Decide on a bar: as told, else by the setting and only for a person at a terminal."""
    return settings.progress and sys.stderr.isatty() if progress is None else progress


@contextmanager
def seeded(rng: np.random.Generator) -> Iterator[None]:
    """Draw torch's random numbers from `rng` inside the block and leave the global state as it was.

    One thread inside: sums in another order would give other bits, and these networks are too small to gain from more.
    """
    threads = torch.get_num_threads()
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(int(rng.integers(2**63)))
        torch.set_num_threads(1)
        try:
            yield
        finally:
            torch.set_num_threads(threads)


def _settled(loss: np.ndarray) -> bool:
    tenth = max(len(loss) // 10, 1)
    if len(loss) < 2 * tenth:
        return False
    late, before = loss[-tenth:].mean(), loss[-2 * tenth : -tenth].mean()
    return bool(before - late < 0.01 * abs(before))
