"""Expected counts of wanted genes at all cells, a block of genes at a time."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from .combine import Weights, covariates, expected
from .folds import guessed_totals, log_depth
from .methods import Method
from .pair import Pair, sizes

BLOCK = 24_000_000  # covariates held at once, 96 MB


class Block(NamedTuple):
    """Some wanted genes."""

    genes: slice
    means: np.ndarray
    """Expected counts ``[n, b]`` float32."""
    covariates: np.ndarray
    """Of `combine`, at `rows` of the call ``[c, r, b]``."""


def predict(
    pair: Pair, S: sp.csr_matrix, method: Method, weights: Weights, rows: np.ndarray, rng: np.random.Generator
) -> Iterator[Block]:
    """Predict wanted genes, block by block.

    Parameters
    ----------
    pair
        Panel, reference and wanted genes.
    S
        Neighbour averages ``[n, n]``.
    method
        Routes and hops, as given to `hold_out_genes`.
    weights
        As it chose them.
    rows
        Cells whose covariates are handed out too.
    rng
        Handed to the routes.
    """
    n, t = pair.X.shape[0], pair.Y.shape[1]
    routes = [route(pair, rng) for route in method.routes]
    size = sizes(pair.X)
    depth, total, everywhere = log_depth(size), guessed_totals(pair), slice(None)
    step = max(1, BLOCK // (n * (len(routes) + len(method.hops) + 2)))
    for start in range(0, t, step):
        genes = slice(start, min(start + step, t))
        found = [f(genes) for f in routes]
        C = covariates(found, weights.spread, depth, S, everywhere, genes.stop - start, hops=method.hops)
        means = expected(weights.all, C, total[genes])
        means[size == 0] = 0  # nothing is known of such a cell
        means *= (total[genes] / means.sum(axis=0, dtype=np.float64)).astype(np.float32)
        yield Block(genes, means, C[:, rows])
