"""Reference cells mapped to spots, and what is known of the cells projected with them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from .._check import check_range
from .._gene_names import GeneMatch, match_genes
from .._table import get_codes, get_table, logger
from .._table import params as run_params
from ..core.deconvolution.mapping import CellMapping
from ..core.deconvolution.mapping import map_cells as learn_map
from ..core.imputation.pair import sizes, totals
from ._project import check_attributes, project
from ._two_tables import LEAST_SHARED, read_role

if TYPE_CHECKING:
    from anndata import AnnData


class CellMap(NamedTuple):
    """Result of `map_cells`."""

    weights: sp.csr_matrix
    """How each cell of the reference is spread over the spots ``[cells, spots]``, float32, rows sum to 1; a row of
    zeros is a cell without counts of shared genes, or one that was not drawn."""
    mass: pd.Series
    """Spots' worth of molecules that each cell of the reference stands for: how much of the tissue is like it."""
    projected: Mapping[str, pd.DataFrame]
    """For each attribute a table of spots: a column for each category, dimension, or one."""
    report: Mapping[str, Any]
    """Shared genes and how they were matched, cells used, entropy of the map, the objective, parameters."""

    @property
    def mixtures(self) -> sp.csr_matrix:
        """What each spot is made of: shares of its molecules by cell ``[spots, cells]``, rows sum to 1."""
        return sp.csr_matrix((sp.diags_array(self.mass.to_numpy()) @ self.weights).T)


def map_cells(
    adata: "AnnData",
    reference: "AnnData",
    *,
    attributes: str | Sequence[str] | None = None,
    labels_key: str | None = None,
    n_candidates: int = 100,
    n_genes: int = 400,
    layer: str | None = None,
    reference_layer: str | None = None,
    max_reference: int = 10_000,
    table_key: str = "table",
    rng: int | np.random.Generator = 0,
) -> CellMap:
    r"""Map the cells of a reference to the spots of a tissue.

    The idea of GraphST's and Tangram's mapping, made sparse: each spot is a mixture of few reference cells, learned so
    that its counts are likely, with a correction for what the platform catches of each gene; a cell counts as much as
    it explains, however many like it the reference has (`core.deconvolution.mapping.map_cells` has the formula).
    Whatever is known of the cells can then be looked at in space. For proportions of cell types alone see
    `tl.deconvolve`.

    Parameters
    ----------
    adata
        Spots with raw counts: AnnData, or a SpatialData object with this table.
    reference
        Single cells with raw counts. Genes are matched by id or symbol, of any case; every departure is said.
    attributes
        What to project: columns of ``reference.obs``, keys of ``reference.obsm``, or genes of the reference; in this
        order where a name is several. Categories become shares of the spot's molecules, numbers means over them,
        genes counts per 10,000. A cell whose value is missing does not count.
    labels_key
        Column of ``reference.obs`` with cell types: spots have candidates of each. None: of groups found by k-means.
    n_candidates
        Cells that each spot may be made of (besides those that choose the spot themselves).
    n_genes
        Genes to learn from, at most.
    layer, reference_layer
        Layers of raw counts; None: ``layers["counts"]`` when there, else ``X``.
    max_reference
        Cells of the reference that are used at most, drawn at random, as many of each type as there are.
    table_key
        Name of the table in SpatialData objects.
    rng
        Seed or generator. The same seed gives the same result on one machine.

    Returns
    -------
    The map, cells x spots, and what it projects. Nothing is written into either table.

    Raises
    ------
    InputError
        When identifiers, counts, attributes or arguments do not fit.

    Examples
    --------
    >>> import spotweave as sw
    >>> tissue = sw.datasets.simulate_tissue(200, n_genes=80, n_domains=3, resolution="spot")
    >>> cells = sw.datasets.simulate_reference(tissue, 300)
    >>> found = sw.tl.map_cells(tissue, cells, attributes="cell_type")
    >>> found.weights.shape
    (300, 200)
    """
    adata, reference = get_table(adata, table_key), get_table(reference, table_key)
    generator = np.random.default_rng(rng)
    check_range(max_reference, "max_reference", low=2, integer=True)
    attributes = [attributes] if isinstance(attributes, str) else list(attributes or [])
    check_attributes(reference, attributes)
    X, R = (
        read_role(adata, layer, "target", warn=False),
        read_role(reference, reference_layer, "reference"),
    )
    match = match_genes(
        adata.var, reference.var, least=LEAST_SHARED, target_totals=totals(X), reference_totals=totals(R)
    )
    shared = R[:, match.reference]
    group = get_codes(reference, labels_key, name="labels_key")
    rows = _drawn(sizes(shared) > 0, group, max_reference, generator)
    with threadpool_limits(1):  # sums in the same order whatever the machine
        found = learn_map(
            X[:, match.target],
            shared[rows],
            None if group is None else np.unique(group[rows], return_inverse=True)[1],
            n_candidates=n_candidates,
            n_genes=n_genes,
            rng=generator,
        )
    used = run_params(
        attributes=attributes,
        labels_key=labels_key,
        n_candidates=n_candidates,
        n_genes=n_genes,
        layer=layer,
        reference_layer=reference_layer,
        max_reference=max_reference,
        rng=rng if isinstance(rng, int | np.integer) else "generator",
    )
    mixtures = found.mixtures
    tables = {name: project(mixtures, reference[rows], R[rows], name, adata.obs_names) for name in attributes}
    mass = np.zeros(reference.n_obs)
    mass[rows] = found.mass
    all_rows = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, np.arange(len(rows)))), (len(mass), len(rows)))
    report = _said(found, match, len(rows)) | {"params": used}
    return CellMap(sp.csr_matrix(all_rows @ found.weights), pd.Series(mass, reference.obs_names), tables, report)


def _drawn(filled: np.ndarray, group: np.ndarray | None, most: int, rng: np.random.Generator) -> np.ndarray:
    """Rows of at most so many cells with counts, in order; where groups are known, small ones are kept whole."""
    rows = np.flatnonzero(filled)
    if len(rows) < len(filled):
        logger.warning("%d cells of the reference have no counts of shared genes", len(filled) - len(rows))
    if len(rows) <= most:
        return rows
    rows = rng.permutation(rows)
    if group is not None:
        turn = pd.Series(group[rows]).groupby(group[rows]).cumcount().to_numpy()
        rows = rows[np.argsort(turn, kind="stable")]
    return np.sort(rows[:most])


def _said(found: CellMapping, match: GeneMatch, n_reference: int) -> dict[str, Any]:
    return {
        "n_shared": len(match.names),
        "matched": match.how,
        "genes": [str(name) for name in match.names[found.genes]],
        "log_factor": found.log_factor,
        "n_reference": n_reference,
        "entropy": found.entropy,
        "objective": found.objective,
    }
