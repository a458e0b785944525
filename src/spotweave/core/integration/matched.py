"""Integration by matched surroundings: the batch effect is what differs between counterparts, not between slices."""

from dataclasses import dataclass

import numpy as np
from scipy.sparse.csgraph import connected_components

from .matches import apart, sampled_rows
from .rounds import Ground, bend, shift
from .sharing import shared_surroundings
from .slices import Integrated, Slices, batch_means, check_slices
from .surroundings import averaged, find_view


@dataclass(frozen=True)
class MatchedParams:
    """Settings of ``method="matched"``."""

    n_hops: int = 2
    """Averages over the graph neighbourhood before cells are compared."""
    n_axes: int = 30
    """Most directions in which surroundings are compared; those of noise count little, see `surroundings.find_view`."""
    n_neighs: int = 10
    """Neighbours that must be mutual."""
    n_alike: int = 30
    """Cells of the own batch that are asked whether they have counterparts."""
    max_rows: int = 5_000
    """Cells of each batch that take part in matching; all cells are corrected."""
    n_shifts: int = 10
    """Most rounds of matching and shifting whole batches."""
    n_bends: int = 6
    """Rounds of matching and correcting in dependence of the place in the embedding; 0 leaves it out."""
    slope: float = 0.2
    """Expected size of that dependence: change of the effect for a change of the expression by one."""
    sharing: float = 0.5
    """How much of a cell's surroundings is taken from counterparts, where there are any: 0.5 counts both the same, 0
    only removes the batch effect."""
    n_shared: int = 20
    """Counterparts in each other batch that are averaged."""
    least_share: float = 0.05
    """Two batches are joined when at least this share of the smaller one's cells is supported by counterparts, and"""
    most_apart: float = 2.0
    """when these are at most so far apart, in distances between like cells of one batch."""


def matched(slices: Slices, params: MatchedParams, rng: np.random.Generator) -> Integrated:
    r"""Remove what differs between mutual nearest neighbours in the embedding of surroundings.

    1. Averages over the surroundings, centred by batch, are compared along the directions in which they carry signal;
       cells of two batches that are among the nearest of each other are matched.
    2. Each batch is shifted by one vector, from least squares over the matches of all pairs of batches, those that lie
       apart unlike most counting less; then cells are matched anew, until nothing moves. The slices' own means are a
       start only: where their compositions differ the matches end elsewhere.
    3. Batches of which hardly any part has counterparts are left where they were.
    4. The rest of the effect may depend linearly on the place in the embedding (genes that one slide sees better).
       This part is shrunk and is applied as far as a cell's like have counterparts at all: a domain that no other
       slice has moves with its slice and is not bent towards another one.

    5. Surroundings are averaged with those of their counterparts on the other slices (`sharing`), again as far as
       there are any: what is noise on one slice is not on the next.

    All this is found on averages over surroundings, where noise does not hide it, and applied to the components of the
    cells.

    Parameters
    ----------
    slices
        Components, graph and batches.
    params
        Settings.
    rng
        Draws the cells that take part in matching.

    Returns
    -------
    Components, and how far batches share anything.

    References
    ----------
    Haghverdi et al. 2018, Nat. Biotechnol. 36:421 (mutual nearest neighbours as anchors).
    """
    check_slices(slices)
    P, W, batch = slices.P, slices.W, slices.batch
    means = batch_means(P, batch)
    view = find_view(P, W, batch, n_axes=params.n_axes, n_hops=params.n_hops, rng=rng)
    rows = sampled_rows(batch, params.max_rows, rng)
    ground = Ground(slices, view, rows, params.n_neighs, params.n_alike)
    H = averaged(P - means[batch], W, params.n_hops)  # [n, d]
    every = ~np.eye(slices.n_batches, dtype=bool)
    off, settled = shift(H, ground, every, n_rounds=params.n_shifts)
    linked, distance = _links(view(H - off[batch]), ground, every, params)
    if (linked != every).any():
        off, settled = shift(H, ground, linked, n_rounds=params.n_shifts)
    bent = bend(H - off[batch], ground, linked, n_rounds=params.n_bends, slope=params.slope)
    E = view(H - off[batch] + bent)
    matches = ground.matches(E, linked)
    count = np.zeros(linked.shape, int)
    for m in matches:
        count[m.first, m.second], count[m.second, m.first] = len(np.unique(m.i)), len(np.unique(m.j))
    shared = ground.supported(E, matches)
    if params.sharing:
        even = shared_surroundings(H - off[batch] + bent, E, batch, rows, shared, n_neighs=params.n_shared)
        bent = bent + np.float32(params.sharing) * even
    corrected = P - (off + means - _homes(means, batch, linked))[batch] + bent
    return Integrated(corrected, settled, count, linked, distance, shared.max(axis=1))


def _links(E: np.ndarray, ground: Ground, every: np.ndarray, params: MatchedParams) -> tuple[np.ndarray, np.ndarray]:
    """Which batches share enough, and how far their counterparts are apart, both [b, b]."""
    matches, batch = ground.matches(E, every), ground.slices.batch
    shared, count, b = ground.supported(E, matches), np.bincount(batch), len(every)
    share = np.stack([shared[batch == c].mean(axis=0) for c in range(b)])
    size = count[:, None] - count[None, :]
    smaller = np.where(size == 0, np.minimum(share, share.T), np.where(size < 0, share, share.T))
    distance = apart(E, ground.rows, matches, n_neighs=ground.n_neighs)
    return every & (smaller >= params.least_share) & (distance <= params.most_apart), distance


def _homes(means: np.ndarray, batch: np.ndarray, linked: np.ndarray) -> np.ndarray:
    """Where each batch's mean belongs before the shift: linked ones at their common mean, others where it is [b, d]."""
    count, (_, part) = np.bincount(batch), connected_components(linked, directed=False)
    return np.stack([np.average(means[part == p], axis=0, weights=count[part == p]) for p in part]).astype(means.dtype)
