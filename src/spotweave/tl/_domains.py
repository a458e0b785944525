"""Tissue domains: regions of like expression, connected in space."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._check import check_choice, check_range, fail
from .._table import get_table, labels, write
from .._table import params as run_params
from ..core.colors import domain_colors
from ..core.number import Curve, choose_number
from ._domain_methods import METHODS, DomainFit, FusionMethodParams, SmoothParams, configured, halves, refined
from ._tissue import Tissue, Where, read_tissue

if TYPE_CHECKING:
    from anndata import AnnData

    from ..models.gmm_vgae_params import GmmVgaeParams


class Domains(NamedTuple):
    """What ``tl.domains(..., copy=True)`` returns."""

    labels: pd.Series
    """Domain of each cell, categorical strings."""
    probability: np.ndarray
    """Soft assignment [n, k]."""
    embedding: np.ndarray
    """[n, d]."""
    report: dict[str, Any]
    """What ``uns[key_added]`` would hold."""


def domains(  # noqa: PLR0913  (keyword-only options of one verb)
    adata: "AnnData",
    n_domains: int | None = None,
    *,
    method: Literal["fusion", "smooth", "rrr", "gmm_vgae"] = "fusion",
    layer: str | None = None,
    use_rep: str | None = None,
    genes: Sequence[str] | None = None,
    n_top_genes: int = 3_000,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    graph_key: str | None = None,
    refine: bool = False,
    key_added: str = keys.DOMAIN,
    table_key: str = "table",
    rng: int | np.random.Generator = 0,
    device: str = "auto",
    progress: bool | None = None,
    copy: bool = False,
    params: "FusionMethodParams | SmoothParams | GmmVgaeParams | None" = None,
    **options: Any,
) -> Domains | None:
    """Find tissue domains.

    Counts are scaled to the median depth, logged and standardised; 100 principal components of the most variable
    genes and a symmetric graph of 6 nearest neighbours (no edge crosses slides) are what the methods start from:

    * ``"fusion"``: a spatial and a feature view of each spot, fused by attention in a small network trained by
      reconstruction and contrast (after SpatialFusion); mixtures on their embeddings and on smoothed components are
      refined along the directions that tell the domains apart, the ones that explain the surroundings of the spots
      best are averaged, and neighbours smooth the result.
    * ``"smooth"``: average over neighbours, 20 components, Gaussian mixture with one covariance (mclust's EEE) from
      several starts. No training.
    * ``"rrr"``: reduced-rank regression of the features on their propagated selves, the exact optimum of a linear
      graph autoencoder's reconstruction; the same mixture.
    * ``"gmm_vgae"``: components of the mixture prior of the graph autoencoder of counts that `denoise` uses, trained
      with as many components as domains.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    n_domains
        Number of domains k; None chooses it, see `spotweave.core.number.choose_number`.
    method
        See above.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    use_rep
        Use this embedding from ``adata.obsm`` instead of components of the counts; needs `n_domains`.
    genes
        Use these genes instead of the most variable ones.
    n_top_genes
        How many variable genes.
    spatial_key
        Coordinates in ``adata.obsm``.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on.
    graph_key
        Use this graph from ``adata.obsp`` (symmetrised) instead of 6 nearest neighbours.
    refine
        Let each cell take the commonest label of its graph neighbours, once. The count of moved cells is reported.
        Off by default: thin layers suffer.
    key_added
        Where the results go.
    table_key
        Name of the table in a SpatialData object.
    rng
        Seed or generator. The same seed gives the same result on one machine; networks train on one thread, but
        sums inside the matrix library may differ in the last bits with another number of threads.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``...
    progress
        Show progress bars; None: when at a terminal.
    copy
        Return the results and leave `adata` alone.
    params
        Settings of the method, `FusionMethodParams`, `SmoothParams` or `GmmVgaeParams`; its defaults when None.
    **options
        Single fields of these settings, or of those within them, by their names.

    Returns
    -------
    None, or `Domains` with ``copy=True``. Writes

    * ``adata.obs[key_added]``: categorical strings ``"0"``.. in falling order of size (summed probability),
    * ``adata.obsm[key_added + "_probability"]`` ``[n, k]``, ``adata.obsm["X_<method>"]`` ``[n, d]``,
    * ``adata.uns[key_added]``: parameters, likelihood, stability, convergence, the curve when k was chosen, the
      training history; ``adata.uns[key_added + "_colors"]``.

    Raises
    ------
    InputError
        When coordinates, counts or arguments do not fit; `adata` is then as it was.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_tissue(600, n_genes=200, n_domains=4)
    >>> sw.tl.domains(adata, 4, method="smooth")
    >>> adata.obs["domain"].nunique()
    4
    """
    adata = get_table(adata, table_key)
    generator = np.random.default_rng(rng)
    check_choice(method, list(METHODS), "method")
    run, defaults = METHODS[method]
    if params is not None and not isinstance(params, type(defaults)):
        raise fail(f"`params` of type {type(defaults).__name__} with method={method!r}", type(params).__name__)
    settings = configured(params or defaults, options)
    if n_domains is not None:
        check_range(n_domains, "n_domains", low=1, high=adata.n_obs, integer=True, why="the number of cells")
    elif use_rep is not None:
        raise fail("`n_domains` together with `use_rep`", "None", "Only counts can be split to choose a number.")
    where = Where(spatial_key, library_key, graph_key)
    tissue, prepared = read_tissue(
        adata, where, layer=layer, use_rep=use_rep, genes=genes, n_top_genes=n_top_genes, rng=generator
    )
    curve = None
    with threadpool_limits(1):  # many small products: threads would only wait for each other, and change the bits
        if n_domains is None:
            split = lambda child: halves(tissue, prepared, child)
            curve = choose_number(split, _numbers(adata.n_obs), rng=generator)
            n_domains = curve.chosen
        fit = run(tissue, n_domains, settings, generator, device=device, progress=progress)
    result = _result(fit, tissue, refine=refine, index=adata.obs_names)
    used = run_params(
        method=method,
        n_domains=n_domains,
        layer=layer,
        use_rep=use_rep,
        n_top_genes=n_top_genes,
        spatial_key=spatial_key,
        library_key=library_key,
        graph_key=graph_key,
        genes=None if genes is None else list(genes),
        refine=refine,
        rng=rng if isinstance(rng, int | np.integer) else "generator",
        settings=None if params is None else asdict(settings),
        **options,
    )
    result.report.update({"params": used, **({"curve": _curve(curve)} if curve else {})})
    if copy:
        return result
    _write(adata, result, tissue, key_added, method)
    return None


def _write(adata: "AnnData", result: Domains, tissue: Tissue, key_added: str, method: str) -> None:
    codes, k = np.asarray(result.labels.cat.codes), len(result.labels.cat.categories)
    colors = domain_colors(tissue.xy, codes, n_domains=k, library=tissue.library)
    write(
        adata,
        {
            ("obs", key_added): result.labels.array,
            ("obsm", keys.probability(key_added)): result.probability,
            ("obsm", keys.embedding(method)): result.embedding,
            ("uns", key_added): result.report,
            ("uns", keys.colors(key_added)): colors,
        },
    )


def _numbers(n: int) -> list[int]:
    """Numbers of domains to try: 2 to 15, at least 20 cells each."""
    return list(range(2, max(min(15, n // 20), 2) + 1))


def _curve(curve: Curve) -> dict[str, np.ndarray]:
    return {k: v for k, v in curve._asdict().items() if k != "chosen"}


def _result(fit: DomainFit, tissue: Tissue, *, refine: bool, index: pd.Index) -> Domains:
    """Order domains by size, give cells their labels."""
    order = np.argsort(-fit.probability.sum(axis=0), kind="stable")
    probability = fit.probability[:, order].astype(np.float32)
    codes, moved = probability.argmax(axis=1), 0
    if refine:
        codes, moved = refined(probability, tissue.W)
    report: dict[str, Any] = {
        "n_domains": len(np.unique(codes)),
        "converged": fit.converged,
        **({"stability": fit.stability} if fit.stability is not None else {}),
        **({"n_moved": moved} if refine else {}),
        **fit.extras,
    }
    column = pd.Series(labels(codes, probability.shape[1]), index=index)
    return Domains(column, probability, fit.embedding.astype(np.float32), report)
