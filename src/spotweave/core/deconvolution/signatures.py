"""Signatures of cell types: shares of genes, each type drawn towards the types it resembles."""

import numpy as np
from scipy.cluster.hierarchy import ClusterNode, linkage, to_tree
from scipy.spatial.distance import squareform

from .adaptive import shrink
from .reference import Reference


def signatures(reference: Reference) -> np.ndarray:
    r"""Estimate the share of each gene in each type.

    A type of few cells has noisy shares: fitted to spots, its noise counts against it and a well-measured neighbour
    takes its place. So types are joined to a tree (average linkage on correlations of log shares), and down the tree
    each node departs from its parent only where its counts say so:

    .. math:: \log s_{node} = \log s_{parent} + E[\theta | z], \quad z = \log \frac{c + 1/2}{e + 1/2}, \quad
       \mathrm{var}(z) = \frac{2}{c + e + 1} + \frac{\phi}{n}

    with counts c of the node, e those that the parent expects, dispersion :math:`\phi` of the gene, effective number
    of cells n, and the posterior mean of `adaptive.shrink`. Most genes of a leaf end with the share of its branch.

    Parameters
    ----------
    reference
        Of t types.

    Returns
    -------
    ``[t, g]``, above 0; rows sum to nearly 1.
    """
    raw, total = reference.shares, reference.counts.sum(axis=1)
    if len(raw) == 1:
        return raw
    precision = 1 / reference.evenness
    S = np.empty_like(raw)

    def descend(node: ClusterNode, parent: np.ndarray) -> None:
        leaves = node.pre_order(lambda leaf: leaf.id)
        weight = precision[leaves] / precision[leaves].sum()
        depth = 1 / (weight**2 / total[leaves]).sum()
        share = weight @ raw[leaves]
        z = np.log((share * depth + 0.5) / (parent * depth + 0.5))
        variance = 2 / ((share + parent) * depth + 1) + reference.dispersion / precision[leaves].sum()
        own = parent * np.exp(shrink(z, variance))
        if node.is_leaf():
            S[node.id] = own
            return
        descend(node.get_left(), own)
        descend(node.get_right(), own)

    root = _tree(reference)
    pooled = precision @ raw / precision.sum()
    descend(root.get_left(), pooled)
    descend(root.get_right(), pooled)
    return S


def _tree(reference: Reference) -> ClusterNode:
    """Join the types whose log shares, shrunk towards the mean of all types and weighted by level, correlate most."""
    raw, total = reference.shares, reference.counts.sum(axis=1, keepdims=True)
    mean = raw.mean(axis=0)
    z = np.log((reference.counts + 0.5) / (mean * total + 0.5))
    variance = 2 / (reference.counts + mean * total + 1) + np.outer(reference.evenness, reference.dispersion)
    flat = mean * np.exp(shrink(z, variance))
    logs = np.log(flat)
    Z = (logs - logs.mean(axis=0)) * np.sqrt(flat.mean(axis=0))
    norm = np.maximum(np.linalg.norm(Z, axis=1, keepdims=True), 1e-12)
    D = np.maximum(1 - (Z / norm) @ (Z / norm).T, 0.0)
    np.fill_diagonal(D, 0.0)
    return to_tree(linkage(squareform((D + D.T) / 2, checks=False), "average"))


def informative(S: np.ndarray, dispersion: np.ndarray, depth: float, most: int) -> np.ndarray:
    r"""Choose the genes that tell most about the composition of a spot.

    .. math:: I_g = \sum_t \frac{(s_{tg} - \bar s_g)^2}{\bar s_g / N + \phi_g \bar s_g^2}

    Parameters
    ----------
    S
        Signatures ``[t, g]``.
    dispersion
        :math:`\phi` ``[g]``.
    depth
        Counts N of a spot.
    most
        How many genes.

    Returns
    -------
    Indices in increasing order.
    """
    mean = S.mean(axis=0)
    noise = mean / depth + dispersion * mean**2
    score = np.divide(((S - mean) ** 2).sum(axis=0), noise, out=np.zeros(S.shape[1]), where=noise > 0)
    return np.sort(np.argsort(-score, kind="stable")[:most])
