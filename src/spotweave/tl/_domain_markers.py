"""Genes that mark a domain."""

from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from .. import _keys as keys
from .._check import fail
from .._table import get_obs, get_table
from ..pp import normalize

if TYPE_CHECKING:
    from anndata import AnnData


def domain_markers(
    adata: "AnnData",
    groupby: str = keys.DOMAIN,
    *,
    layer: str | None = None,
    method: Literal["wilcoxon", "t-test", "t-test_overestim_var"] = "wilcoxon",
    n_genes: int | None = None,
    table_key: str = "table",
) -> pd.DataFrame:
    """Test each gene in each domain against the rest, with scanpy's tests on normalised expression.

    Domains were found from the same expression, so p values are too small: use them to rank, and test in another
    sample.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table; it is left alone.
    groupby
        Column of ``adata.obs`` with the domains; cells without a label and domains of one cell are left out.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    method
        Test, see ``scanpy.tl.rank_genes_groups``.
    n_genes
        Keep this many genes a domain, all when None.
    table_key
        Name of the table in a SpatialData object.

    Returns
    -------
    One row for each gene and domain, best first within a domain: ``domain``, ``gene``, ``effect`` (log2 fold change),
    ``score``, ``p``, ``q`` (Benjamini-Hochberg within the domain), ``share_in`` and ``share_out`` (cells that have a
    count, in and out of the domain).
    """
    import scanpy as sc
    from anndata import AnnData

    adata = get_table(adata, table_key)
    column = get_obs(adata, groupby, name="groupby").astype("category").cat.remove_unused_categories()
    sizes = column.value_counts()
    used = column.isin(sizes.index[sizes > 1])
    kept = column[used].cat.remove_unused_categories()
    if kept.cat.categories.size < 2:
        raise fail(f"at least two domains of two cells in adata.obs[{groupby!r}]", f"{kept.cat.categories.size}")
    L = normalize(adata, layer=layer, copy=True)
    assert L is not None
    # Rows by position and names of their own: those of several slides put together may repeat.
    rows = [str(i) for i in range(len(kept))]
    obs = pd.DataFrame({"domain": kept.cat.rename_categories(str).array}, index=rows)
    table = AnnData(L[used.to_numpy()], obs=obs)
    table.var_names = adata.var_names
    sc.tl.rank_genes_groups(table, "domain", method=method, n_genes=n_genes, pts=True, use_raw=False)
    found = sc.get.rank_genes_groups_df(table, group=None)
    names = {
        "group": "domain", "names": "gene", "logfoldchanges": "effect", "scores": "score", "pvals": "p",
        "pvals_adj": "q", "pct_nz_group": "share_in", "pct_nz_reference": "share_out",
    }  # fmt: skip
    found = found.rename(columns=names)
    found["effect"] = found["effect"].astype(np.float64)
    return found[list(names.values())]
