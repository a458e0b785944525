"""Two or three made-up slices of bands, each with a feature of its own, and a known batch effect."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.graph import knn
from spotweave.core.integration.slices import Slices
from spotweave.core.propagate import symmetrise


class Made(NamedTuple):
    slices: Slices
    band: np.ndarray
    effect: np.ndarray
    """What was added to each batch [b, d]."""

    def gaps(self, P: np.ndarray) -> np.ndarray:
        """Distance of the means of each band that two batches share, largest over pairs of batches."""
        found = []
        for b in np.unique(self.band):
            rows = [(self.band == b) & (self.slices.batch == c) for c in range(self.slices.n_batches)]
            means = [P[own].mean(axis=0) for own in rows if own.any()]
            if len(means) > 1:
                found.append(max(np.linalg.norm(x - y) for x in means for y in means))
        return np.array(found)


def grid(rows: int, columns: int) -> np.ndarray:
    return (
        np.stack(np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij"), axis=-1).reshape(-1, 2).astype(float)
    )


@pytest.fixture
def make() -> Callable[..., Made]:
    def made(bands: list[list[int]], *, effect: float = 4.0, noise: float = 0.6, d: int = 12, seed: int = 0) -> Made:
        rng = np.random.default_rng(seed)
        centres = 3 * np.linalg.qr(rng.normal(size=(d, d)))[0]
        xy, band, batch, parts = [], [], [], []
        for number, wanted in enumerate(bands):
            places = grid(6 * len(wanted), 15)
            own = np.array(wanted)[(places[:, 0] // 6).astype(int)]
            xy.append(places)
            band.append(own)
            batch.append(np.full(len(places), number))
            parts.append(centres[own] + rng.normal(0, noise, (len(places), d)))
        offsets = rng.normal(size=(len(bands), d))
        offsets *= effect / np.linalg.norm(offsets, axis=1, keepdims=True)
        offsets[0] = 0
        codes = np.concatenate(batch)
        W = symmetrise(knn(np.concatenate(xy), n_neighs=6, library=codes).connectivities)
        P = np.concatenate(parts) + offsets[codes]
        slices = Slices((P - P.mean(axis=0)).astype(np.float32), sp.csr_matrix(W), codes)
        return Made(slices, np.concatenate(band), offsets)

    return made
