"""Both sides of a set of spots as the network reads them: inputs and neighbours."""

import numpy as np
import scipy.sparse as sp
import torch

from ..core.feature_graph import feature_knn
from ..core.graph import knn
from .histology import Side


def make_side(
    inputs: np.ndarray,
    xy: np.ndarray,
    section: np.ndarray,
    *,
    n_neighs: int,
    types: np.ndarray | None = None,
    rng: np.random.Generator,
) -> Side:
    """Join spots with their neighbours in place and with their most alike, both within their section.

    Parameters
    ----------
    inputs
        What the network sees of each spot ``[n, q]``; alike spots are those of highest cosine.
    xy
        Places ``[n, 2]``, in spot distances.
    section
        Section of each row, codes ``[n]``.
    n_neighs
        Neighbours k in each graph; a section of fewer spots repeats the spot itself.
    types
        Composition of each spot ``[n, t]``, rows summing to 1, when known; a pair's likeness is the probability that
        a random part of the one is of the same type as a random part of the other.
    rng
        Generator of the search among more than 30,000 spots.

    Returns
    -------
    Inputs and neighbour lists.
    """
    spatial = _lists(knn(xy, n_neighs=n_neighs, library=section).connectivities, n_neighs)
    functional = _lists(feature_knn(inputs, n_neighs=n_neighs, library=section, rng=rng).connectivities, n_neighs)
    alike = np.zeros(functional.shape, dtype=np.float32)
    if types is not None:
        for j in range(n_neighs):
            alike[:, j] = (types * types[functional[:, j]]).sum(axis=1)
    offset = (xy[spatial] - xy[:, None, :]).astype(np.float32)
    return Side(
        torch.as_tensor(inputs, dtype=torch.float32),
        torch.as_tensor(spatial),
        torch.as_tensor(offset),
        torch.as_tensor(functional),
        torch.as_tensor(alike),
    )


def _lists(graph: sp.csr_matrix, k: int) -> np.ndarray:
    """Neighbours of each row ``[n, k]``, filled up with the row itself."""
    n = graph.shape[0]
    lists = np.repeat(np.arange(n)[:, None], k, axis=1)
    degree = np.diff(graph.indptr)
    at = np.arange(graph.nnz) - np.repeat(graph.indptr[:-1], degree)
    rows = np.repeat(np.arange(n), degree)
    lists[rows, at] = graph.indices
    return lists
