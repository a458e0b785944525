"""Gene modules as they are stored, their mean expression in each cell, and the genes that follow it most closely."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .. import _keys as keys
from .._check import check_counts, fail, listing
from .._table import get_matrix, row_chunks
from ._values import label_codes

if TYPE_CHECKING:
    from anndata import AnnData


class Modules(NamedTuple):
    """Modules that have genes."""

    names: list[str]
    codes: np.ndarray
    """Module of each gene ``[g]``, negative where it has none."""
    probability: np.ndarray
    """Of each gene in each module ``[g, K]``, 0 where the gene has none."""


class ModuleMeans(NamedTuple):
    """Modules in space."""

    values: np.ndarray
    """Mean standardised expression ``[n, K]``, NaN in cells without counts."""
    agreement: np.ndarray
    """Correlation of each gene with the rest of its module ``[g]``, NaN where it has none or is constant."""


def modules_of(adata: "AnnData", key: str = keys.GENE_MODULE) -> Modules:
    """Return the modules in ``var[key]``, with ``varm[f"{key}_probability"]`` or, without it, certain ones."""
    if key not in adata.var:
        raise fail(
            f"gene modules in adata.var[{key!r}]",
            f"var columns {listing(adata.var.columns)}",
            "Run spotweave.tl.gene_modules(adata) first.",
        )
    codes, names = label_codes(adata.var[key])
    found = np.flatnonzero(np.bincount(codes[codes >= 0], minlength=len(names)))
    if not found.size:
        raise fail(f"genes with a module in adata.var[{key!r}]", "none")
    stored = adata.varm.get(keys.probability(key))
    P = np.eye(len(names))[codes] if stored is None else _probability(stored, names, key)
    P = np.where((codes >= 0)[:, None], np.nan_to_num(P), 0.0)
    order = sorted(found, key=lambda k: (len(names[k]), names[k]) if names[k].isdigit() else (99, names[k]))
    number = np.full(len(names) + 1, -1)
    number[order] = np.arange(len(order))  # the last stays -1: genes without a module
    return Modules([names[k] for k in order], number[codes], P[:, order])


def module_means(adata: "AnnData", modules: Modules, *, layer: str | None = None) -> ModuleMeans:
    r"""Return the mean of each module in each cell, from sparse products of chunks of rows.

    .. math:: M_{ik} = \frac{\sum_j p_{jk} z_{ij}}{\sum_j p_{jk}}, \qquad z_{ij} = \frac{y_{ij} - \bar y_j}{s_j}

    Where: :math:`y = \log(1 + x m / s)` of the counts, s counts of the cell over all genes, m their median;
    :math:`\bar y_j` and :math:`s_j` mean and standard deviation of gene j over the cells with counts; p probability of
    the gene in the module. Agreement is the correlation of :math:`z_j` with its module's mean without gene j. Genes
    that do not vary take no part.
    """
    depth = _depth(adata, layer)
    seen = depth > 0
    n = int(seen.sum())
    first, second = np.zeros((2, adata.n_vars))
    for _, Y in log_blocks(adata, depth, layer=layer):
        first += np.asarray(Y.sum(axis=0)).ravel()
        second += np.asarray(Y.multiply(Y).sum(axis=0)).ravel()
    mean = first / max(n, 1)
    sd = np.sqrt((second / max(n, 1) - mean**2).clip(min=0))
    varies = sd > 1e-9 * np.maximum(mean, 1e-300)
    scale = np.divide(1, sd, out=np.zeros_like(sd), where=varies)
    P = modules.probability * varies[:, None]
    weight = P.sum(axis=0)
    B = P * scale[:, None] / np.where(weight > 0, weight, 1)
    centre = mean @ B
    values, products = np.full((adata.n_obs, weight.size), np.nan), np.zeros((adata.n_vars, weight.size))
    for rows, Y in log_blocks(adata, depth, layer=layer):
        M = Y @ B - centre
        products += Y.T @ M  # the module's means sum to 0, so that the gene's own mean adds nothing
        values[rows] = np.where(seen[rows, None], M, np.nan)
    return ModuleMeans(values, _agreement(products * scale[:, None] / max(n, 1), values[seen], P, modules.codes))


def top_genes(modules: Modules, means: ModuleMeans, k: int) -> np.ndarray:
    """Return the columns of module `k`'s genes, those that follow the rest of the module most closely first."""
    members = np.flatnonzero(modules.codes == k)
    order = np.argsort(-np.nan_to_num(means.agreement[members], nan=-2.0), kind="stable")
    return members[order]


