"""Neighbour graphs of an AnnData: from coordinates, under squidpy's keys, and from features."""

import logging
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp

from . import _keys as keys
from ._check import fail, listing
from ._table import get_codes, get_coords, get_table, params, write
from .core import feature_graph
from .core import graph as build
from .core.graph import Graph
from .core.libraries import n_duplicates
from .core.propagate import max_in_degree, n_isolated, symmetrise

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Graph", "delaunay", "features", "grid", "knn", "radius"]

logger = logging.getLogger("spotweave")


def knn(
    adata: "AnnData",
    *,
    n_neighs: int = 6,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    table_key: str = "table",
    key_added: str = keys.SPATIAL,
    copy: bool = False,
) -> Graph | None:
    """Join each cell or spot to its `n_neighs` nearest others.

    The graph is directed and written as ``squidpy.gr.spatial_neighbors_knn`` writes it. Points at the same place are
    neighbours of each other; their number, and a library of at most `n_neighs` points (joined completely), are
    logged. Of equally distant points (square lattices have many) an arbitrary one is kept: use `grid` there.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    n_neighs
        Neighbours per point.
    spatial_key
        Coordinates in ``adata.obsm``, ``[n, 2]`` or ``[n, 3]``.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on; no edge crosses slides. None for one slide.
    table_key
        Name of the table in a SpatialData object.
    key_added
        Prefix of the keys.
    copy
        Return the graph and leave `adata` alone.

    Returns
    -------
    None, or with `copy` a NamedTuple ``(connectivities, distances)``. Writes
    ``adata.obsp[f"{key_added}_connectivities"]`` (CSR, float32, ones), ``adata.obsp[f"{key_added}_distances"]`` (CSR,
    float64, unit of the coordinates; lengths of 0 are not stored) and ``adata.uns[f"{key_added}_neighbors"]``.

    Raises
    ------
    InputError
        No or non-finite coordinates, a missing column, NaN in it, or ``n_neighs < 1``.
    """
    adata, xy, library = _read(adata, table_key, spatial_key, library_key)
    graph = build.knn(xy, n_neighs=n_neighs, library=library)
    _log_small(len(xy), library, n_neighs)
    described = {"coord_type": "generic", "n_neighbors": n_neighs, "transform": None}
    return _finish(adata, graph, described, key_added, copy=copy)


def radius(
    adata: "AnnData",
    *,
    radius: float | tuple[float, float],
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    table_key: str = "table",
    key_added: str = keys.SPATIAL,
    copy: bool = False,
) -> Graph | None:
    """Join all cells or spots at most `radius` apart.

    Written as ``squidpy.gr.spatial_neighbors_radius`` writes it (but for two radii, which are stored as a list, for
    h5ad cannot hold a tuple). The number of points without any neighbour is logged.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    radius
        Largest distance in the unit of the coordinates, or ``(smallest, largest)``; both ends are included.
    spatial_key
        Coordinates in ``adata.obsm``, ``[n, 2]`` or ``[n, 3]``.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on; no edge crosses slides. None for one slide.
    table_key
        Name of the table in a SpatialData object.
    key_added
        Prefix of the keys.
    copy
        Return the graph and leave `adata` alone.

    Returns
    -------
    None, or with `copy` a NamedTuple ``(connectivities, distances)``; writes the keys of `knn`.

    Raises
    ------
    InputError
        No or non-finite coordinates, a missing column, NaN in it, a radius that is not positive, or one so large that
        the graph would not fit into memory.
    """
    adata, xy, library = _read(adata, table_key, spatial_key, library_key)
    graph = build.radius(xy, radius=radius, library=library)
    described = {"coord_type": "generic", "radius": _plain(radius), "transform": None}
    return _finish(adata, graph, described, key_added, copy=copy)


