"""The verb `choose_genes`: genes for spot clustering, by their spatial pattern and module."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from .. import _keys as keys
from .._check import check_choice, check_range, fail
from .._table import get_table, write
from .._table import params as run_params

if TYPE_CHECKING:
    from anndata import AnnData


def choose_genes(
    adata: "AnnData",
    *,
    n_top: int = 3_000,
    by: Literal["svg", "module"] = "svg",
    key: str = keys.SPATIAL_GENES,
    module_key: str = keys.GENE_MODULE,
    key_added: str = keys.HIGHLY_VARIABLE,
    table_key: str = "table",
    copy: bool = False,
) -> list[str] | None:
    """Choose genes by how surely they vary in space, over all genes or within each module.

    Whether this improves on genes of high variance depends on the tissue: see the benchmark ``genes-domains``.

    Parameters
    ----------
    adata
        AnnData that `tl.spatial_genes` and, for ``by="module"``, `tl.gene_modules` have written to.
    n_top
        Number of genes; all that vary in space (q < 0.05) when there are fewer.
    by
        ``"svg"``: those of the largest statistic. ``"module"``: the same share of each module, those of its largest
        statistic, so that large programs do not crowd out small ones (SIGEL's rule); genes of no module are left out.
    key
        Prefix of the test's columns in ``var``.
    module_key
        Column of modules in ``var``.
    key_added
        Column of ``var`` to write.
    table_key
        Name of the table in a SpatialData object.
    copy
        Return the names and leave `adata` alone.

    Returns
    -------
    None, writes the mask ``adata.var[key_added]``; the names in order of `var_names` with ``copy=True``, for
    ``tl.domains(genes=...)``.

    Raises
    ------
    InputError
        When the columns are not there, or no gene varies in space.
    """
    adata = get_table(adata, table_key)
    check_range(n_top, "n_top", low=1, integer=True)
    check_choice(by, ["svg", "module"], "by")
    statistic = _column(adata, f"{key}_statistic", "Run spotweave.tl.spatial_genes(adata) first.")
    allowed = _column(adata, f"{key}_qvalue", "Run spotweave.tl.spatial_genes(adata) first.").to_numpy() < 0.05
    group = np.zeros(adata.n_vars, np.intp)
    if by == "module":
        module = _column(adata, module_key, "Run spotweave.tl.gene_modules(adata) first.")
        group = pd.Categorical(module).codes
        allowed &= group >= 0
    if not allowed.any():
        raise fail("at least one gene that varies in space (q < 0.05)", "none", "Take highly variable genes instead.")
    score = np.where(allowed, np.nan_to_num(statistic.to_numpy(float), nan=-np.inf), -np.inf)
    chosen = _largest(score, group, np.flatnonzero(allowed), n_top)
    if copy:
        return list(adata.var_names[chosen])
    mask = np.zeros(adata.n_vars, bool)
    mask[chosen] = True
    write(adata, {("var", key_added): mask, ("uns", "choose_genes"): run_params(n_top=n_top, by=by, key=key)})
    return None


def _column(adata: "AnnData", name: str, hint: str) -> pd.Series:
    if name not in adata.var:
        raise fail(f"a column {name!r} in adata.var", "none of this name", hint)
    return adata.var[name]


def _largest(score: np.ndarray, group: np.ndarray, allowed: np.ndarray, n_top: int) -> np.ndarray:
    """The same share of each group's allowed genes: those whose rank within the group, over its size, is lowest."""
    order = allowed[np.lexsort((-score[allowed], group[allowed]))]  # groups one after the other, best first
    size = np.bincount(group[order])
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    place = (np.arange(len(order)) - first[group[order]] + 0.5) / size[group[order]]
    return np.sort(order[np.argsort(place, kind="stable")[:n_top]])
