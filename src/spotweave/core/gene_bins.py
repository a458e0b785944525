"""Genes as coarse pictures: counts summed over small contiguous bins of tissue, a few bins to a patch."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .._check import check_range
from .libraries import library_blocks
from .tiles import spatial_tiles


class GeneBins(NamedTuple):
    """Pictures of all genes on one grid of p patches with s bins each; tissue of any shape, no pixel without any.

    A patch of fewer points than bins is filled up with bins of exposure 0, which say nothing and are never scored.
    """

    counts: np.ndarray
    """Counts of each gene in each bin ``[g, p * s]``, float32; bins of one patch lie side by side."""
    exposure: np.ndarray
    """Counts of all genes in each bin ``[p * s]``, float32; 0: no tissue."""
    xy: np.ndarray
    """Centres of the bins ``[p * s, d]``."""
    patch_xy: np.ndarray
    """Centres of the patches ``[p, d]``."""
    patch_library: np.ndarray
    """Code of the slide of each patch ``[p]``."""
    n_sub: int
    """Bins of a patch, s."""


def gene_bins(
    X: sp.csr_matrix, xy: np.ndarray, *, n_patches: int = 32, n_sub: int = 16, library: np.ndarray | None = None
) -> GeneBins:
    """Sum counts over compact bins of nearly equal numbers of points (`spotweave.core.tiles.spatial_tiles`).

    One sparse product; what follows costs the same for a thousand points as for a million.

    Parameters
    ----------
    X
        Counts ``[n, g]``, CSR.
    xy
        Coordinates ``[n, d]``.
    n_patches
        Patches of all libraries together, about; each library has at least one.
    n_sub
        Bins of a patch, at most: fewer where a bin would hold less than two points on average.
    library
        Which slide each point lies on ``[n]``; no bin crosses slides.

    Returns
    -------
    Counts, exposures and positions. Counts are those of the columns of `X`, exposures of these columns together.
    """
    check_range(n_patches, "n_patches", low=1, integer=True)
    check_range(n_sub, "n_sub", low=1, integer=True)
    n = len(xy)
    n_patches = max(1, min(n_patches, n // 4))
    n_sub = max(1, min(n_sub, n // (2 * n_patches)))
    patches = spatial_tiles(xy, max_size=-(-n // n_patches), library=library)
    codes = np.zeros(n, np.intp)
    for code, rows in enumerate(library_blocks(n, library)):
        codes[rows] = code
    bin_of, centres = np.zeros(n, np.intp), []
    for p, rows in enumerate(patches):
        pieces = spatial_tiles(xy[rows], max_size=-(-len(rows) // n_sub))
        centre = xy[rows].mean(axis=0)
        for s, piece in enumerate(pieces):
            bin_of[rows[piece]] = p * n_sub + s
            centres.append(xy[rows[piece]].mean(axis=0))
        centres += [centre] * (n_sub - len(pieces))
    n_bins = len(patches) * n_sub
    sums = sp.csr_matrix((np.ones(n, np.float32), (bin_of, np.arange(n))), shape=(n_bins, n)) @ X
    return GeneBins(
        counts=np.ascontiguousarray(sums.toarray().T, dtype=np.float32),
        exposure=np.asarray(sums.sum(axis=1), np.float32).ravel(),
        xy=np.array(centres),
        patch_xy=np.array([xy[rows].mean(axis=0) for rows in patches]),
        patch_library=np.array([codes[rows[0]] for rows in patches]),
        n_sub=n_sub,
    )