def delaunay(
    adata: "AnnData",
    *,
    radius: float | tuple[float, float] | None = None,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    table_key: str = "table",
    key_added: str = keys.SPATIAL,
    copy: bool = False,
) -> Graph | None:
    """Join the corners of the triangles of the Delaunay triangulation.

    Written as ``squidpy.gr.spatial_neighbors_delaunay`` writes it. Unlike there, points at the same place keep an
    edge to one of them, and points on one line are joined in a row.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    radius
        Keep edges of at most this length, or of a length within ``(smallest, largest)``: removes the long edges
        across holes and along the rim. None keeps all.
    spatial_key
        Coordinates in ``adata.obsm``, ``[n, 2]`` or ``[n, 3]``.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on; no edge crosses slides. None for one slide.
    table_key
        Name of the table in a SpatialData object.
    key_added
        Prefix of the keys.
    copy
        Return the graph and leave `adata` alone.

    Returns
    -------
    None, or with `copy` a NamedTuple ``(connectivities, distances)``; writes the keys of `knn`.

    Raises
    ------
    InputError
        No or non-finite coordinates, a missing column, NaN in it, or a radius that is not positive.
    """
    adata, xy, library = _read(adata, table_key, spatial_key, library_key)
    graph = build.delaunay(xy, library=library, radius=radius)
    kept = None if radius is None else list(build.interval(radius))
    described = {"coord_type": "generic", "radius": kept, "transform": None}
    return _finish(adata, graph, described, key_added, copy=copy)


def grid(
    adata: "AnnData",
    *,
    n_neighs: int = 6,
    n_rings: int = 1,
    spatial_key: str = keys.SPATIAL,
    library_key: str | None = None,
    table_key: str = "table",
    key_added: str = keys.SPATIAL,
    copy: bool = False,
) -> Graph | None:
    """Join the neighbouring spots of a lattice (Visium, Visium HD, ST).

    Written as ``squidpy.gr.spatial_neighbors_grid`` writes it. The spacing is inferred slide by slide.

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    n_neighs
        Neighbours of an inner place: 6 on a hexagonal lattice (Visium), 4 on a square one (ST, Visium HD).
    n_rings
        How many rings of neighbours to join.
    spatial_key
        Coordinates in ``adata.obsm``, ``[n, 2]``.
    library_key
        Column of ``adata.obs`` that says which slide a row lies on; no edge crosses slides. None for one slide.
    table_key
        Name of the table in a SpatialData object.
    key_added
        Prefix of the keys.
    copy
        Return the graph and leave `adata` alone.

    Returns
    -------
    None, or with `copy` a NamedTuple ``(connectivities, distances)``; writes the keys of `knn`, with distances in
    steps (float32) instead of a length.

    Raises
    ------
    InputError
        No or non-finite coordinates, a missing column, NaN in it, ``n_neighs < 1`` or ``n_rings < 1``.
    """
    adata, xy, library = _read(adata, table_key, spatial_key, library_key)
    graph = build.grid(xy, n_neighs=n_neighs, n_rings=n_rings, library=library)
    described = {"coord_type": "grid", "n_neighbors": n_neighs, "n_rings": n_rings, "delaunay": False}
    return _finish(adata, graph, {**described, "transform": None}, key_added, copy=copy)


