import numpy as np
import pytest

from spotweave import InputError
from spotweave.core import feature_graph
from spotweave.core.feature_graph import feature_knn


def loop(H: np.ndarray, k: int, metric: str, library: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours and distances, one pair at a time."""
    n = len(H)
    distance = np.empty((n, n))
    for i in range(n):
        for j in range(n):
            cosine = H[i] @ H[j] / np.linalg.norm(H[i]) / np.linalg.norm(H[j])
            distance[i, j] = 1 - cosine if metric == "cosine" else np.sqrt(((H[i] - H[j]) ** 2).sum())
    ranked = np.where(library[:, None] == library, distance, np.inf) + np.diag(np.full(n, np.inf))
    return np.sort(np.argsort(ranked, axis=1)[:, :k], axis=1), distance


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("two_libraries", [False, True])
@pytest.mark.parametrize("most_scores", [4_000_000, 500])
def test_exact_search_matches_loop(rng, monkeypatch, metric, two_libraries, most_scores):
    monkeypatch.setattr(feature_graph, "MOST_SCORES", most_scores)  # 500: blocks of a few rows
    H = rng.normal(size=(71, 5)) * np.linspace(3, 0.5, 5) + 1
    library = rng.integers(0, 2, 71) if two_libraries else np.zeros(71)
    W, D = feature_knn(H, n_neighs=6, metric=metric, library=library if two_libraries else None)
    expected, distance = loop(H, 6, metric, library)
    np.testing.assert_array_equal(W.indices.reshape(71, 6), expected)
    np.testing.assert_allclose(D.data.reshape(71, 6), np.take_along_axis(distance, expected, 1), rtol=1e-4)
    assert W.dtype == np.float32
    assert (W.data == 1).all()


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_search_by_cells_finds_nearly_all(rng, monkeypatch, metric):
    monkeypatch.setattr(feature_graph, "EXACT_ROWS", 10**9)
    H = rng.normal(size=(12, 10))[rng.integers(0, 12, 6000)] * 2 + rng.normal(size=(6000, 10))
    exact = feature_knn(H, metric=metric)
    monkeypatch.setattr(feature_graph, "EXACT_ROWS", 100)
    monkeypatch.setattr(feature_graph, "N_PROBES", 24)  # of 60 cells
    cells = feature_knn(H, metric=metric)
    assert (np.diff(cells.connectivities.indptr) == 20).all()
    assert cells.connectivities.diagonal().sum() == 0
    found = cells.connectivities.multiply(exact.connectivities).nnz / exact.connectivities.nnz
    assert 0.97 < found < 1
    both = exact.connectivities.multiply(cells.connectivities)
    gap = (exact.distances - cells.distances).multiply(both)
    assert abs(gap).max() == 0  # a neighbour found has the same distance either way


def test_search_by_cells_same_seed_same_graph(rng, monkeypatch):
    monkeypatch.setattr(feature_graph, "EXACT_ROWS", 100)
    monkeypatch.setattr(feature_graph, "N_PROBES", 3)
    H = rng.normal(size=(3000, 6))
    first, again, other = (feature_knn(H, rng=seed).connectivities for seed in (0, 0, 1))
    assert (first != again).nnz == 0
    assert (first != other).nnz > 0


def test_search_by_cells_opens_more_cells_when_few_rows(rng, monkeypatch):
    monkeypatch.setattr(feature_graph, "EXACT_ROWS", 100)
    monkeypatch.setattr(feature_graph, "N_PROBES", 1)
    W, _ = feature_knn(rng.normal(size=(1500, 4)), n_neighs=400)
    assert (np.diff(W.indptr) == 400).all()


@pytest.mark.parametrize("exact_rows", [30_000, 10])
def test_identical_rows_and_zero_rows(monkeypatch, rng, exact_rows):
    monkeypatch.setattr(feature_graph, "EXACT_ROWS", exact_rows)
    H = np.zeros((400, 3))
    H[:200] = rng.normal(size=(200, 3))
    W, D = feature_knn(H, n_neighs=5)
    assert (np.diff(W.indptr) == 5).all()
    assert W.diagonal().sum() == 0
    assert (W[200:].indices >= 200).all()  # rows of zeros are at distance 0 of each other
    assert not D[200:].data.any()
    half = feature_knn(np.vstack([np.zeros(3), np.eye(3)]), n_neighs=3).distances[[0]].data
    np.testing.assert_allclose(half, 0.5)


def test_small_library_is_joined_completely(rng):
    W, _ = feature_knn(rng.normal(size=(6, 3)), n_neighs=20, library=np.array([0, 0, 0, 0, 1, 2]))
    np.testing.assert_array_equal(np.diff(W.indptr), [3, 3, 3, 3, 0, 0])
    assert feature_knn(np.empty((0, 3))).connectivities.shape == (0, 0)


def test_offset_does_not_eat_digits(rng):
    H = rng.normal(size=(50, 3))
    far = feature_knn(H + 1e6, n_neighs=5, metric="euclidean")
    assert (far.connectivities != feature_knn(H, n_neighs=5, metric="euclidean").connectivities).nnz == 0


@pytest.mark.parametrize(
    ("H", "options", "message"),
    [
        (np.array([[0.0, 1], [np.nan, 1], [2, 2]]), {}, "1 of 3 rows"),
        (np.array([["a", "b"]]), {}, "numbers"),
        (np.ones(4), {}, r"\[n, d\]"),
        (np.ones((4, 2)), {"n_neighs": 0}, "n_neighs"),
        (np.ones((4, 2)), {"metric": "manhattan"}, "metric"),
        (np.ones((4, 2)), {"library": np.zeros(3)}, "a library for each of 4 rows"),
    ],
)
def test_refuses(H, options, message):
    with pytest.raises(InputError, match=message):
        feature_knn(H, **options)
