"""What every way to integrate slices starts from, and what it gives."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..._check import fail


class Slices(NamedTuple):
    """Components of the cells of several slices, and where these cells lie."""

    P: np.ndarray
    """Principal components [n, d], not smoothed, batch effect and all."""
    W: sp.csr_matrix
    """Symmetric spatial graph [n, n] without self loops; no edge joins two slices."""
    batch: np.ndarray
    """Whose effect is to be removed [n], codes 0..b-1; several slices may form one batch."""

    @property
    def n_batches(self) -> int:
        """Number of batches b."""
        return int(self.batch.max()) + 1


class Integrated(NamedTuple):
    """What every method gives."""

    P: np.ndarray
    """Components without the batch effect [n, d], not smoothed."""
    converged: bool = True
    matches: np.ndarray | None = None
    """Rows of one batch that have a counterpart in the other, [b, b]; methods that match only."""
    linked: np.ndarray | None = None
    """Whether two batches share enough to be joined, directly or by way of others, [b, b]."""
    apart: np.ndarray | None = None
    """How far counterparts are apart, see `matches.apart`, [b, b]."""
    support: np.ndarray | None = None
    """Whether cells like this one have counterparts in another batch, 0 (hardly any) to 1 (most) [n]."""


def check_slices(slices: Slices, *, least: int = 30) -> None:
    """Refuse fewer than two batches, and batches of too few cells."""
    count = np.bincount(slices.batch)
    if len(count) < 2:
        raise fail("two batches or more", "one", "One slice needs no integration.")
    if count.min() < least:
        raise fail(
            f"at least {least} cells in each batch", f"{count.min()} in batch {count.argmin()}", "Leave this one out."
        )


def centred(H: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Subtract from each row the mean of its batch."""
    return H - batch_means(H, batch)[batch]


def batch_means(H: np.ndarray, batch: np.ndarray) -> np.ndarray:
    """Mean row of each batch ``[b, d]``, of the type of `H`."""
    count = np.bincount(batch)
    member = sp.csr_matrix((np.ones(len(batch)), (batch, np.arange(len(batch)))), shape=(len(count), len(batch)))
    return ((member @ H.astype(np.float64)) / count[:, None]).astype(H.dtype)
