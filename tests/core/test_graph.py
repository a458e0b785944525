"""Spatial graphs against squidpy's stored results, slow loops and degenerate input."""

import hashlib

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.neighbors import NearestNeighbors

from spotweave import InputError
from spotweave.core import graph


def sunflower(n: int) -> np.ndarray:
    """Points without ties: a spiral that turns by 2.4 radians."""
    i = np.arange(n)
    return 100 * np.sqrt(i + 0.5)[:, None] * np.column_stack([np.cos(2.4 * i), np.sin(2.4 * i)])


def hexagons() -> np.ndarray:
    """A hexagonal lattice in whole pixels with holes, as Visium has it."""
    row, col = np.divmod(np.arange(13 * 11), 11)
    xy = np.column_stack([137 * (col + row % 2 / 2), 137 * np.sqrt(0.75) * row]).round()
    return xy[(row * 7 + col * 3) % 19 > 0]


def libraries(n: int) -> np.ndarray:
    return np.arange(n) ** 2 % 3  # 0 and 1, interleaved


def digest(W: sp.csr_matrix) -> str:
    W = W.sorted_indices()
    return hashlib.sha256(np.concatenate([W.indptr, W.indices]).astype("<i4").tobytes()).hexdigest()[:16]


def neighbours(W: sp.csr_matrix) -> list[list[int]]:
    return [sorted(W.indices[W.indptr[i] : W.indptr[i + 1]].tolist()) for i in range(W.shape[0])]


def edges(W: sp.csr_matrix) -> set[tuple[int, int]]:
    return {(i, j) for i, row in enumerate(neighbours(W)) for j in row}


def distance_matrix(xy: np.ndarray) -> np.ndarray:
    return np.array([[np.sqrt(((a - b) ** 2).sum()) for b in xy] for a in xy])


# name, options, two libraries?, edges, digest of the pattern, sum of the lengths: from squidpy 1.8.2
SQUIDPY = [
    ("knn", {"n_neighs": 6}, False, 1266, "4d5b8b55ebfd33b1", 261050.282238),
    ("knn", {"n_neighs": 6}, True, 1266, "c94a5d7ede5af280", 362277.14167),
    ("radius", {"radius": 250.0}, False, 1136, "55a5bf52a3db74f8", 221400.120876),
    ("radius", {"radius": 250.0}, True, 622, "0eacab9bebee9f46", 118503.619272),
    ("radius", {"radius": (200.0, 350.0)}, False, 1254, "e8f35b2c8d61cc65", 353482.993218),
    ("radius", {"radius": (350.0, 200.0)}, True, 566, "b1f0413f2ed1b418", 162846.792589),
    ("delaunay", {}, False, 1218, "369995a054919853", 250552.059971),
    ("delaunay", {}, True, 1202, "9858edbaee466746", 394958.523291),
    ("grid", {}, False, 670, "72f7521e9000da80", 670.0),
    ("grid", {}, True, 684, "fcd7c15bf5da8af8", 684.0),
    ("grid", {"n_rings": 3}, False, 3416, "9cefc9aa7eea8ab5", 7742.0),
    ("grid", {"n_rings": 3}, True, 3323, "162af4d57565504d", 7460.0),
]


@pytest.mark.parametrize(("name", "options", "two_libraries", "n_edges", "pattern", "total"), SQUIDPY)
def test_graph_equals_stored_squidpy(name, options, two_libraries, n_edges, pattern, total):
    xy = hexagons() if name == "grid" else sunflower(211)
    library = libraries(len(xy)) if two_libraries else None
    W, D = getattr(graph, name)(xy, library=library, **options)
    assert W.nnz == D.nnz == n_edges
    assert digest(W) == digest(D) == pattern
    np.testing.assert_allclose(D.sum(), total, rtol=1e-9)
    assert (W.data == 1).all()
    assert W.dtype == np.float32
    assert D.dtype == (np.float32 if name == "grid" else np.float64)


def test_knn_equals_stored_squidpy_edge_by_edge():
    W, D = graph.knn(sunflower(7), n_neighs=2)
    assert neighbours(W) == [[2, 3], [4, 6], [0, 5], [0, 6], [1, 2], [0, 2], [1, 3]]
    expected = [
        167.462,
        154.611,
        168.491,
        165.231,
        167.462,
        186.771,
        154.611,
        204.858,
        168.491,
        253.24,
        178.92,
        186.771,
    ]
    np.testing.assert_allclose(D.data, [*expected, 165.231, 204.858], atol=5e-4)


