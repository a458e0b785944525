"""The public simulator of gene patterns: modules of genes that share a pattern, among genes that have none."""

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp

from .. import _keys as keys
from .._check import check_choice, check_range, fail
from ._assemble import gene_names, names
from ._counts import sample_counts, sample_log_normal
from ._params import BLOCK_ENTRIES, PITCH_UM
from ._shapes import SHAPES, draw_shapes
from ._sites import ROW_HEIGHT

if TYPE_CHECKING:
    from anndata import AnnData

ABUNDANCE_SD = 1.5  # log-sd of mean expression over genes, some two decades: of 18,000 genes of Visium most are sparse
DEPTH_SD = 0.4  # log-sd of library sizes


def simulate_patterns(
    n_obs: int = 3_600,
    *,
    n_genes: int = 1_000,
    n_modules: int = 20,
    share_spatial: float = 0.7,
    log_fold: tuple[float, float] = (0.1, 0.5),
    pattern: Literal["bumps", "layers", "niches", "mixed"] = "bumps",
    layout: Literal["hex", "cells"] = "hex",
    library_size: float = 1_000.0,
    overdispersion: float = 0.15,
    depth_pattern: float = 0.0,
    rng: int | np.random.Generator = 0,
) -> "AnnData":
    r"""Simulate genes in modules, each with a pattern in space, and genes that are flat.

    Unlike :func:`simulate_tissue` there are no cell types or domains: what varies in space is exactly what is planted.
    Counts of observation :math:`i` and gene :math:`j` are negative binomial with mean :math:`\mu_{ij}` and variance
    :math:`\mu_{ij} + \phi \mu_{ij}^2`,

    .. math:: \mu_{ij} = l_i \, \pi_j \, c_{ib(j)} \, e^{a_j f_{im(j)}}

    Where: :math:`l` expected library size (log-normal), :math:`\pi` share of the gene (log-normal, so that many genes
    are sparse), :math:`f` pattern of the module (mean 0 and standard deviation 1 over the observations), :math:`a`
    amplitude of the gene. As in :func:`simulate_tissue`, the factor :math:`c` makes the genes that vary in space
    (b = 1) keep their part of the library as a group: flat genes (b = 0) are then free of pattern once counts are
    divided by library size.

    Parameters
    ----------
    n_obs
        Observations.
    n_genes
        Genes.
    n_modules
        Modules, of equal numbers of genes; at most the genes that vary in space.
    share_spatial
        Part of the genes that vary in space, from 0 to 1.
    log_fold
        Least and greatest amplitude :math:`a`, the standard deviation over space of a gene's log expression; drawn
        evenly between.
    pattern
        ``"bumps"``: three broad Gaussian bumps, up or down. ``"layers"``: six arched bands, the same for all modules,
        each with a level of its own. ``"niches"``: patches some five observations wide, a twelfth of the area.
        ``"mixed"``: these three in turn.
    layout
        ``"hex"``: spots 100 micrometres apart on a hexagonal grid. ``"cells"``: points at random, evenly spread, as
        many as cells 10 micrometres apart would be.
    library_size
        Mean counts of an observation.
    overdispersion
        Squared coefficient of variation beyond Poisson, :math:`\phi`.
    depth_pattern
        Standard deviation of a pattern (bumps) in the log library size: tissue that is dense in some places. No gene
        but those of modules varies in space by it, relative to the library.
    rng
        Seed or generator. The same seed gives the same counts, to the bit.

    Returns
    -------
    AnnData with counts in ``X`` (CSR, float32) and

    - ``obs``: ``library_size_true``; on the hexagonal grid ``in_tissue``, ``array_row``, ``array_col``
    - ``obsm``: ``spatial`` (micrometres), ``pattern_true`` (:math:`f`, a column for each module)
    - ``var``: ``module`` (name, or "none"), ``spatially_variable``, ``log_fold`` (:math:`a`, 0 for flat genes),
      ``share_true`` (:math:`\pi`)

    Raises
    ------
    InputError
        When an argument is out of its range.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_patterns(400, n_genes=50, n_modules=5, rng=1)
    >>> adata.shape, int(adata.var["spatially_variable"].sum())
    ((400, 50), 35)
    """
    from anndata import AnnData

    check_range(n_obs, "n_obs", low=1, high=1e7, integer=True)
    check_range(n_genes, "n_genes", low=1, high=1e6, integer=True)
    check_range(share_spatial, "share_spatial", low=0, high=1)
    check_choice(pattern, (*SHAPES, "mixed"), "pattern")
    check_choice(layout, ("hex", "cells"), "layout")
    check_range(library_size, "library_size", low=1, high=1e7)
    check_range(overdispersion, "overdispersion", low=0, high=10)
    check_range(depth_pattern, "depth_pattern", low=0, high=2)
    n_spatial = round(share_spatial * n_genes)
    check_range(
        n_modules, "n_modules", low=1, high=max(n_spatial, 1), integer=True, why="at most the genes that vary in space"
    )
    low, high = _checked_span(log_fold)

    place_rng, gene_rng, depth_rng, count_rng = np.random.default_rng(rng).spawn(4)
    xy, obs = _hexagonal(n_obs) if layout == "hex" else _scattered(n_obs, place_rng)
    patterns = draw_shapes(xy, pattern, n_modules, place_rng)
    module = np.full(n_genes, -1)
    module[gene_rng.permutation(n_genes)[:n_spatial]] = np.arange(n_spatial) % n_modules
    amplitude = np.where(module >= 0, gene_rng.uniform(low, high, n_genes), 0.0)
    share = np.exp(gene_rng.normal(0, ABUNDANCE_SD, n_genes))
    share /= share.sum()
    depth = library_size * sample_log_normal(DEPTH_SD, n_obs, depth_rng)
    if depth_pattern:
        field = np.exp(depth_pattern * draw_shapes(xy, "bumps", 1, depth_rng)[:, 0])
        depth *= field / field.mean()
    genes = _Genes(module, amplitude, share)
    counts = _sample(patterns, genes, depth, overdispersion, count_rng)

    modules = names("module", n_modules)
    columns = {
        "module": pd.Categorical.from_codes(np.where(module < 0, n_modules, module), pd.Index([*modules, "none"])),
        "spatially_variable": module >= 0,
        "log_fold": amplitude,
        "share_true": share,
    }
    adata = AnnData(counts, obs=obs.assign(library_size_true=depth), var=pd.DataFrame(columns, gene_names(n_genes)))
    adata.obsm[keys.SPATIAL] = xy
    adata.obsm["pattern_true"] = pd.DataFrame(patterns, index=adata.obs_names, columns=modules)
    return adata


