"""Rounds of matching and correcting: whole batches first, then in dependence of the place in the embedding."""

from typing import NamedTuple

import numpy as np

from .field import displacement, robust
from .matches import Matches, mutual_matches, support
from .slices import Slices
from .surroundings import View

SETTLED = 1e-3  # of the spread of the embedding: shifts this small change no domain
ASK_EVERY = 3  # rounds between two looks at who has counterparts: it takes all cells, and changes little


class Ground(NamedTuple):
    """What all rounds share."""

    slices: Slices
    view: View
    rows: list[np.ndarray]
    """Rows of each batch that take part in matching."""
    n_neighs: int
    n_alike: int

    def matches(self, E: np.ndarray, linked: np.ndarray) -> list[Matches]:
        """Matches of linked batches, where there are any."""
        found = mutual_matches(E, self.rows, n_neighs=self.n_neighs)
        return [m for m in found if linked[m.first, m.second] and len(m.i)]

    def supported(self, E: np.ndarray, matches: list[Matches]) -> np.ndarray:
        """Whether a cell's like have counterparts in each other batch ``[n, b]``: 0 up to a half, 1 from 3/4 on."""
        slices = self.slices
        share = support(E, slices.W, slices.batch, self.rows, matches, n_neighs=self.n_alike)
        return np.clip(4 * share - 2, 0, 1)


def shift(H: np.ndarray, ground: Ground, linked: np.ndarray, *, n_rounds: int) -> tuple[np.ndarray, bool]:
    """Find one vector for each batch by which it lies off.

    Parameters
    ----------
    H
        Averaged components, centred by batch ``[n, d]``.
    ground
        View and rows.
    linked
        Batches that may be matched ``[b, b]``.
    n_rounds
        Most rounds of matching and moving.

    Returns
    -------
    Vectors ``[b, d]``, of mean zero over cells, and whether the rounds came to rest.
    """
    batch, b = ground.slices.batch, len(linked)
    total, share = np.zeros((b, H.shape[1]), H.dtype), np.bincount(batch) / len(batch)
    for _ in range(n_rounds):
        Y = H - total[batch]
        E = ground.view(Y)
        matches = ground.matches(E, linked)
        if not matches:
            return total, True
        weights = [robust(E, m) for m in matches]
        ridge = np.full(1, 1e-6 * sum(w.sum() for w in weights))
        step = displacement(E, Y, matches, weights, features=_constant, n_batches=b, ridge=ridge)[:, 0]
        step = (step - share @ step).astype(H.dtype)
        total += step
        if np.linalg.norm(ground.view(step)) < SETTLED * np.sqrt(b * np.square(E).sum(axis=1).mean()):
            return total, True
    return total, False


def bend(H: np.ndarray, ground: Ground, linked: np.ndarray, *, n_rounds: int, slope: float) -> np.ndarray:
    """Find what the place in the embedding adds to the shift.

    The coefficients are shrunk as if their expected size were `slope` and every `1 / view.noise` matches told one
    thing, since those of neighbours share their cells.

    Parameters
    ----------
    H
        Averaged components after the shift ``[n, d]``.
    ground
        View and rows.
    linked
        Batches that may be matched ``[b, b]``.
    n_rounds
        Rounds of matching and moving.
    slope
        Expected change of the effect for a change of the expression by one.

    Returns
    -------
    Displacement of each cell ``[n, d]``, to be added.
    """
    total, batch, view = np.zeros_like(H), ground.slices.batch, ground.view
    shared = np.zeros((len(H), len(linked)))
    for turn in range(n_rounds):
        Y = H + total
        E = view(Y)
        matches = ground.matches(E, linked)
        if not matches:
            break
        if turn % ASK_EVERY == 0:
            shared = ground.supported(E, matches)
        weights = [robust(E, m) * np.minimum(shared[m.i, m.second], shared[m.j, m.first]) for m in matches]
        every = np.concatenate(weights)
        if every.sum() <= 0:
            break
        centre = (every @ np.concatenate([E[m.i] + E[m.j] for m in matches]) / (2 * every.sum())).astype(E.dtype)
        distance = every @ np.concatenate([np.square(E[m.i] - E[m.j]).sum(axis=1) for m in matches]) / every.sum()
        noise = distance / np.square(view.gain).sum()  # of a pair, along one direction
        ridge = np.r_[1e-6 * every.sum(), np.full(E.shape[1], noise / (view.noise * slope**2))]
        C = displacement(
            E - centre, Y, matches, weights, features=_linear, n_batches=len(linked), ridge=ridge
        )  # [b, 1 + r, d]
        F = _linear(E - centre)
        F[:, 1:] *= shared.max(axis=1)[:, None]  # a domain of one batch only moves with the batch
        for c in range(len(linked)):
            own = batch == c
            total[own] -= (F[own] @ C[c]).astype(H.dtype)
    return total


def _constant(E: np.ndarray) -> np.ndarray:
    return np.ones((len(E), 1), E.dtype)


def _linear(E: np.ndarray) -> np.ndarray:
    return np.hstack([_constant(E), E])
