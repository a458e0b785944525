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
