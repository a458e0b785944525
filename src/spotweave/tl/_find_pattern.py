"""The verb `find_pattern`: which genes follow a given pattern."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._check import check_choice, fail, listing
from .._table import get_codes, get_coords, get_counts, get_table, load, logger
from ..core.pattern_fold import pattern_fold
from ..core.pattern_match import ALTERNATIVES, directed, pattern_match
from ..core.pattern_section import FEWEST_POINTS, smooth_pattern
from ._pattern_target import read_target

if TYPE_CHECKING:
    from anndata import AnnData

MOSTLY_FINE = 1 / 3
"""Share of the pattern in smooth functions, below which the user is warned."""


def find_pattern(
    adata: Any,
    pattern: Any,
    *,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    genes: Sequence[str] | None = None,
    alternative: Literal["greater", "less", "two-sided"] = "greater",
    table_key: str = "table",
) -> pd.DataFrame:
    r"""Rank genes by how well their expression follows a given pattern.

    Two questions get a p value each. ``p``: is expression higher where the pattern is? The null is a gene without any
    pattern. ``p_pattern``: is the match better than with random patterns as smooth as this one? Most genes of a tissue
    vary somehow, and match any broad pattern a little; this null is the stricter one where the pattern is broad. Take
    genes of small ``q_pattern`` as like the pattern, genes of small ``q`` as different in the region. Genes of a
    layered tissue share its borders, and that is a match beyond smoothness too; and where patterns are few sharp
    patches, some 8 % of unrelated genes pass ``p_pattern`` of 5 %, instead of some 6 % of those with broad ones.

    Neither is valid when the pattern was found from the counts of the same genes (clusters, a gene's own pattern that
    shares cells' states): then use the order.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table; at least 20 cells. It is left alone.
    pattern
        What genes are compared with:

        - numbers or a mask ``[n]``, or the name of such a column of ``adata.obs``
        - ``{"domain": "3"}`` or ``("domain", "3")``: the cells of this category of ``adata.obs["domain"]``, or of
          several, ``{"domain": ["3", "5"]}``, against all others; cells without a label are left out
        - ``{"domain": {"3": 1.0, "5": 0.5}}``: a profile of your own; 0 for categories not named
        - the name of a gene: genes like this one, by its smooth pattern; it is not listed itself
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    spatial_key
        Coordinates in ``adata.obsm``, two- or three-dimensional.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on. Only what varies within slides counts.
    genes
        Names of the genes to compare, all when None. Depth is that of all counts.
    alternative
        ``"greater"``: expression rises with the pattern; ``"less"``: falls; ``"two-sided"``: either.
    table_key
        Name of the table in a SpatialData object.

    Returns
    -------
    One row for each gene, best match first:

    * ``gene``
    * ``match``: what the rows are in order of, strength and likeness in one: the root of ``score`` times the score
      behind ``p_pattern`` times ``specificity``; where 0, rows are in order of ``score``
    * ``score``: standard normal score behind ``p``, positive where expression rises with the pattern
    * ``log_fold``: change of log expression (natural) per unit of weight, inside against outside for a region, per
      standard deviation for a gene; shrunk to 0 where weakly measured
    * ``specificity``: share of the gene's smooth variation over space, less noise, that the pattern explains, 0 to 1
    * ``p``, ``q``: against flat genes, and by Benjamini and Hochberg; 1 for genes on fewer than three cells
    * ``p_pattern``, ``q_pattern``: against random patterns of the same smoothness

    Raises
    ------
    InputError
        When the pattern, counts, coordinates or arguments do not fit.

    Notes
    -----
    Formulas are in `spotweave.core.pattern_match.pattern_match` and `spotweave.core.pattern_fold.pattern_fold`. Of a
    fine pattern, ``specificity``, ``p_pattern`` and ``match`` see the part within smooth functions only; below a third
    a warning is logged.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_tissue(300, n_genes=100, n_domains=3)
    >>> corner = (adata.obsm["spatial"] < adata.obsm["spatial"].mean(axis=0)).all(axis=1)
    >>> sw.tl.find_pattern(adata, corner).shape
    (100, 9)
    """
    check_choice(alternative, ALTERNATIVES, "alternative")
    adata = get_table(adata, table_key)
    target = read_target(adata, pattern)
    xy, library = get_coords(adata, spatial_key), get_codes(adata, library_key)
    X = sp.csr_matrix(load(get_counts(adata, layer)), dtype=np.float64)
    X.sum_duplicates()
    X.eliminate_zeros()
    depth, chosen = np.asarray(X.sum(axis=1)).ravel(), _chosen(adata, genes, target.gene)
    weights = _gene_weights(X, xy, depth, library, adata, target.gene) if target.weights is None else target.weights
    used = ~np.isnan(weights)
    if not used.all():
        logger.warning("%d cells have no label; they are left out", (~used).sum())
        X, xy, depth, weights = X[used], xy[used], depth[used], weights[used]
        library = library if library is None else library[used]
    _check_counts(depth)
    with threadpool_limits(1):  # small products: threads cost more than they bring
        found = pattern_match(X[:, chosen], xy, weights, depth, library=library, alternative=alternative)
        fold = pattern_fold(X[:, chosen], weights, depth, library=library)
    if found.smooth < MOSTLY_FINE:
        logger.warning(
            "only %.0f%% of the pattern is smooth: specificity and p_pattern see no more", 100 * found.smooth
        )
    table = pd.DataFrame({
        "gene": adata.var_names[chosen], "match": found.match, "score": found.score, "log_fold": fold,
        "specificity": found.specificity, "p": found.pvalue, "q": found.qvalue,
        "p_pattern": found.pvalue_pattern, "q_pattern": found.qvalue_pattern,
    })  # fmt: skip
    return table.iloc[np.lexsort([-directed(found.score, alternative), -found.match])].reset_index(drop=True)


def _chosen(adata: "AnnData", genes: Sequence[str] | None, left_out: int | None) -> np.ndarray:
    """Positions of the genes to compare."""
    if genes is None:
        chosen = np.arange(adata.n_vars)
    else:
        names = [genes] if isinstance(genes, str) else list(genes)
        missing = [name for name in names if name not in adata.var_names]
        if missing:
            raise fail("`genes` out of adata.var_names", f"unknown {listing(missing)}")
        chosen = np.flatnonzero(adata.var_names.isin(names))
    chosen = chosen[chosen != left_out] if left_out is not None else chosen
    if not len(chosen):
        raise fail("at least one gene to compare", "none")
    return chosen


def _gene_weights(
    X: sp.csr_matrix, xy: np.ndarray, depth: np.ndarray, library: np.ndarray | None, adata: "AnnData", gene: int | None
) -> np.ndarray:
    assert gene is not None
    _check_counts(depth)
    weights = smooth_pattern(X[:, [gene]], xy, depth, library=library)
    if not weights.any():
        raise fail("a gene with a pattern in space", f"none in the counts of {adata.var_names[gene]!r}")
    return weights


def _check_counts(depth: np.ndarray) -> None:
    filled = int((depth > 0).sum())
    if filled < FEWEST_POINTS:
        raise fail(f"at least {FEWEST_POINTS} cells with counts", f"{filled}", "Pass raw counts.")
    if filled < len(depth):
        logger.warning("%d cells have no counts; they say nothing about any gene", len(depth) - filled)