def _checked_span(log_fold: tuple[float, float]) -> tuple[float, float]:
    if len(log_fold) != 2 or not log_fold[0] <= log_fold[1]:
        raise fail("`log_fold` as (least, greatest)", repr(log_fold))
    for value in log_fold:
        check_range(value, "log_fold", low=0, high=3)
    return log_fold


def _hexagonal(n_obs: int) -> tuple[np.ndarray, pd.DataFrame]:
    """Positions ``[n, 2]`` in a piece about as high as wide, and what Visium says of them."""
    row, col = np.divmod(np.arange(n_obs), max(round(np.sqrt(n_obs * ROW_HEIGHT)), 1))
    xy = np.column_stack([col + 0.5 * (row % 2), row * ROW_HEIGHT]) * PITCH_UM["spot"]
    columns = {"in_tissue": np.ones(n_obs, dtype=np.int8), "array_row": row, "array_col": 2 * col + row % 2}
    return xy, pd.DataFrame(columns, index=pd.Index([f"spot_{i}" for i in range(n_obs)]))


def _scattered(n_obs: int, rng: np.random.Generator) -> tuple[np.ndarray, pd.DataFrame]:
    xy = rng.random((n_obs, 2)) * np.sqrt(n_obs) * PITCH_UM["cell"]
    return xy, pd.DataFrame(index=pd.Index([f"cell_{i}" for i in range(n_obs)]))


class _Genes(NamedTuple):
    """Truth about genes."""

    module: np.ndarray  # [g] code, -1 for flat ones
    amplitude: np.ndarray  # [g]
    share: np.ndarray  # [g] of the library, sums to 1


def _sample(
    patterns: np.ndarray, genes: _Genes, depth: np.ndarray, overdispersion: float, rng: np.random.Generator
) -> sp.csr_matrix:
    """Draw the counts, some rows at a time."""
    spatial = np.flatnonzero(genes.module >= 0)
    module, amplitude, share = (values[spatial] for values in genes)
    counts, size = [], max(BLOCK_ENTRIES // len(genes.share), 1)
    for rows in (slice(start, start + size) for start in range(0, len(depth), size)):
        mean = np.outer(depth[rows], genes.share)
        if spatial.size:
            bent = share * np.exp(patterns[rows][:, module] * amplitude)
            mean[:, spatial] = depth[rows, None] * bent * (share.sum() / bent.sum(axis=1, keepdims=True))
        counts.append(sample_counts(mean.astype(np.float32), overdispersion, 0.0, rng))
    return sp.vstack(counts, format="csr")
