"""Denoising: the expression behind sparse counts."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._check import check_choice, fail
from .._table import get_codes, get_coords, get_table
from .._table import params as run_params
from ..core.flatness import fit_flatness
from ..core.shrinkage import chosen_rows, fit_guard
from ..core.splitting import thin
from ._denoise_input import check_room, chosen_genes, has_spatial_order, read_counts
from ._denoise_methods import METHODS, DenoiseFit, FactorParams, GmmVgaeMethodParams, Molecules
from ._denoise_output import Denoised, report, result, write_result
from ._domain_methods import configured
from ._expected import Space, Weighing, expected_counts, held_out_deviance, unguarded
from ._tissue import read_graph

if TYPE_CHECKING:
    from anndata import AnnData

SHARE_JUDGED, SHARE_HELD_OUT = 0.05, 0.1
"""Of the molecules: for the score alone, and (of the rest) for choices."""


def denoise(  # noqa: PLR0913  (keyword-only options of one verb)
    adata: "AnnData",
    *,
    method: Literal["gmm_vgae", "factor"] = "gmm_vgae",
    genes: Sequence[str] | None = None,
    sd: bool = False,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    graph_key: str | None = None,
    use_graph: bool | None = None,
    guard: bool = True,
    strict: bool = False,
    key_added: str = keys.DENOISED,
    table_key: str = "table",
    rng: int | np.random.Generator = 0,
    device: str = "auto",
    progress: bool | None = None,
    copy: bool = False,
    params: "GmmVgaeMethodParams | FactorParams | None" = None,
    **options: Any,
) -> Denoised | None:
    r"""Estimate the expected counts behind the measured ones.

    A model of all cells and genes predicts each count; a guard then decides, gene by gene, how much of the model's
    pattern the gene gets, and how far the estimate follows the cell's own count and those of its neighbours:

    .. math:: \mu_i = c\, (s_i p)^{1 - \gamma} m_i^\gamma, \qquad
              \hat\mu_i = \mu_i \frac{1 + \alpha (x_i + \kappa \sum_j x_j)}{1 + \alpha (\mu_i + \kappa \sum_j \mu_j)}

    with :math:`m` the model, :math:`s_i p` depth times gene share, :math:`\gamma` the share of the pattern (0 where
    held-out counts do not support one: `spotweave.core.flatness`), :math:`\alpha` how much the gene varies around it,
    :math:`\kappa` what a neighbour's count is worth (`spotweave.core.shrinkage`). All are chosen by the likelihood of
    molecules that the model has not seen, 10 % of them, as is the length of the training or the rank; another 5 % serve
    only for the score.

    * ``"gmm_vgae"``: a graph autoencoder of counts with a Gaussian mixture as its prior (after Bio_GMM_VGAE and VaDE):
      components of the cell and its graph neighbourhood in, negative-binomial means out.
    * ``"factor"``: a low-rank Poisson model, averaged with its spatially smoothed factors. No training.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    method
        See above.
    genes
        Estimate these genes only (all counts are learned from all the same): where all would not fit in memory.
    sd
        Give standard deviations too: of the rate around the model and, with ``"gmm_vgae"``, of the latent space.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    spatial_key
        Coordinates in ``adata.obsm``.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on; no neighbour is on another slide.
    graph_key
        Use this graph from ``adata.obsp`` (symmetrised) instead of 6 nearest neighbours.
    use_graph
        Let estimates use neighbours; None: when the leading components are spatially ordered (Moran's I, p < 0.01 over
        all of them), so that no pattern is made where there is none.
    guard
        False: the model alone.
    strict
        Give a gene a pattern only where its own held-out counts support one at the 5 % level; else it keeps depth times
        gene share and its own counts. Off, weakly measured genes get the benefit of the doubt, and one without any
        pattern may show a faint copy of the tissue's: look at ``pattern_gain`` before you believe a map.
    key_added
        Where the results go.
    table_key
        Name of the table in a SpatialData object.
    rng
        Seed or generator. The same seed gives the same result on one machine; training runs on one thread.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``...
    progress
        Show progress bars; None: when at a terminal.
    copy
        Return the results and leave `adata` alone.
    params
        Settings of the method, `GmmVgaeMethodParams` or `FactorParams`; its defaults when None.
    **options
        Single fields of these settings, or of those within them, by their names.

    Returns
    -------
    None, or `Denoised` with ``copy=True``. ``X`` is never touched. Writes

    * ``adata.layers[key_added]``: expected counts at each cell's own depth ``[n, g]``, float32; with `genes` instead
      ``adata.obsm[key_added]``, a DataFrame with these columns. With `sd` also ``key_added + "_sd"``,
    * ``adata.varm[key_added]``: for each gene ``weight_latent``, ``weight_neighbors``, ``weight_own`` (mean shares of
      the estimate), ``pattern`` (the share of the model's pattern, 0 to 1), ``pattern_gain`` (what a pattern gained in
      held-out log-likelihood; above 1.35 it is supported at the 5 % level), ``moran_before``, ``moran_after`` (of log counts per median depth), ``deviance`` and
      ``deviance_mean`` (of unseen molecules, per cell: the estimates', and that of depth times gene share),
    * ``adata.obsm["X_<method>"]`` ``[n, d]`` and ``adata.obsm["<method>_probability"]`` ``[n, k]``,
    * ``adata.uns[key_added]``: scale, likelihood, held-out deviance, whether the graph was used, convergence, history,
      parameters, and the warning that tests on denoised values are not valid.

    Raises
    ------
    InputError
        When counts, coordinates, genes or arguments do not fit, or the result would not fit in memory; `adata` is then
        as it was.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_tissue(300, n_genes=100, n_domains=3)
    >>> sw.tl.denoise(adata, method="factor")
    >>> adata.layers["denoised"].shape
    (300, 100)
    """
    adata = get_table(adata, table_key)
    generator = np.random.default_rng(rng)
    check_choice(method, list(METHODS), "method")
    run, defaults = METHODS[method]
    if params is not None and not isinstance(params, type(defaults)):
        raise fail(f"`params` of type {type(defaults).__name__} with method={method!r}", type(params).__name__)
    settings = configured(params or defaults, options)
    chosen = chosen_genes(adata, genes)
    check_room(adata.n_obs, len(chosen) * (1 + sd))
    X = read_counts(adata, layer)
    xy, library = get_coords(adata, spatial_key), get_codes(adata, library_key)
    W = read_graph(adata, graph_key, xy, library)
    rest, judged = thin(X, generator, share=1 - SHARE_JUDGED)
    train, held_out = thin(rest, generator, share=1 - SHARE_HELD_OUT)
    parts = Molecules(X, train, held_out, SHARE_HELD_OUT / (1 - SHARE_HELD_OUT))
    with threadpool_limits(1):  # many small products: threads would only wait for each other, and change the bits
        used = has_spatial_order(train, W, library, generator) if use_graph is None else use_graph
        space = Space(W if used else sp.csr_matrix(W.shape), W, library)
        fit = run(parts, space.used, settings, generator, device=device, progress=progress)
        weigh = _weighing(fit, parts, space, generator, strict=strict) if guard else unguarded(X.shape[1])
        scores = held_out_deviance(fit.means_train, train, judged, _RATIO_JUDGED, space.used, weigh, rng=generator)
        found = expected_counts(fit, X, space, weigh, chosen, sd=sd, rng=generator)
    used_params = run_params(
        method=method,
        genes=None if genes is None else [genes] if isinstance(genes, str) else list(genes),
        sd=sd,
        layer=layer,
        spatial_key=spatial_key,
        library_key=library_key,
        graph_key=graph_key,
        use_graph=use_graph,
        guard=guard,
        strict=strict,
        rng=rng if isinstance(rng, int | np.integer) else "generator",
        settings=None if params is None else asdict(settings),
        **options,
    )
    said = {**report(fit, scores, judged, settings), "method": method, "graph_used": bool(used)}
    said |= {"reach": float(weigh.guard.reach.max()), "params": used_params}
    done = result(adata, found, scores, fit, said, chosen)
    if copy:
        return done
    write_result(adata, done, chosen, key_added, whole=genes is None)
    return None


_RATIO_JUDGED = SHARE_JUDGED / (1 - SHARE_JUDGED) / (1 - SHARE_HELD_OUT)
"""Expected molecules of the score for one in the training part."""


def _weighing(fit: DenoiseFit, parts: Molecules, space: Space, rng: np.random.Generator, *, strict: bool) -> Weighing:
    """Choose how much pattern each gene gets, then how far it follows the counts."""
    train, held_out = parts.train.tocsc(), parts.held_out.tocsc()
    rows = chosen_rows(train.shape[0], rng)
    flat = fit_flatness(fit.means_train, parts.train, held_out, parts.ratio, rows, strict=strict)
    return Weighing(flat, fit_guard(flat, train, held_out, parts.ratio, space.used, rows=rows, flat=flat.exponent == 0))
