"""Whether two embeddings of the same genes, each from a section of its own, say the same. Arrays in, numbers out."""

from typing import NamedTuple

import numpy as np
from scipy.linalg import orthogonal_procrustes
from scipy.stats import rankdata
from sklearn.cluster import KMeans

N_NEAREST = 20
N_STRATA = 20
N_MODULES = 30
N_STARTS = 3
BLOCK = 512


class Agreement(NamedTuple):
    """Of the genes of one half, after the other half said how the spaces lie to each other; and without."""

    mrr: float
    """Mean over genes of 1 / rank of the gene itself among all, by cosine; 1 is perfect."""
    top10: float
    """Share of the genes that are among the first ten."""
    rank: float
    """Median of the rank as a part of the others: 0 is first, .5 what chance gives."""
    mrr_like: float
    """`mrr` among genes of like mean expression."""
    rank_like: float
    """`rank` among genes of like mean expression."""
    overlap: float
    """Share of a gene's 20 nearest that are the same in both, no rotation needed; 20 / (g - 1) by chance."""
    ari_sections: float
    """Adjusted Rand index of 30 k-means clusters of the one and the other, mean of three starts."""


def agreement(A: np.ndarray, B: np.ndarray, mean: np.ndarray, rng: np.random.Generator) -> Agreement:
    """Compare embeddings ``[g, d]`` of the same genes, in the same order, whose mean expression is `mean` ``[g]``."""
    A, B = _same_width(unit_rows(A), unit_rows(B))
    order = rng.permutation(len(A))
    fitted, held = order[: len(A) // 2], order[len(A) // 2 :]
    R, _ = orthogonal_procrustes(A[fitted], B[fitted])
    strata = np.floor((rankdata(mean, method="ordinal") - 1) * N_STRATA / len(mean)).astype(int)
    place, like, n_like = own_ranks(A[held] @ R, B[held], strata[held])
    return Agreement(
        mrr=float(np.mean(1 / (1 + place))),
        top10=float(np.mean(place < 10)),
        rank=float(np.median(place / max(len(held) - 1, 1))),
        mrr_like=float(np.mean(1 / (1 + like))),
        rank_like=float(np.median((like / np.maximum(n_like, 1))[n_like > 0])) if (n_like > 0).any() else float("nan"),
        overlap=nearest_overlap(A, B, min(N_NEAREST, len(A) - 1)),
        ari_sections=module_agreement(A, B),
    )


def own_ranks(A: np.ndarray, B: np.ndarray, strata: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """How many rows of B are closer to a row of A than its own row, ties half: of all, of its stratum, and of how many."""
    place, like, n_like = (np.empty(len(A)) for _ in range(3))
    for start in range(0, len(A), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(A)))
        S = A[rows] @ B.T
        own = S[np.arange(len(rows)), rows][:, None]
        closer = (own < S) + 0.5 * (own == S)
        closer[np.arange(len(rows)), rows] = 0.0
        same = strata[rows][:, None] == strata
        place[rows], like[rows], n_like[rows] = closer.sum(1), (closer * same).sum(1), same.sum(1) - 1
    return place, like, n_like


def nearest_overlap(A: np.ndarray, B: np.ndarray, k: int) -> float:
    """Share of the k nearest rows (inner product, not the row itself) that A and B have in common, mean over rows."""
    common = 0
    for start in range(0, len(A), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(A)))
        one, other = (_nearest(M, rows, k) for M in (A, B))
        common += sum(len(np.intersect1d(*pair, assume_unique=True)) for pair in zip(one, other, strict=True))
    return common / (len(A) * k)


def _nearest(M: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    S = M[rows] @ M.T
    S[np.arange(len(rows)), rows] = -np.inf
    return np.argpartition(-S, k - 1, axis=1)[:, :k]


def module_agreement(A: np.ndarray, B: np.ndarray) -> float:
    """Adjusted Rand index between clusters of A and of B."""
    from .. import metrics

    k = min(N_MODULES, len(A))
    scores = [metrics.ari(*(kmeans(M, k, seed=start, n_init=1) for M in (A, B))) for start in range(N_STARTS)]
    return float(np.mean(scores))


def kmeans(M: np.ndarray, k: int, *, seed: int, n_init: int) -> np.ndarray:
    """Clusters ``[g]`` of the rows."""
    return KMeans(k, n_init=n_init, random_state=seed).fit_predict(M)


def unit_rows(M: np.ndarray) -> np.ndarray:
    """Rows of length one; a row of zeros stays."""
    length = np.linalg.norm(M, axis=1, keepdims=True)
    return np.divide(M, length, out=np.zeros(M.shape, dtype=np.float64), where=length > 0)


def _same_width(A: np.ndarray, B: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Zeros where one has fewer dimensions (a small section has fewer components)."""
    width = max(A.shape[1], B.shape[1])
    one, other = (np.pad(M, ((0, 0), (0, width - M.shape[1]))) for M in (A, B))
    return one, other