def test_delaunay_equals_stored_squidpy_edge_by_edge():
    expected = [[1, 2, 3, 5], [0, 2, 3, 4, 6], [0, 1, 4, 5], [0, 1, 5, 6], [1, 2, 6], [0, 2, 3], [1, 3, 4]]
    assert neighbours(graph.delaunay(sunflower(7)).connectivities) == expected


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("k", [1, 4, 30])  # 30 of 53: scikit-learn compares all pairs
def test_knn_matches_loop(rng, d, k):
    xy, library = rng.normal(size=(53, d)), np.array(["b", "a"])[rng.integers(0, 2, 53)]
    W, D = graph.knn(xy, n_neighs=k, library=library)
    lengths = distance_matrix(xy)
    for i in range(53):
        others = [j for j in range(53) if j != i and library[j] == library[i]]
        expected = sorted(others, key=lambda j: lengths[i, j])[:k]
        assert neighbours(W)[i] == sorted(expected)
        np.testing.assert_allclose(D[i, expected].toarray().ravel(), lengths[i, expected])


@pytest.mark.parametrize(("side", "k"), [(6, 20), (20, 6)])  # all pairs are compared in the first case, not the second
def test_knn_breaks_ties_as_squidpy(side, k):
    xy = np.array([[x, y] for x in range(side) for y in range(side)]) * 137.3
    expected = NearestNeighbors(n_neighbors=k).fit(xy).kneighbors(return_distance=False)  # what squidpy calls
    np.testing.assert_array_equal(graph.knn(xy, n_neighs=k).connectivities.indices.reshape(-1, k), np.sort(expected, 1))


@pytest.mark.parametrize("interval", [0.4, (0.2, 0.5)])
def test_radius_matches_loop(rng, interval):
    xy, library = rng.random((41, 2)), rng.integers(0, 3, 41)
    low, high = interval if isinstance(interval, tuple) else (0, interval)
    D = graph.radius(xy, radius=interval, library=library).distances
    lengths = distance_matrix(xy)
    together = library[:, None] == library
    np.fill_diagonal(together, val=False)
    expected = np.where(together & (lengths >= low) & (lengths <= high), lengths, 0)
    np.testing.assert_allclose(D.toarray(), expected)


def test_radius_includes_its_end():
    W = graph.radius(np.array([[0.0, 0], [3, 4], [6, 8.1]]), radius=5).connectivities
    assert edges(W) == {(0, 1), (1, 0)}


def test_delaunay_is_empty_circumcircle(rng):
    xy = rng.random((23, 2))
    expected = set()
    for a in range(23):
        for b in range(a):
            for c in range(b):
                A = np.column_stack([2 * (xy[b] - xy[a]), 2 * (xy[c] - xy[a])]).T
                centre = np.linalg.solve(A, [(xy[b] ** 2 - xy[a] ** 2).sum(), (xy[c] ** 2 - xy[a] ** 2).sum()])
                r = np.linalg.norm(centre - xy[a])
                if (np.linalg.norm(xy - centre, axis=1) > r * (1 - 1e-9)).all():
                    expected |= {(a, b), (b, a), (a, c), (c, a), (b, c), (c, b)}
    W, D = graph.delaunay(xy)
    assert edges(W) == expected
    np.testing.assert_allclose(D.toarray(), np.where(W.toarray() > 0, distance_matrix(xy), 0))


def test_delaunay_radius_prunes_only(rng):
    xy = rng.random((60, 2))
    D = graph.delaunay(xy).distances
    for low, high in [(0.0, 0.2), (0.1, 0.2)]:
        keep = (D.data >= low) & (D.data <= high)
        pruned = graph.delaunay(xy, radius=(low, high) if low else high).distances
        np.testing.assert_allclose(np.sort(pruned.data), np.sort(D.data[keep]))
        assert 0 < pruned.nnz < D.nnz


def test_grid_rings_match_breadth_first_search():
    xy = hexagons()
    lengths = distance_matrix(xy)
    near = (lengths > 0) & (lengths < 1.3 * 137)
    _, D = graph.grid(xy, n_rings=4)
    for i in range(0, len(xy), 7):
        steps = np.full(len(xy), 0)
        frontier, seen = {i}, {i}
        for ring in range(1, 5):
            frontier = {j for f in frontier for j in np.flatnonzero(near[f]).tolist()} - seen
            seen |= frontier
            steps[list(frontier)] = ring
        np.testing.assert_array_equal(D[[i]].toarray().ravel(), steps)


def test_grid_of_squares():
    xy = np.array([[x, y] for x in range(5) for y in range(7)], dtype=float) * 100
    W = graph.grid(xy, n_neighs=4).connectivities
    lengths = distance_matrix(xy)
    np.testing.assert_array_equal(W.toarray(), lengths == 100)


