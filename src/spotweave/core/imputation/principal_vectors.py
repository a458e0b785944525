"""The route through neighbours (SpaGE): cells of the reference that are alike along the directions both data have."""

import numpy as np

from ..._check import check_range
from .features import logarithms
from .linear import panel_features
from .neighbors import Near, log_ratio, nearest, principal_axes, sparse_rows
from .pair import Pair, Predict, sizes, totals

LEAST_COSINE = 0.3
"""Pairs of principal vectors at a wider angle are not shared."""


def principal_vectors(pair: Pair, rng: np.random.Generator, *, rank: int = 50, n_neighs: int = 50) -> Predict:
    r"""Predict wanted genes by the mean of neighbours in the reference, SpaGE's way.

    Principal components of the panel span one subspace in the target and one in the reference. The directions of the
    reference's subspace that lie at a small angle to the target's hold what both data vary in; cells are compared
    along these alone. Of its k neighbours at positive similarity, with cosine distances d, a cell gets the mean of
    log-normalised expression with weights

    .. math:: w_j = \frac{1 - d_j / \sum_l d_l}{k - 1}

    (Abdelaal et al. 2020, Nucleic Acids Res. 48:e107). Means of logarithms are turned back into shares.

    Parameters
    ----------
    pair
        Counts.
    rng
        Not used.
    rank
        Principal components of each data set, at most.
    n_neighs
        Neighbours of each cell, at most.

    Returns
    -------
    Log ratios of the predicted share to the gene's share in the reference; 0 for cells without a neighbour at
    positive similarity, and for genes that the reference never counted.

    Raises
    ------
    InputError
        When `rank` or `n_neighs` is below 1.
    """
    near = nearest_cells(pair, rank=rank, n_neighs=n_neighs)
    weights = sparse_rows(near.cells, distance_weights(near.similarity), pair.R.shape[0])
    size, alone = sizes(pair.R), sizes(weights) <= 0

    def predict(genes: object) -> np.ndarray:
        Y = pair.Y[:, genes]
        share = totals(Y) / size.sum()
        means = np.expm1(weights @ logarithms(Y.toarray(), size).astype(np.float32)) / np.median(size)
        means[alone] = share
        return log_ratio(means, share)

    return predict


def nearest_cells(pair: Pair, *, rank: int, n_neighs: int) -> Near:
    """Cells of the reference nearest to those of the target along shared principal vectors, see `principal_vectors`."""
    check_range(rank, "rank", low=1, integer=True)
    check_range(n_neighs, "n_neighs", low=1, integer=True)
    A, B = panel_features(pair, "log")
    shared = shared_directions(principal_axes(A, rank), principal_axes(B, rank))
    return nearest(A @ shared, B @ shared, n_neighs)


def shared_directions(target: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Principal vectors of the reference's side ``[p, q]`` float32, of cosine above `LEAST_COSINE` (one at least).

    Singular values of the product of two orthonormal bases are the cosines of the angles between their subspaces
    (Björck and Golub 1973, Math. Comput. 27:579).
    """
    _, cosines, turn = np.linalg.svd(target.T @ reference, full_matrices=False)
    kept = max(1, int((cosines > LEAST_COSINE).sum()))
    return (reference @ turn[:kept].T).astype(np.float32)


def distance_weights(similarity: np.ndarray) -> np.ndarray:
    """Weights of neighbours ``[n, k]`` of sum 1, see `principal_vectors`; 0 in rows without a positive similarity."""
    near = similarity > 0
    distance = np.where(near, np.maximum(1 - similarity.astype(np.float64), 0), 0)
    weights = near * (1 - distance / np.maximum(distance.sum(axis=1, keepdims=True), 1e-12))
    only = near.sum(axis=1) == 1
    weights[only] = near[only]  # the formula is 0 / 0 for one neighbour
    return weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