def log_expression(adata: "AnnData", columns: np.ndarray, *, layer: str | None = None) -> np.ndarray:
    """Return ``log(1 + x m / s)`` of some genes ``[n, len(columns)]``, NaN in cells without counts."""
    depth = _depth(adata, layer)
    Y = np.concatenate([block[:, columns].toarray() for _, block in log_blocks(adata, depth, layer=layer)])
    return np.where((depth > 0)[:, None], Y, np.nan)


def log_blocks(
    adata: "AnnData", depth: np.ndarray, *, layer: str | None = None
) -> Iterator[tuple[slice, sp.csr_matrix]]:
    """Yield rows and their ``log(1 + x m / s)`` as CSR; `depth` are the cells' counts s ``[n]``."""
    seen = depth > 0
    middle = np.median(depth[seen]) if seen.any() else 1.0
    factor = np.divide(middle, depth, out=np.zeros(depth.size), where=seen)
    for rows, block in row_chunks(get_matrix(adata, layer)[0]):
        Y = sp.csr_matrix(sp.diags_array(factor[rows]) @ sp.csr_matrix(block, dtype=np.float64))
        np.log1p(Y.data, out=Y.data)
        yield rows, Y


def _depth(adata: "AnnData", layer: str | None) -> np.ndarray:
    X, where = get_matrix(adata, layer)
    depth = []
    for _, block in row_chunks(X):
        check_counts(block, where)
        depth.append(np.asarray(block.sum(axis=1), dtype=float).ravel())
    return np.concatenate(depth)


def _probability(stored: Any, names: list[str], key: str) -> np.ndarray:
    """Columns of the stored probabilities in the order of `names`, also when a subset of the genes lost modules."""
    table = stored if isinstance(stored, pd.DataFrame) else pd.DataFrame(np.asarray(stored, dtype=float))
    table = table.set_axis(table.columns.astype(str), axis=1)
    if not set(names) <= set(table.columns):
        if table.shape[1] != len(names):
            raise fail(
                f"a column for each of the modules {listing(names)} in adata.varm[{keys.probability(key)!r}]",
                f"columns {listing(table.columns)}",
            )
        table = table.set_axis(names, axis=1)
    return table[names].to_numpy(dtype=float)


def _agreement(covariance: np.ndarray, values: np.ndarray, P: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Correlation of each gene with the rest of its module.

    With the weights' sum w and own weight p: the rest is (w M - p z) / (w - p), whose covariance with z is
    (w c - p) / (w - p) and whose variance is (w^2 v - 2 w p c + p^2) / (w - p)^2, where c is the covariance of z with
    M and v the variance of M.
    """
    genes = np.flatnonzero(codes >= 0)
    k = codes[genes]
    w, v = P.sum(axis=0)[k], values.var(axis=0)[k] if len(values) else np.zeros(k.size)
    p, c = P[genes, k], covariance[genes, k]
    variance = w**2 * v - 2 * w * p * c + p**2
    kept = (p > 0) & (w - p > 1e-9 * w) & (variance > 1e-12 * w**2)
    found = np.full(codes.size, np.nan)
    found[genes[kept]] = ((w * c - p)[kept] / np.sqrt(variance[kept])).clip(-1, 1)
    return found
