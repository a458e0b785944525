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
from ..core.shrinkage import Guard, fit_guard
from ..core.splitting import thin
from ._denoise_input import check_room, chosen_genes, has_spatial_order, read_counts
from ._denoise_methods import METHODS, DenoiseFit, FactorParams, GmmVgaeMethodParams, Molecules
from ._denoise_output import Denoised, report, result, write_result
from ._domain_methods import configured
from ._expected import Space, expected_counts, held_out_deviance
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

    A model of all cells and genes predicts each count; a guard then decides, gene by gene, how far the estimate follows
    the model, the cell's own count, and the counts of its neighbours:

    .. math:: \hat\mu_i = \mu_i \frac{1 + \alpha (x_i + \kappa \sum_j x_j)}{1 + \alpha (\mu_i + \kappa \sum_j \mu_j)}

    with :math:`\mu` the model, :math:`\alpha` how much the gene varies around it, and :math:`\kappa` what a neighbour's
    count is worth (`spotweave.core.shrinkage`). Both are chosen by the likelihood of molecules that the model has not
    seen, 10 % of them, as is the length of the training or the rank; another 5 % serve only for the score.

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
      the estimate), ``moran_before``, ``moran_after`` (of log counts per median depth), ``deviance`` and
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
        weigh = _guard(fit, parts, space, generator) if guard else Guard(np.zeros(X.shape[1]), 0.0, np.zeros(1))
        scores = held_out_deviance(fit.means_train, train, judged, _RATIO_JUDGED, space.used, weigh, rng=generator)
        found = expected_counts(fit, X, space, weigh, chosen, sd=sd, rng=generator)
    used_params = run_params(
        method=method,
        genes=None if genes is None else list(genes),
        sd=sd,
        layer=layer,
        spatial_key=spatial_key,
        library_key=library_key,
        graph_key=graph_key,
        use_graph=use_graph,
        guard=guard,
        rng=rng if isinstance(rng, int | np.integer) else "generator",
        settings=None if params is None else asdict(settings),
        **options,
    )
    said = {**report(fit, scores, judged, settings), "method": method, "graph_used": bool(used)}
    said |= {"reach": weigh.reach, "params": used_params}
    done = result(adata, found, scores, fit, said, chosen)
    if copy:
        return done
    write_result(adata, done, chosen, key_added, whole=genes is None)
    return None


_RATIO_JUDGED = SHARE_JUDGED / (1 - SHARE_JUDGED) / (1 - SHARE_HELD_OUT)
"""Expected molecules of the score for one in the training part."""


def _guard(fit: DenoiseFit, parts: Molecules, space: Space, rng: np.random.Generator) -> Guard:
    return fit_guard(fit.means_train, parts.train.tocsc(), parts.held_out.tocsc(), parts.ratio, space.used, rng=rng)
