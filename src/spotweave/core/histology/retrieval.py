"""The training spots whose expression looks most like what the image asks for."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

BLOCK = 4_000_000  # similarities held at once


class Retrieved(NamedTuple):
    """For each query, its nearest rows of the bank."""

    rows: np.ndarray
    """Rows of the bank [n, k], nearest first."""
    weights: np.ndarray
    """Their shares [n, k]; each row sums to 1."""
    similarity: np.ndarray
    """Cosine similarities [n, k]."""


def retrieve(
    queries: np.ndarray, bank: np.ndarray, *, k: int, weighting: str = "softmax", temperature: float = 0.1
) -> Retrieved:
    r"""Find the `k` most similar rows of a bank, exactly, a block of queries at a time.

    Parameters
    ----------
    queries, bank
        Unit-length vectors ``[n, w]`` and ``[m, w]``.
    k
        How many, at most all of the bank.
    weighting
        ``"softmax"``: :math:`\propto e^{c / \tau}` with c the cosine; ``"distance"``: :math:`\propto 1 / d^2` with
        :math:`d^2 = 2 - 2c`; ``"mean"``: equal.
    temperature
        :math:`\tau`.

    Returns
    -------
    Rows, weights and similarities. Time is n x m x w; memory a block.
    """
    k = min(k, len(bank))
    rows = np.empty((len(queries), k), dtype=np.int64)
    similarity = np.empty((len(queries), k))
    step = max(1, BLOCK // max(len(bank), 1))
    for start in range(0, len(queries), step):
        cosine = queries[start : start + step] @ bank.T
        part = np.argpartition(-cosine, k - 1, axis=1)[:, :k]
        value = np.take_along_axis(cosine, part, axis=1)
        order = np.lexsort((part, -value), axis=1)  # equal ones by row
        rows[start : start + step] = np.take_along_axis(part, order, axis=1)
        similarity[start : start + step] = np.take_along_axis(value, order, axis=1)
    return Retrieved(rows, _shares(similarity, weighting, temperature), similarity)


def _shares(similarity: np.ndarray, weighting: str, temperature: float) -> np.ndarray:
    if weighting == "softmax":
        raw = np.exp((similarity - similarity[:, :1]) / temperature)
    elif weighting == "distance":
        raw = 1 / np.maximum(2 - 2 * similarity, 1e-6)
    else:
        raw = np.ones_like(similarity)
    return raw / raw.sum(axis=1, keepdims=True)


def shares(retrieved: Retrieved, m: int) -> sp.csr_matrix:
    """Weights as a sparse matrix ``[n, m]``: its product with values of the bank averages them."""
    n, k = retrieved.rows.shape
    ends = np.arange(0, n * k + 1, k)
    return sp.csr_matrix((retrieved.weights.ravel(), retrieved.rows.ravel(), ends), shape=(n, m))
