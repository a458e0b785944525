"""What the spatial tasks start from: components, coordinates, slides and a graph, read from an AnnData."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.sparse as sp

from .._check import fail, listing
from .._table import get_codes, get_coords, get_graph, logger
from ..core.graph import knn
from ..core.libraries import n_duplicates
from ..core.propagate import n_isolated, symmetrise
from ..pp import Prepared, prepare

if TYPE_CHECKING:
    from anndata import AnnData

N_COMPONENTS = 100
"""Principal components that are kept; the methods read as many of them as they need."""


@dataclass(frozen=True)
class Tissue:
    """What every method reads."""

    P: np.ndarray
    """Principal components [n, d]."""
    xy: np.ndarray
    """Coordinates [n, 2] or [n, 3]."""
    library: np.ndarray | None
    """Which slide each row lies on [n]."""
    W: sp.csr_matrix
    """Symmetric spatial graph without self loops [n, n]."""
    prepared: Prepared | None = None
    """Counts of the chosen genes; None when the features came from elsewhere."""


class Where(NamedTuple):
    """Where an AnnData keeps what lies in space."""

    spatial_key: str
    library_key: str | None
    graph_key: str | None


def read_tissue(
    adata: "AnnData",
    where: Where,
    *,
    layer: str | None,
    use_rep: str | None,
    genes: Sequence[str] | None,
    n_top_genes: int,
    rng: np.random.Generator,
    batch: np.ndarray | None = None,
    n_components: int = N_COMPONENTS,
) -> tuple[Tissue, Prepared | None]:
    """Check and read everything; the counts' part is None with `use_rep`. `batch`: see `prepare`."""
    if adata.n_obs < 2:
        raise fail("at least two cells", f"a table of {adata.n_obs}")
    xy, library = get_coords(adata, where.spatial_key), get_codes(adata, where.library_key)
    W = read_graph(adata, where.graph_key, xy, library)
    if use_rep is not None:
        tissue, prepared = Tissue(_embedding(adata, use_rep), xy, library, W), None
    else:
        prepared = prepare(
            adata, layer=layer, n_top=n_top_genes, n_components=n_components, genes=genes, batch=batch, rng=rng
        )
        tissue = Tissue(prepared.components.scores, xy, library, W, prepared)
    _log_oddities(tissue, prepared.n_empty if prepared else 0)
    return tissue, prepared


def _embedding(adata: "AnnData", use_rep: str) -> np.ndarray:
    if use_rep not in adata.obsm:
        raise fail(f"an embedding in adata.obsm[{use_rep!r}]", f"obsm keys {listing(adata.obsm)}")
    stored = adata.obsm[use_rep]
    try:
        H = np.asarray(stored.toarray() if sp.issparse(stored) else stored, np.float32)
    except (TypeError, ValueError):
        raise fail(
            f"numbers in adata.obsm[{use_rep!r}]", f"values that are none, in a {type(stored).__name__}"
        ) from None
    if H.ndim != 2 or not np.isfinite(H).all():
        raise fail(f"finite numbers of shape [n, d] in adata.obsm[{use_rep!r}]", f"shape {list(H.shape)}, or NaN")
    return H - H.mean(axis=0)


def read_graph(adata: "AnnData", graph_key: str | None, xy: np.ndarray, library: np.ndarray | None) -> sp.csr_matrix:
    """Return the named graph, symmetric and without loops; 6 nearest neighbours when None."""
    if graph_key is None:
        return symmetrise(knn(xy, n_neighs=6, library=library).connectivities)
    W = symmetrise(get_graph(adata, graph_key))
    W.setdiag(0)
    W.eliminate_zeros()
    if library is not None:
        edges = W.tocoo()
        crossing = int((library[edges.row] != library[edges.col]).sum())
        if crossing:
            raise fail(
                f"no edge between slides in adata.obsp[{graph_key!r}]",
                f"{crossing} of {W.nnz} that cross",
                "Build the graph with library_key=..., or leave library_key out to let slides touch.",
            )
    return W


def _log_oddities(tissue: Tissue, n_empty: int) -> None:
    if n_empty:
        logger.warning("%d cells have no counts; they get the domain of their surroundings", n_empty)
    twins, alone = n_duplicates(tissue.xy, tissue.library), n_isolated(tissue.W)
    if twins:
        logger.warning("%d points lie exactly where another one lies; they are neighbours", twins)
    if alone:
        logger.warning("%d points have no neighbour; they are labelled by their own features", alone)
