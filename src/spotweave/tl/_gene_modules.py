"""The verb `gene_modules`: groups of genes of like pattern, with probabilities."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._check import check_range, fail, listing
from .._table import get_table, labels, write
from .._table import params as run_params
from ..core.module_number import MOST_MODULES, fit_modules

if TYPE_CHECKING:
    from anndata import AnnData

FEWEST_GENES = 4


class GeneModules(NamedTuple):
    """What `gene_modules` returns with ``copy=True``."""

    module: pd.Series
    """Categorical strings ``"0"`` (the largest) and on, by gene; NaN for genes that were left out."""
    probability: pd.DataFrame
    """Genes x modules, rows that sum to 1; zeros for genes that were left out."""
    curve: pd.DataFrame
    """``n_modules`` and ``score`` (BIC, less is better) of each number tried."""


def gene_modules(
    adata: "AnnData",
    n_modules: int | None = None,
    *,
    genes: Sequence[str] | np.ndarray | None = None,
    use_rep: str = keys.GENE_EMBEDDING,
    max_modules: int = MOST_MODULES,
    n_components: int = 16,
    key_added: str = keys.GENE_MODULE,
    table_key: str = "table",
    rng: int | np.random.Generator = 0,
    copy: bool = False,
) -> GeneModules | None:
    r"""Group genes into modules by their embedding.

    A mixture of Student t distributions of one common variance, :math:`\sum_k \pi_k\, t_\nu(\mu_k, \sigma^2 I)`, fitted
    by MAP-EM (`spotweave.core.student_mixture`): k-means with soft assignments whose heavy tails keep genes that fit
    nowhere, of which there are many, from pulling the centres.

    Parameters
    ----------
    adata
        AnnData that `tl.gene_embedding` has written to.
    n_modules
        How many; None: the number of least BIC, between 1 and `max_modules`.
    genes
        Names, or a mask of all genes, of those to group; None: those with a pattern (``var["gene_patterned"]``) where
        that is known, else all with an embedding.
    use_rep
        Embedding in ``varm``; rows of zeros are left out.
    max_modules
        Largest number that is tried.
    n_components
        Leading directions of the embedding that are used; what is left is mostly noise.
    key_added
        Name of the results.
    table_key
        Name of the table in a SpatialData object.
    rng
        Seed or generator of the mixture's starts.
    copy
        Return the results and leave `adata` alone.

    Returns
    -------
    None, or `GeneModules` with ``copy=True``. Writes

    * ``adata.var[key_added]``: module of each gene, categorical strings in order of size, NaN for genes left out,
    * ``adata.varm[key_added + "_probability"]``: posterior of each module, a DataFrame,
    * ``adata.uns[key_added]``: parameters, number of modules, the curve of BIC, degrees of freedom, convergence.

    Raises
    ------
    InputError
        When there is no embedding, genes are unknown, or fewer genes than modules are left; `adata` is then as it was.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_patterns(400, n_genes=60, n_modules=3)
    >>> sw.tl.gene_embedding(adata, method="smooth")
    >>> sw.tl.gene_modules(adata, 3)
    >>> len(adata.var["gene_module"].cat.categories)
    3
    """
    adata = get_table(adata, table_key)
    H = _embedding(adata, use_rep)
    chosen = _chosen(adata, genes, H)
    if len(chosen) < FEWEST_GENES:
        raise fail(f"at least {FEWEST_GENES} genes to group", f"{len(chosen)}", "Pass genes=... or lower min_counts.")
    if n_modules is not None:
        check_range(n_modules, "n_modules", low=1, high=len(chosen), integer=True, why="the number of genes")
    check_range(max_modules, "max_modules", low=1, integer=True)
    check_range(n_components, "n_components", low=1, integer=True)
    with threadpool_limits(1):
        found = fit_modules(
            H[chosen], n_modules, most=max_modules, n_components=n_components, rng=np.random.default_rng(rng)
        )
    k = found.probability.shape[1]
    order = np.argsort(-np.bincount(found.probability.argmax(axis=1), minlength=k), kind="stable")
    posterior = found.probability[:, order]
    names = [str(i) for i in range(k)]
    codes = np.full(adata.n_vars, -1)
    codes[chosen] = posterior.argmax(axis=1)
    probability = pd.DataFrame(np.zeros((adata.n_vars, k), np.float32), index=adata.var_names, columns=names)
    probability.iloc[chosen] = posterior.astype(np.float32)
    module = pd.Series(labels(codes, k), index=adata.var_names, name=key_added)
    if copy:
        return GeneModules(module, probability, pd.DataFrame(found.curve))
    used: dict[str, Any] = {
        "n_modules": n_modules,
        "use_rep": use_rep,
        "max_modules": max_modules,
        "n_components": n_components,
    }
    if not isinstance(rng, np.random.Generator):
        used["rng"] = rng
    said = {
        "params": run_params(**used),
        "n_modules": k,
        "n_genes": len(chosen),
        "curve": found.curve,
        "dof": found.dof,
        "converged": found.converged,
    }
    results = {
        ("var", key_added): module.array,
        ("varm", keys.probability(key_added)): probability,
        ("uns", key_added): said,
    }
    write(adata, results)
    return None


def _embedding(adata: "AnnData", use_rep: str) -> np.ndarray:
    if use_rep not in adata.varm:
        raise fail(
            f"an embedding in adata.varm[{use_rep!r}]",
            f"varm keys {listing(adata.varm)}",
            "Run spotweave.tl.gene_embedding(adata) first.",
        )
    H = np.asarray(adata.varm[use_rep], np.float64)
    if H.ndim != 2 or not np.isfinite(H).all():
        raise fail(f"finite numbers of shape [g, d] in adata.varm[{use_rep!r}]", f"shape {list(H.shape)}, or NaN")
    return H


def _chosen(adata: "AnnData", genes: Sequence[str] | np.ndarray | None, H: np.ndarray) -> np.ndarray:
    """Row numbers of the genes to group."""
    embedded = H.any(axis=1)
    if genes is None:
        if keys.GENE_PATTERNED in adata.var:
            embedded &= adata.var[keys.GENE_PATTERNED].to_numpy(bool)
        return np.flatnonzero(embedded)
    if isinstance(genes, np.ndarray) and genes.dtype == bool:
        if genes.shape != (adata.n_vars,):
            raise fail(f"a mask of the {adata.n_vars} genes", f"shape {list(genes.shape)}")
        return np.flatnonzero(embedded & genes)
    unknown = sorted(set(genes) - set(adata.var_names))
    if unknown:
        raise fail("genes out of adata.var_names", listing(unknown))
    return np.flatnonzero(embedded & adata.var_names.isin(list(genes)))
