"""Imputation: genes that a panel lacks, predicted from a reference that has them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._check import check_choice, check_range
from .._gene_names import match_genes, wanted_genes
from .._table import get_codes, get_coords, get_table
from .._table import params as run_params
from ..core.imputation.methods import METHODS
from ..core.imputation.pair import make_pair, sample_cells, totals
from ._denoise_input import check_room
from ._impute_fit import Place, learn
from ._impute_output import fill, result, said
from ._tissue import read_graph
from ._two_tables import LEAST_SHARED, read_role, with_counts

if TYPE_CHECKING:
    from anndata import AnnData


def impute(
    adata: "AnnData",
    reference: "AnnData",
    *,
    genes: Sequence[str] | None = None,
    method: Literal[
        "combined", "gene_kernel", "factor", "ridge", "neighbors", "mixture", "principal_vectors", "mapping", "mean"
    ] = "combined",
    n_folds: int = 5,
    interval: float | None = 0.9,
    layer: str | None = None,
    reference_layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    graph_key: str | None = None,
    max_reference: int = 20_000,
    table_key: str = "table",
    rng: int | np.random.Generator = 0,
) -> "AnnData":
    r"""Predict the counts of genes that were not measured.

    The panel is what target and reference share. Each of its genes is held out in turn and predicted from the others
    as if it had not been measured; what comes of that decides how much each route to a prediction gets, how much of it
    is averaged over neighbours (nothing, where held-out genes are not better for it), how boldly it speaks, how well
    each wanted gene can be expected to be predicted, and how wide its interval is.

    * ``"combined"``: the five routes that follow, weighed by held-out genes (`core.imputation.combine`).
    * ``"gene_kernel"``: SIGEL's route: vectors of genes from the reference, a map from vectors to the target's own
      patterns, learned on the panel by kernel ridge regression over genes.
    * ``"factor"``: principal components of the reference, scored by the panel.
    * ``"ridge"``: ridge regression on the panel, learned on the reference.
    * ``"neighbors"``: pooled counts of the reference cells whose panel is most alike.
    * ``"mixture"``: clusters of the reference, weighed by the likelihood of the cell's panel counts.
    * ``"principal_vectors"``: the idea of SpaGE; ``"mapping"``: that of Tangram, each cell mapped to few reference
      cells; ``"mean"``: depth alone. As rivals.

    Parameters
    ----------
    adata
        Cells with raw counts of a panel and coordinates: AnnData, or a SpatialData object with this table.
    reference
        Raw counts with all genes: dissociated cells, or another section of any technology. Ids or symbols, of any
        case: whatever differs from the panel's spelling is matched and said.
    genes
        Genes to predict; None: all of the reference that are not in the panel.
    method
        See above.
    n_folds
        Parts that the panel is dealt out to.
    interval
        Share of cells that the interval of a gene is to cover; None for no interval.
    layer, reference_layer
        Layers of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    spatial_key
        Coordinates in ``adata.obsm``.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on; no neighbour is on another slide.
    graph_key
        Use this graph from ``adata.obsp`` (symmetrised) instead of 6 nearest neighbours.
    max_reference
        Cells of the reference that are used at most, drawn at random.
    table_key
        Name of the table in SpatialData objects.
    rng
        Seed or generator. The same seed gives the same result on one machine.

    Returns
    -------
    A new AnnData, cells x predicted genes:

    * ``X``: expected counts at each cell's own depth, float32. How many molecules a platform catches of a gene that it
      never measured can only be guessed from its panel: trust a gene's *pattern* sooner than its level.
    * ``layers["lower"]``, ``layers["upper"]``: ends of the interval of the *count* that the panel's platform would
      find, the guessed level's error included.
    * ``var``: ``expected_correlation`` (with the counts, beyond depth: what held-out genes of like pattern strength,
      agreement of routes and level reached; noise of the counts keeps it far below 1), ``pattern`` (standard deviation
      of the log pattern), ``mean``, ``moran`` (of the prediction), ``reference_mean``.
    * ``obs``, coordinates and images are those of `adata`; ``obs["panel_counts"]`` are the counts of the shared genes.
    * ``uns["impute"]``: ``held_out`` (a table: scores of each panel gene when it was held out, see
      `metrics.imputation_scores`, Moran's I of measured counts and of counts drawn from the prediction, coverage),
      ``coverage`` of the intervals at 50, 80, 90 and 95 %, ``false_patterns``, ``weights``, ``level``, parameters.

    Raises
    ------
    InputError
        When identifiers, counts, coordinates or arguments do not fit: few or no shared genes, another species,
        transformed counts, a result larger than memory.

    Examples
    --------
    >>> import spotweave as sw
    >>> tissue = sw.datasets.simulate_tissue(300, n_genes=80, n_domains=3)
    >>> cells = sw.datasets.simulate_reference(tissue, 200)
    >>> imputed = sw.tl.impute(tissue[:, :50].copy(), cells)
    >>> imputed.shape
    (300, 30)
    """
    adata, reference = get_table(adata, table_key), get_table(reference, table_key)
    generator = np.random.default_rng(rng)
    check_choice(method, list(METHODS), "method")
    check_range(n_folds, "n_folds", low=2, high=100, integer=True)
    check_range(max_reference, "max_reference", low=2, integer=True)
    if interval is not None:
        check_range(interval, "interval", low=0.01, high=0.99)
    X, Y = read_role(adata, layer, "target"), read_role(reference, reference_layer, "reference")
    match = match_genes(
        adata.var, reference.var, least=LEAST_SHARED, target_totals=totals(X), reference_totals=totals(Y)
    )
    wanted = wanted_genes(adata.var, reference.var, genes, match, reference_totals=totals(Y))
    match = with_counts(match, totals(X), totals(Y), least=max(LEAST_SHARED, n_folds))
    check_room(adata.n_obs, len(wanted) * (3 if interval is not None else 1))
    xy, library = get_coords(adata, spatial_key), get_codes(adata, library_key)
    place = Place(xy, library, read_graph(adata, graph_key, xy, library))
    pair = sample_cells(make_pair(X[:, match.target], Y[:, match.reference], Y[:, wanted]), max_reference, generator)
    levels = () if interval is None else (interval,)
    with threadpool_limits(1):  # sums in the same order whatever the machine
        found = learn(pair, place, METHODS[method], n_folds, levels, generator)
        filled = fill(found, interval, generator)
    used = run_params(
        method=method,
        genes=None if genes is None else [genes] if isinstance(genes, str) else list(genes),
        n_folds=n_folds,
        interval=interval,
        layer=layer,
        reference_layer=reference_layer,
        spatial_key=spatial_key,
        library_key=library_key,
        graph_key=graph_key,
        max_reference=max_reference,
        rng=rng if isinstance(rng, int | np.integer) else "generator",
    )
    filled.var.index = reference.var_names[wanted].astype(str)
    return result(adata, found, filled, said(match, found) | {"params": used})
