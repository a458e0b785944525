"""What integration did, in numbers that need no known labels."""

import numpy as np

from ..core.directions import leading_coordinates
from ..core.integration.surroundings import averaged
from ..metrics import ilisi, neighbors_kept
from ._tissue import Tissue

N_HOPS, N_AXES = 2, 20
MAX_ROWS = 20_000


def before_and_after(tissue: Tissue, P: np.ndarray, batch: np.ndarray, rng: np.random.Generator) -> dict[str, float]:
    """Score the surroundings of cells before and after integration.

    Parameters
    ----------
    tissue
        Components before, and the graph.
    P
        Components after ``[n, d]``.
    batch
        Codes ``[n]``.
    rng
        Draws the cells that are scored.

    Returns
    -------
    ``ilisi_before``, ``ilisi_after`` (0 apart, 1 mixed) and ``neighbors_kept`` (0 to 1).
    """
    n = len(P)
    rows = np.arange(n) if n <= MAX_ROWS else np.sort(rng.choice(n, MAX_ROWS, replace=False))
    before, after = (leading_coordinates(averaged(H, tissue.W, N_HOPS), N_AXES)[rows] for H in (tissue.P, P))
    library = None if tissue.library is None else tissue.library[rows]
    return {
        "ilisi_before": ilisi(before, batch[rows], scaled=True, rng=rng),
        "ilisi_after": ilisi(after, batch[rows], scaled=True, rng=rng),
        "neighbors_kept": neighbors_kept(before, after, library, rng=rng),
    }
