"""The verb `gene_embedding`: a vector for each gene, by the shape of its pattern in the tissue."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from .. import _keys as keys
from .._check import check_choice, check_range, fail
from .._table import get_codes, get_coords, get_counts, get_table, load, write
from .._table import params as run_params
from ..core.covariance_test import FEWEST_POINTS, covariance_test
from ..core.gene_bins import gene_bins
from ..core.gene_smooth import smooth_genes
from ..models.gene_mae_params import GeneMaeParams
from ._domain_methods import configured

if TYPE_CHECKING:
    from anndata import AnnData

LEVEL = 0.05
"""False discovery rate at which a gene counts as having a pattern."""


@dataclass(frozen=True)
class SmoothGenesParams:
    """Settings of ``method="smooth"``."""

    n_components: int = 32
    """Dimensions."""
    n_functions: int = 200
    """Smooth functions of position."""
    length_scale: float = 0.03
    """Of the Gaussian filter, in parts of the longest side of the tissue."""


class GeneEmbedding(NamedTuple):
    """What `gene_embedding` returns with ``copy=True``."""

    embedding: np.ndarray
    """``[g, d]`` float32; rows of length about one, zeros for genes that were left out."""
    patterned: np.ndarray
    """Genes with a spatial pattern ``[g]``."""
    scores: dict[str, Any]
    """Held-out score, convergence and course of the training; empty for ``"smooth"``."""


def gene_embedding(
    adata: "AnnData",
    *,
    method: Literal["mae", "smooth"] = "mae",
    min_counts: int = 10,
    layer: str | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    key_added: str = keys.GENE_EMBEDDING,
    table_key: str = "table",
    rng: int | np.random.Generator = 0,
    device: str = "auto",
    progress: bool | None = None,
    copy: bool = False,
    params: "GeneMaeParams | SmoothGenesParams | None" = None,
    **options: Any,
) -> GeneEmbedding | None:
    """Give each gene a vector such that genes with like patterns in the tissue point the same way.

    * ``"mae"``: a masked autoencoder (`spotweave.models.gene_mae.GeneMae`, after SIGEL): genes as coarse pictures of
      counts, hidden patches and molecules predicted from the others, two views of a gene made to agree, then modules of
      genes sharpened (a Student-t mixture, self-paced). Its cost does not depend on the number of cells but for one
      sparse product.
    * ``"smooth"``: residuals smoothed, standardised and reduced (`spotweave.core.gene_smooth.smooth_genes`). No
      training.

    Only the shape of a pattern counts, neither the gene's level nor the pattern's strength: a gene without any gets a
    direction that is noise. ``var["gene_patterned"]`` says which ones have a pattern.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table; at least 10 cells.
    method
        See above.
    min_counts
        Genes of fewer molecules in all are left out: their rows are zero.
    layer
        Layer of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    spatial_key
        Coordinates in ``adata.obsm``.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on; genes are then described by their patterns on all
        slides side by side.
    key_added
        Name in ``varm``.
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
        Settings of the method, `GeneMaeParams` or `SmoothGenesParams`; its defaults when None.
    **options
        Single fields of these settings by their names.

    Returns
    -------
    None, or `GeneEmbedding` with ``copy=True``. Writes

    * ``adata.varm[key_added]`` ``[g, d]``, float32, rows of length one (``"smooth"``: about one); the inner product of
      two genes is their similarity, -1 to 1,
    * ``adata.var["gene_patterned"]``: varies in space, at a false discovery rate of 5 % (`tl.spatial_genes`' test),
    * ``adata.uns["gene_embedding"]``: parameters and, of the training, the log-likelihood of held-out molecules above
      that of genes without pattern (``score``, a gene's mean), steps, convergence and the course of the refinement.

    Raises
    ------
    InputError
        When counts, coordinates or arguments do not fit; `adata` is then as it was.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_patterns(400, n_genes=60, n_modules=3)
    >>> sw.tl.gene_embedding(adata, method="smooth")
    >>> adata.varm["X_gene"].shape
    (60, 32)
    """
    adata = get_table(adata, table_key)
    check_choice(method, list(METHODS), "method")
    check_range(min_counts, "min_counts", low=1, integer=True)
    run, defaults = METHODS[method]
    if params is not None and not isinstance(params, type(defaults)):
        raise fail(f"`params` of type {type(defaults).__name__} with method={method!r}", type(params).__name__)
    settings = configured(params or defaults, options)
    if adata.n_obs < FEWEST_POINTS:
        raise fail(f"at least {FEWEST_POINTS} cells", f"a table of {adata.n_obs}")
    X = sp.csr_matrix(load(get_counts(adata, layer)), dtype=np.float64)
    xy, library = get_coords(adata, spatial_key), get_codes(adata, library_key)
    chosen = np.flatnonzero(np.asarray(X.sum(axis=0)).ravel() >= min_counts)
    if len(chosen) < FEWEST_GENES:
        raise fail(f"at least {FEWEST_GENES} genes of {min_counts} molecules", f"{len(chosen)}", "Lower min_counts.")
    with threadpool_limits(1):  # many small products: threads would only wait for each other, and change the bits
        patterned = np.zeros(adata.n_vars, bool)
        patterned[chosen] = covariance_test(X, xy, library=library).qvalue[chosen] < LEVEL
        section = Section(X[:, chosen], xy, library, patterned[chosen])
        H, scores = run(section, settings, np.random.default_rng(rng), device=device, progress=progress)
    embedding = np.zeros((adata.n_vars, H.shape[1]), np.float32)
    embedding[chosen] = H
    if copy:
        return GeneEmbedding(embedding, patterned, scores)
    used = {"method": method, "min_counts": min_counts, "layer": layer, "library_key": library_key}
    if not isinstance(rng, np.random.Generator):
        used["rng"] = rng
    said = {"params": run_params(**used, **asdict(settings)), "n_genes": len(chosen), **scores}
    results = {("varm", key_added): embedding, ("var", keys.GENE_PATTERNED): patterned, ("uns", "gene_embedding"): said}
    write(adata, results)
    return None


FEWEST_GENES = 4


class Section(NamedTuple):
    """What a method learns from."""

    X: sp.csr_matrix
    """Counts [n, g] of the genes to embed."""
    xy: np.ndarray
    """Coordinates [n, d]."""
    library: np.ndarray | None
    """Which slide each row lies on [n]."""
    patterned: np.ndarray
    """Genes with a pattern [g]."""


def _mae(
    section: Section, settings: GeneMaeParams, rng: np.random.Generator, *, device: str, progress: bool | None
) -> tuple[np.ndarray, dict[str, Any]]:
    from ..core.train import resolve_device
    from ..models.gene_mae_fit import fit_gene_mae

    bins = gene_bins(section.X, section.xy, n_patches=settings.n_patches, n_sub=settings.n_sub, library=section.library)
    fit = fit_gene_mae(
        bins, settings, structured=section.patterned, rng=rng, device=resolve_device(device), progress=progress
    )
    scores: dict[str, Any] = {
        "score": fit.score,
        "score_linear_start": fit.score_start,
        "converged": fit.stopped.converged,
        "n_steps": fit.stopped.n_steps,
        "held_out": fit.stopped.score,
        "loss": fit.stopped.loss,
    }
    if fit.refinement is not None:
        scores["refinement"] = fit.refinement._asdict()
    return fit.embedding, scores


def _smooth(
    section: Section, settings: SmoothGenesParams, rng: np.random.Generator, *, device: str, progress: bool | None
) -> tuple[np.ndarray, dict[str, Any]]:
    return smooth_genes(section.X, section.xy, library=section.library, rng=rng, **asdict(settings)), {}


METHODS: dict[str, tuple[Any, Any]] = {"mae": (_mae, GeneMaeParams()), "smooth": (_smooth, SmoothGenesParams())}
"""Name -> function and default settings."""
