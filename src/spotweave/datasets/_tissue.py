"""The public simulator of a tissue held in memory."""

from typing import TYPE_CHECKING, Literal

import numpy as np

from ._assemble import assemble, obs_part
from ._blocks import Plan, iter_blocks, make_plan
from ._params import TissueParams
from ._stain import add_stain

if TYPE_CHECKING:
    from anndata import AnnData


def simulate_tissue(  # noqa: PLR0913 (a simulator is its parameters)
    n_obs: int = 2_000,
    *,
    n_genes: int = 500,
    n_domains: int = 5,
    layout: Literal["layers", "blobs", "rings"] = "layers",
    resolution: Literal["spot", "cell"] = "spot",
    n_types: int = 8,
    n_slices: int = 1,
    signal: float = 0.5,
    library_size: float = 2_000.0,
    overdispersion: float = 0.15,
    dropout: float = 0.0,
    batch_effect: float = 0.0,
    rates: bool = False,
    image: bool = False,
    rng: int | np.random.Generator = 0,
) -> "AnnData":
    r"""Simulate a tissue section, or several, with everything that a method has to find known.

    Domains are regions with a composition of cell types and a gene program of their own. Counts of observation
    :math:`i` and gene :math:`j` are negative binomial with mean :math:`\mu_{ij}` and variance
    :math:`\mu_{ij} + \phi \mu_{ij}^2`,

    .. math:: \mu_{ij} = l_i \, c_{ib(j)} \, e^{\beta_{s(i)j}} \sum_t p_{it} \, \pi_{tj} \; e^{\sum_a z_{ia} w_{aj}}

    Where: :math:`l` expected library size (log-normal, with a level for domain and slice and, for spots, in proportion
    to the number of cells), :math:`p` proportions of cell types, :math:`\pi` their profiles, :math:`z` activities of
    programs (share of each domain, two smooth gradients, two random cell states) with loadings :math:`w`,
    :math:`\beta` batch effect of the slice, :math:`\phi` overdispersion. The factor :math:`c` makes shares sum to one
    and rescales the genes that vary in space (b = 1) as a group, so that they keep their part of the library: the other
    genes (b = 0) are then free of spatial pattern once counts are divided by library size.

    Parameters
    ----------
    n_obs
        Observations in all slices together.
    n_genes
        Genes: 28 % markers of cell types, 8 % of domains, 4 % in gradients, 10 % in cell states, 50 % noise.
    n_domains
        Domains, at most the observations of a slice.
    layout
        ``"layers"`` (arched bands), ``"rings"`` (off-centre shells), both of unequal width, or ``"blobs"`` (patches,
        several of them to a domain).
    resolution
        ``"spot"``: hexagonal grid, 100 micrometres apart, each spot a mixture of some 8 cells within 55 micrometres.
        ``"cell"``: single cells some 10 (and at least 4) micrometres apart.
    n_types
        Cell types. Each occurs in every domain, in other proportions; two by two they are alike.
    n_slices
        Slices of the same anatomy with cells of their own, turned by up to 45 degrees and shifted after the first;
        their coordinates overlap, as on real slides.
    signal
        How far domains differ in composition and program, from 0 (not at all) to 1. Everything else (gradients,
        cell states, noise) stays.
    library_size
        Mean counts of an observation of the first slice, before dropout.
    overdispersion
        Squared coefficient of variation beyond Poisson, :math:`\phi`.
    dropout
        Probability that a non-zero count is lost.
    batch_effect
        Standard deviation over genes of the log effect :math:`\beta` of each slice but the first.
    rates
        Also store expected counts :math:`\mu`, which take dense memory.
    image
        Also draw an H&E-like picture of each slice, see :func:`simulate_stain`.
    rng
        Seed or generator. The same seed gives the same tissue, to the bit.

    Returns
    -------
    AnnData with counts in ``X`` (CSR, float32) and

    - ``obs``: ``slice``, ``domain_true``, ``library_size_true``; for cells ``cell_type``; for spots ``in_tissue``,
      ``array_row``, ``array_col``, ``n_cells_true``
    - ``obsm``: ``spatial`` (micrometres, each slice in a frame of its own), ``anatomy_true`` (micrometres, in the
      frame that slices share), ``activity_true`` (:math:`z`), for spots ``proportions_true``
    - ``var``: ``module_true`` (program of the gene, or "none"), ``spatial_true`` (does it vary in space)
    - ``uns["simulation"]``: ``params``, ``composition`` (domains x types), ``profiles`` (types x genes), ``loadings``,
      ``batch_effects`` (slices x genes), ``transforms`` (for each slice the 3 x 3 homogeneous matrix from
      ``anatomy_true`` to ``spatial``) and the names that go with them
    - ``layers["rate_true"]`` with `rates`; ``uns["spatial"][slice]`` in scanpy's layout with `image`

    Raises
    ------
    InputError
        When an argument is out of its range.

    Examples
    --------
    >>> import spotweave as sw
    >>> adata = sw.datasets.simulate_tissue(500, n_genes=100, layout="rings", rng=1)
    >>> adata.shape, adata.obs["domain_true"].nunique()
    ((500, 100), 5)
    """
    params = TissueParams(
        n_obs=n_obs,
        n_genes=n_genes,
        n_domains=n_domains,
        layout=layout,
        resolution=resolution,
        n_types=n_types,
        n_slices=n_slices,
        signal=signal,
        library_size=library_size,
        overdispersion=overdispersion,
        dropout=dropout,
        batch_effect=batch_effect,
    )
    plan_rng, block_rng, image_rng = np.random.default_rng(rng).spawn(3)
    adata = draw_tissue(make_plan(params, plan_rng), block_rng, rates=rates)
    if image:
        add_stain(adata, image_rng)
    return adata


def draw_tissue(plan: Plan, rng: np.random.Generator, *, rates: bool) -> "AnnData":
    """Draw all observations of a plan."""
    import scipy.sparse as sp
    from anndata import AnnData

    counts, parts, means = [], [], []
    for block in iter_blocks(plan, rng):
        counts.append(block.counts)
        parts.append(obs_part(plan, block))
        if rates:
            means.append(block.rate)
    adata = AnnData(sp.vstack(counts, format="csr"), **assemble(plan, parts))
    if rates:
        adata.layers["rate_true"] = np.concatenate(means)
    return adata
