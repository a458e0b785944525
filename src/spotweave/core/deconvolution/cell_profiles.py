"""Reference cells as what a map needs of them: groups, telling genes, profiles without most of their noise."""

from typing import NamedTuple

import numpy as np
import scipy.sparse as sp

from ..imputation.features import features
from ..imputation.linear import components
from ..imputation.neighbors import nearest, sparse_rows
from ..imputation.pair import sizes, totals
from .reference import summarise
from .signatures import signatures

RANK = 20
"""Principal components by which cells are alike."""
POOLED = 30
"""Cells whose counts are pooled to one profile, the cell itself among them; at most a third of its group."""
OWN = 0.5
"""How much of what sets the pooled cells apart from their group a profile keeps."""
MOST_GROUPS = 20
CLUSTERED_GENES = 2_000


class CellProfiles(NamedTuple):
    """What is known of reference cells, for the chosen genes p."""

    genes: np.ndarray
    """Columns of the counts ``[p]``, in increasing order."""
    profiles: np.ndarray
    """Shares of the genes in each cell's counts ``[m, p]`` float32, not negative."""
    group: np.ndarray
    """Group of each cell ``[m]``, 0 to t - 1; each occurs."""
    means: np.ndarray
    """Shares of the genes in each group's counts ``[t, p]``."""


def cell_profiles(
    R: sp.csr_matrix, group: np.ndarray | None, *, n_genes: int, rng: np.random.Generator
) -> CellProfiles:
    r"""Group cells, choose genes, smooth profiles.

    A gene tells the more about what spots are made of the more of the counts it takes away from equal shares:

    .. math:: \sum_t s_{tg} \log \frac{s_{tg}}{\bar s_g}

    with mean shares s of cells in groups, and their mean. The counts of one cell are mostly zeros, which no mixture
    should have to make up for: a profile is the signature of the group (`signatures`, drawn towards similar groups
    where cells are few), plus half of what the mean share over the 30 cells of the group with the most similar
    components (a third of them in a smaller group) has beyond the group's, not below 0. On spots of seqFISH+ with
    known cells, the error of proportions is .085 with it; .091 with means of groups for signatures.

    Parameters
    ----------
    R
        Counts ``[m, g]``, each row with some.
    group
        Type of each cell ``[m]``, 0 to t - 1; None: found by k-means.
    n_genes
        Genes p to keep, at most.
    rng
        Seeds k-means.
    """
    shares = sp.csr_matrix(sp.diags_array(1 / np.maximum(sizes(R), 1)) @ R)
    if group is None:
        group = _clusters(R, rng)
    n_groups = int(group.max()) + 1
    member = sp.csr_matrix((np.ones(len(group)), (group, np.arange(len(group)))), shape=(n_groups, len(group)))
    means = (member @ shares).toarray() / np.maximum(sizes(member), 1)[:, None]
    genes = telling(means, n_genes)
    own = shares[:, genes]
    near = _alike(_scores(own, sizes(R)), group)
    drawn = _signatures(R, group, n_groups)[:, genes]
    profiles = np.maximum(drawn[group] + OWN * ((near @ own).toarray() - means[group][:, genes]), 0)
    means = drawn
    return CellProfiles(genes, np.ascontiguousarray(profiles, np.float32), group, means)


def telling(means: np.ndarray, most: int) -> np.ndarray:
    """Columns of the genes that tell most about groups, see `cell_profiles`, given their shares ``[t, g]``."""
    average = means.mean(axis=0)
    ratio = np.divide(means, average, out=np.ones_like(means), where=means > 0)
    score = (means * np.log(ratio)).sum(axis=0)
    if len(means) == 1:
        score = average
    seen = np.flatnonzero(average > 0)
    return np.sort(seen[np.argsort(-score[seen], kind="stable")[:most]])


def _signatures(R: sp.csr_matrix, group: np.ndarray, n_groups: int) -> np.ndarray:
    """Shares of genes in groups ``[t, g]``, see `signatures`; 0 for a gene without counts."""
    seen = np.flatnonzero(totals(R))
    found = np.zeros((n_groups, R.shape[1]))
    found[:, seen] = signatures(summarise(R[:, seen], group, n_groups))
    return found


def _alike(Z: np.ndarray, group: np.ndarray) -> sp.csr_matrix:
    """Weights ``[m, m]`` of the `POOLED` cells nearest to each in its group; rows sum to 1."""
    order = np.argsort(group, kind="stable")
    blocks = []
    for cells in np.split(order, np.cumsum(np.bincount(group))[:-1]):
        near = nearest(Z[cells], Z[cells], min(POOLED, -(-len(cells) // 3))).cells
        blocks.append(sparse_rows(near, np.full(near.shape, 1 / near.shape[1]), len(cells)))
    back = np.argsort(order)
    return sp.block_diag(blocks, format="csr")[back][:, back]


def _scores(shares: sp.csr_matrix, size: np.ndarray) -> np.ndarray:
    """Principal components of standardised logarithms ``[m, k]``."""
    counts = sp.csr_matrix(sp.diags_array(size) @ shares)
    return components(features(counts, size, "log"), RANK).scores


def _clusters(R: sp.csr_matrix, rng: np.random.Generator) -> np.ndarray:
    """Groups of a reference without types: k-means on components of the genes with most counts."""
    from sklearn.cluster import KMeans

    seed, m = int(rng.integers(2**31)), R.shape[0]
    total = np.asarray(R.sum(axis=0)).ravel()
    genes = np.sort(np.argsort(-total, kind="stable")[:CLUSTERED_GENES])
    k = max(1, min(MOST_GROUPS, m // POOLED))
    Z = components(features(R[:, genes], sizes(R), "log"), RANK).scores
    found = KMeans(k, n_init=3, random_state=seed).fit_predict(Z)
    return np.unique(found, return_inverse=True)[1]
