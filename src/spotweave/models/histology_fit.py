"""Training of `HistologyNet` on arrays, and what it says of new spots."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
import torch

from .._check import fail
from ..core.libraries import library_blocks
from ..core.train import Stop, fit_until, seeded
from .histology import HistologyNet, Pair, Side
from .histology_params import HistologyParams

PASSES = 35
STEPS = (150, 600)  # at least, at most


class Towers(NamedTuple):
    """A trained network and the embeddings of the spots it was trained on."""

    net: HistologyNet
    bank: np.ndarray
    """Unit-length embeddings of the expression of the training spots [n, w], float32."""


def fit_histology_net(
    image: Side,
    expression: Side,
    programs: np.ndarray,
    section: np.ndarray,
    params: HistologyParams,
    *,
    rng: np.random.Generator,
    device: torch.device | str = "cpu",
    progress: bool | None = None,
) -> Towers:
    """Train both towers and the head, then embed the expression of the training spots.

    Parameters
    ----------
    image, expression
        Both sides of the training spots.
    programs
        What the head predicts ``[n, t]``, scaled so that its mean square is about 1.
    section
        Section of each spot, codes ``[n]``; a minibatch holds spots of one section.
    params
        Settings.
    rng
        Generator: initial weights, minibatches, dropout.
    device
        Where to train.
    progress
        Show a bar; None: the setting.

    Returns
    -------
    The network, in evaluation mode, and its bank.

    Raises
    ------
    InputError
        When no section has two spots.
    """
    if len(section) == 0 or np.bincount(section).max() < 2:
        raise fail("a section of at least 2 spots to train on", "only sections of one", "Drop these, or add others.")
    with seeded(rng):
        net = HistologyNet(image.x.shape[1], expression.x.shape[1], programs.shape[1], params).to(device)
        sides = on(image, device), on(expression, device)
        truth = torch.as_tensor(programs, dtype=torch.float32, device=device)

        n_steps = _n_steps(section, params)

        def batches() -> Iterator[Pair]:
            for rows in _minibatches(section, params.batch_size, rng):
                yield Pair(torch.as_tensor(rows, device=device), *sides, truth)

        fit_until(
            net,
            batches,
            Stop(n_steps, check_every=n_steps),
            learning_rate=params.learning_rate,
            weight_decay=params.weight_decay,
            progress=progress,
            name="histology",
        )
    bank = embed(net.expression, expression, device=device)
    return Towers(net, bank / np.maximum(np.linalg.norm(bank, axis=1, keepdims=True), 1e-12))


@torch.no_grad()
def embed(tower: torch.nn.Module, side: Side, *, device: torch.device | str = "cpu", size: int = 4096) -> np.ndarray:
    """Embed all rows of a side in blocks: ``[n, w]`` float32."""
    side = on(side, device)
    blocks = torch.arange(len(side.x), device=device).split(size)
    with one_thread():
        return torch.cat([tower(side, rows) for rows in blocks]).cpu().numpy()


@torch.no_grad()
def head(net: HistologyNet, embedded: np.ndarray) -> np.ndarray:
    """Programs that the head tells from image embeddings ``[n, w]`` -> ``[n, t]``."""
    device = net.log_temperature.device
    with one_thread():
        return net.head(torch.as_tensor(embedded, device=device)).cpu().numpy().astype(np.float64)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the block: sums in another order would give other bits."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def on(side: Side, device: torch.device | str) -> Side:
    """Move a side to a device."""
    return Side(*(tensor.to(device) for tensor in side))


def _n_steps(section: np.ndarray, params: HistologyParams) -> int:
    """Minibatches of training: as asked for, or enough for small data and not too many for large ones."""
    one_pass = int(np.ceil(np.bincount(section) / params.batch_size).sum())
    return params.n_steps or int(np.clip(PASSES * one_pass, *STEPS))


def _minibatches(section: np.ndarray, size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Cut each section into random parts of nearly equal size, and deal all parts in random order."""
    parts = []
    for rows in library_blocks(len(section), section):
        if len(rows) > 1:
            parts += np.array_split(rng.permutation(rows), int(np.ceil(len(rows) / size)))
    for k in rng.permutation(len(parts)):
        yield parts[k]
