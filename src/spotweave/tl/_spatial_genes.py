"""The verb `spatial_genes`: which genes vary in space."""

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._check import fail
from .._table import get_codes, get_coords, get_counts, get_table, load, logger, write
from .._table import params as run_params
from ..core.covariance_test import FEWEST_POINTS, CovarianceResult, covariance_test
from ._gene_autocorrelation import gene_autocorrelation
from ._tissue import read_graph

if TYPE_CHECKING:
    from anndata import AnnData


def spatial_genes(
    adata: Any,
    *,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    graph_key: str | None = None,
    autocorrelation: bool = True,
    key_added: str = keys.SPATIAL_GENES,
    table_key: str = "table",
    copy: bool = False,
) -> pd.DataFrame | None:
    r"""Find the genes whose expression varies in space.

    A score test on the raw counts (`spotweave.core.covariance_test.covariance_test`): residuals from depth times gene
    share, weighted for overdispersion, against Gaussian kernels of several length scales and against small bins of
    neighbours. p values are in closed form, without permutations and without random numbers. A gene that only follows
    the depth of its spots is not spatial. Genes of fewer than some 20 molecules get conservative p values.

    Depth is the sum of the counts given. Where a few genes are most of them, as in small panels, one spatial gene makes
    others seem to vary against it.

    Moran's I and Geary's C of log counts per median depth are written beside, for comparison with other work; their p
    values are normal approximations, and too small for genes found on a handful of spots.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table; at least 10 cells.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    spatial_key
        Coordinates in ``adata.obsm``, two- or three-dimensional.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on. Patterns are looked for within slides; a gene that
        merely differs between them is not spatial.
    graph_key
        Graph in ``adata.obsp`` for Moran's I and Geary's C (symmetrised), instead of 6 nearest neighbours; the test
        does not use it.
    autocorrelation
        Write Moran's I and Geary's C too.
    key_added
        Prefix of the columns and key of the parameters.
    table_key
        Name of the table in a SpatialData object.
    copy
        Return the table of results and leave `adata` alone.

    Returns
    -------
    None, or with ``copy=True`` a DataFrame with a row for each gene. Writes to ``adata.var``, with `key_added` and an
    underscore before each name,

    * ``statistic``: standard deviations of the most significant length scale's statistic above its null mean,
    * ``pvalue``, ``qvalue``: of all scales together, and by Benjamini and Hochberg; 1 for genes found on fewer than
      three spots, which are not tested,
    * ``effect``: size of the smooth pattern, the standard deviation over the tissue of the relative change of
      expression, less noise. At least 0, without unit: 0.3 says that expression differs by some 30 % from its mean,
      :math:`\sqrt{\max(0, \sum_j c_j^2 - m \sigma^2) / (p^2 \sum_i q_i^2)}` for the gene's m coefficients c,
    * ``scale``: the most significant length scale, a Gaussian's standard deviation in the unit of the coordinates (the
      finest is the distance of neighbours); NaN where not tested,
    * with `autocorrelation` ``moran``, ``moran_pvalue``, ``geary``, ``geary_pvalue``,

    and parameters to ``adata.uns[key_added]``.

    Raises
    ------
    InputError
        When counts, coordinates or arguments do not fit; `adata` is then as it was.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_tissue(300, n_genes=100, n_domains=3)
    >>> sw.tl.spatial_genes(adata)
    >>> bool((adata.var["svg_qvalue"] < 0.05).any())
    True
    """
    adata = get_table(adata, table_key)
    if adata.n_obs < FEWEST_POINTS:
        raise fail(f"at least {FEWEST_POINTS} cells", f"a table of {adata.n_obs}")
    X = _counts(adata, layer)
    xy, library = get_coords(adata, spatial_key), get_codes(adata, library_key)
    with threadpool_limits(1):  # genes are shared out to threads already
        found = covariance_test(X, xy, library=library)
        beside = gene_autocorrelation(X, read_graph(adata, graph_key, xy, library), library) if autocorrelation else {}
    table = _table(found, beside, key_added, adata.var_names)
    if copy:
        return table
    used = run_params(
        layer=layer,
        spatial_key=spatial_key,
        library_key=library_key,
        graph_key=graph_key,
        autocorrelation=autocorrelation,
    )
    said = {"params": used, "scales": found.scales, "n_tested": int((~np.isnan(found.scale)).sum())}
    write(adata, {**{("var", str(name)): table[name].array for name in table}, ("uns", key_added): said})
    return None


def _counts(adata: "AnnData", layer: str | None) -> sp.csr_matrix:
    X = sp.csr_matrix(load(get_counts(adata, layer)), dtype=np.float64)
    X.sum_duplicates()
    X.eliminate_zeros()
    empty = int((np.diff(X.indptr) == 0).sum())
    if empty == adata.n_obs:
        raise fail("at least one cell with counts", "none", "Pass raw counts.")
    if empty:
        logger.warning("%d cells have no counts; they say nothing about any gene", empty)
    return X


def _table(found: CovarianceResult, beside: dict[str, np.ndarray], prefix: str, genes: pd.Index) -> pd.DataFrame:
    columns = {name: getattr(found, name) for name in ("statistic", "pvalue", "qvalue", "effect", "scale")} | beside
    return pd.DataFrame({f"{prefix}_{name}": values for name, values in columns.items()}, index=genes)