def test_grid_infers_spacing_library_by_library():
    xy = np.vstack([hexagons(), 10 * hexagons()])
    library = np.repeat([0, 1], len(xy) // 2)
    W = graph.grid(xy, library=library).connectivities
    one = graph.grid(hexagons()).connectivities
    assert abs(W - sp.block_diag([one, one])).nnz == 0


@pytest.mark.parametrize(("copies", "n_joined"), [(5, 6), (9, 6)])
def test_grid_of_many_duplicates_has_no_isolated_point(copies, n_joined):
    W = graph.grid(np.repeat(hexagons(), copies, axis=0)).connectivities
    assert (np.diff(W.indptr) == n_joined).all()


@pytest.mark.parametrize("k", [2, 6, 11])
def test_duplicates_are_joined_by_zero_edges(rng, k):
    xy = rng.random((40, 2))
    xy[[5, 17, 30]] = xy[2]  # four at one place: more than k=2 can show
    W, D = graph.knn(xy, n_neighs=k)
    assert (np.diff(W.indptr) == k).all()
    assert W.diagonal().sum() == 0
    for i in (2, 5, 17, 30):
        twins = {2, 5, 17, 30} - {i}
        assert len(twins & set(neighbours(W)[i])) == min(k, 3)
    assert (D.data == 0).sum() == 4 * min(k, 3)
    assert D.nnz == W.nnz


@pytest.mark.parametrize("n", [3, 9, 80])
def test_knn_of_one_place_only(n):
    W, D = graph.knn(np.ones((n, 2)), n_neighs=2)
    assert (np.diff(W.indptr) == 2).all()
    assert W.diagonal().sum() == 0
    assert not D.data.any()


def test_radius_and_delaunay_join_duplicates(rng):
    xy = rng.random((40, 2))
    xy[[5, 17]] = xy[2]
    pairs = {(2, 5), (5, 2), (2, 17), (17, 2), (5, 17), (17, 5)}
    assert edges(graph.radius(xy, radius=1e-9).connectivities) == pairs
    W, D = graph.delaunay(xy)
    own = edges(W) & pairs
    assert len(own) == 4  # two of the three hang on the third, which is the corner
    assert all(D[i, j] == 0 for i, j in own)
    assert (W != W.T).nnz == 0
    corners = edges(graph.delaunay(np.delete(xy, [5, 17], axis=0)).connectivities)
    assert len(edges(W)) == len(corners) + 4


@pytest.mark.parametrize("name", ["knn", "delaunay", "grid"])
def test_libraries_of_any_small_size(name):
    xy = np.array([[0, 0], [1, 0], [2, 0.5], [0, 0], [5, 5], [6, 6], [0.1, 3], [9, 9]], dtype=float)
    library = np.array([0, 0, 0, 1, 2, 2, 0, 3])
    W = getattr(graph, name)(xy, library=library).connectivities
    assert {(4, 5), (5, 4)} <= edges(W)
    assert not neighbours(W)[3]
    assert not neighbours(W)[7]
    assert all(library[i] == library[j] for i, j in edges(W))


def test_knn_joins_a_small_library_completely():
    W = graph.knn(sunflower(4), n_neighs=9).connectivities
    np.testing.assert_array_equal(W.toarray(), 1 - np.eye(4))


@pytest.mark.parametrize("name", ["knn", "delaunay", "grid"])
def test_no_points(name):
    W, D = getattr(graph, name)(np.empty((0, 2)))
    assert W.shape == D.shape == (0, 0)
    assert graph.radius(np.empty((0, 2)), radius=1).connectivities.shape == (0, 0)


def test_rows_may_come_in_any_order(rng):
    xy, library = sunflower(101), libraries(101)
    order = rng.permutation(101)
    for name, options in [("knn", {}), ("radius", {"radius": 300}), ("delaunay", {}), ("grid", {"n_rings": 2})]:
        D = getattr(graph, name)(xy, library=library, **options).distances
        shuffled = getattr(graph, name)(xy[order], library=library[order], **options).distances
        assert abs(D[order][:, order] - shuffled).max() < 1e-9, name


def test_matrices_do_not_share_memory():
    for W, D in [graph.knn(sunflower(9), n_neighs=2), graph.grid(hexagons(), n_rings=2)]:
        assert not np.shares_memory(W.indices, D.indices)
        assert not np.shares_memory(W.indptr, D.indptr)


@pytest.mark.parametrize("radius", [0, -1, np.nan, np.inf, (1, 2, 3), (-1, 2), (0, 0), "5", True, None])
def test_radius_refuses(radius):
    with pytest.raises(InputError, match="radius"):
        graph.radius(sunflower(5), radius=radius)


def test_radius_refuses_what_would_not_fit(monkeypatch):
    monkeypatch.setattr(graph, "MOST_EDGES", 1000)
    with pytest.raises(InputError, match="about 100 neighbours"):
        graph.radius(sunflower(100), radius=1e6)
    assert graph.radius(sunflower(100), radius=200).connectivities.nnz


@pytest.mark.parametrize("name", ["knn", "grid"])
@pytest.mark.parametrize("n_neighs", [0, -3, 2.5, True])
def test_n_neighs_refuses(name, n_neighs):
    with pytest.raises(InputError, match="n_neighs"):
        getattr(graph, name)(sunflower(5), n_neighs=n_neighs)


def test_coordinates_and_libraries_refused():
    xy = sunflower(5)
    xy[3, 1] = np.nan
    with pytest.raises(InputError, match="1 of 5 rows"):
        graph.knn(xy)
    with pytest.raises(InputError, match="a library for each of 5 rows"):
        graph.delaunay(sunflower(5), library=np.zeros(4))
    with pytest.raises(InputError, match="n_rings"):
        graph.grid(sunflower(5), n_rings=0)