def features(
    adata: "AnnData",
    *,
    n_neighs: int = 20,
    use_rep: str = "X_pca",
    metric: Literal["cosine", "euclidean"] = "cosine",
    symmetry: Literal["union", "mutual"] = "union",
    library_key: str | None = None,
    table_key: str = "table",
    key_added: str = keys.FEATURE,
    rng: int | np.random.Generator = 0,
    copy: bool = False,
) -> Graph | None:
    """Join each cell or spot to the `n_neighs` whose features are most like its own, and make the graph symmetric.

    Exact up to 30,000 rows, approximate above (see `spotweave.core.feature_graph.feature_knn`).

    Parameters
    ----------
    adata
        AnnData, or a SpatialData object with this table.
    n_neighs
        Neighbours per row before the graph is made symmetric.
    use_rep
        Reduced features in ``adata.obsm``, ``[n, d]``.
    metric
        ``"cosine"`` or ``"euclidean"``.
    symmetry
        ``"union"`` keeps an edge that either end has, ``"mutual"`` one that both have (less prone to hubs, but it may
        isolate rows).
    library_key
        Look for neighbours within each slide only. None looks everywhere.
    table_key
        Name of the table in a SpatialData object.
    key_added
        Prefix of the keys.
    rng
        Seed of the approximate search.
    copy
        Return the graph and leave `adata` alone.

    Returns
    -------
    None, or with `copy` a NamedTuple ``(connectivities, distances)``, both symmetric. Writes
    ``adata.obsp[f"{key_added}_connectivities"]`` (CSR, float32, ones) and ``adata.uns[f"{key_added}_neighbors"]``
    with the parameters and ``max_in_degree``: how many rows chose the most popular one (`n_neighs` without hubs).

    Raises
    ------
    InputError
        No such features, NaN in them, a missing column, NaN in it, or ``n_neighs < 1``.
    """
    adata = get_table(adata, table_key)
    H, library = _features(adata, use_rep), get_codes(adata, library_key)
    directed = feature_graph.feature_knn(H, n_neighs=n_neighs, metric=metric, library=library, rng=rng)
    graph = Graph(symmetrise(directed.connectivities, symmetry), symmetrise(directed.distances, symmetry))
    _log_isolated(graph)
    if copy:
        return graph
    described = params(n_neighbors=n_neighs, use_rep=use_rep, metric=metric, symmetry=symmetry)
    described["max_in_degree"] = max_in_degree(directed.connectivities)
    key = keys.connectivities(key_added)
    description = {"connectivities_key": key, "params": described}
    write(adata, {("obsp", key): graph.connectivities, ("uns", keys.neighbors(key_added)): description})
    return None


def _read(
    adata: "AnnData", table_key: str, spatial_key: str, library_key: str | None
) -> tuple["AnnData", np.ndarray, np.ndarray | None]:
    adata = get_table(adata, table_key)
    xy, library = get_coords(adata, spatial_key), get_codes(adata, library_key)
    if duplicates := n_duplicates(xy, library):
        logger.warning("%d of %d points lie exactly where another one lies", duplicates, len(xy))
    return adata, xy, library


def _features(adata: "AnnData", use_rep: str) -> np.ndarray:
    if use_rep not in adata.obsm:
        remedy = "Run scanpy.pp.pca(adata) first or pass use_rep=..."
        raise fail(f"features in adata.obsm[{use_rep!r}]", f"obsm keys {listing(adata.obsm)}", remedy)
    H = adata.obsm[use_rep]
    return H.toarray() if sp.issparse(H) else np.asarray(H)


def _finish(adata: "AnnData", graph: Graph, described: dict[str, Any], key_added: str, *, copy: bool) -> Graph | None:
    _log_isolated(graph)
    graph.distances.eliminate_zeros()  # squidpy stores no lengths of 0
    if copy:
        return graph
    to, length = keys.connectivities(key_added), keys.distances(key_added)
    description = {"connectivities_key": to, "distances_key": length, "params": described}
    results = {("obsp", to): graph.connectivities, ("obsp", length): graph.distances}
    write(adata, {**results, ("uns", keys.neighbors(key_added)): description})
    return None


def _log_isolated(graph: Graph) -> None:
    if isolated := n_isolated(graph.connectivities):
        logger.warning("%d of %d points have no neighbour", isolated, graph.connectivities.shape[0])


def _log_small(n: int, library: np.ndarray | None, n_neighs: int) -> None:
    sizes = np.array([n]) if library is None else np.bincount(library)
    if (small := sizes[sizes <= n_neighs]).size:
        logger.warning(
            "%d of %d libraries have at most n_neighs=%d points (smallest: %d): each of these points is joined to all "
            "others of its library", small.size, sizes.size, n_neighs, small.min(),
        )  # fmt: skip


def _plain(radius: float | tuple[float, float]) -> float | list[float]:
    return float(radius) if isinstance(radius, int | float) else list(build.interval(radius))
