"""The fusion network: views, training, tiles, slides, seeds."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from spotweave.core.feature_graph import feature_knn
from spotweave.core.graph import knn
from spotweave.core.losses import total
from spotweave.core.propagate import row_normalise, symmetrise
from spotweave.core.tiles import spatial_tiles
from spotweave.core.train import seeded
from spotweave.models import fusion
from spotweave.models.fusion import Batch, Fusion, FusionParams, fit_fusion

SMALL = FusionParams(n_latent=6, n_hidden=16, n_heads=2, n_epochs=12, batch_size=64)


@pytest.fixture
def layers(rng):
    """Components, spatial and feature operators and coordinates of simulated layers."""
    xy = rng.random((401, 2))
    truth = (4 * xy[:, 0]).astype(int)
    P = (3 * np.eye(4, 10)[truth] + rng.normal(size=(401, 10))).astype(np.float32)
    return P, *operators(xy, P), xy


def operators(xy, P, library=None):
    S = row_normalise(symmetrise(knn(xy, n_neighs=6, library=library).connectivities)).astype(np.float32)
    graph = feature_knn(P, n_neighs=8, metric="euclidean", library=library, rng=np.random.default_rng(0))
    return S, row_normalise(symmetrise(graph.connectivities)).astype(np.float32)


def fitted(layers, *, seed=0, max_size=150, params=SMALL):
    P, S, F, xy = layers
    tiles = spatial_tiles(xy, max_size=max_size)
    return fit_fusion(P, S, F, tiles, params=params, rng=np.random.default_rng(seed), progress=False)


def some_batch(n=30, d=5, n_hops=2):
    shapes = [(n, n_hops * d), (n, 2 * d), (n, d), (n, n_hops * d), (n, 2 * d)]
    return Batch(*(torch.randn(s) for s in shapes))


def test_views_are_propagations_on_the_whole_graph(layers):
    P, S, F, xy = layers
    for rows in spatial_tiles(xy, max_size=90):
        view = fusion._views(P, S, F, rows, 2)
        np.testing.assert_allclose(view["spatial"], np.hstack([S @ P, S @ (S @ P)])[rows], atol=1e-5)
        np.testing.assert_allclose(view["features"], np.hstack([P, F @ P])[rows], atol=1e-5)
        for position, i in enumerate(rows):
            neighbours = [j for j in S[[i]].indices if j != i]
            np.testing.assert_allclose(view["target"][position], P[neighbours].mean(axis=0), atol=1e-5)
            own = view["partner"][view["start"][position] : view["start"][position + 1]]
            assert set(rows[own]) == {*neighbours, i} & set(rows)


def test_target_leaves_out_the_row_itself(layers):
    P, S, F, _ = layers
    changed = P.copy()
    changed[10] += 50
    a, b = (fusion._views(X, S, F, np.arange(401), 2)["target"] for X in (P, changed))
    np.testing.assert_allclose(a[10], b[10], atol=1e-4)
    assert not np.allclose(a, b)


def test_isolated_row_is_its_own_target_and_partner(layers):
    P, S, F, _ = layers
    W = S.tolil()
    W[5], W[:, 5] = 0, 0
    W[5, 5] = 1
    view = fusion._views(P, sp.csr_matrix(W), F, np.arange(401), 2)
    np.testing.assert_array_equal(view["target"][5], P[5])
    np.testing.assert_array_equal(view["partner"][view["start"][5] : view["start"][6]], [5])


def test_batches_show_each_row_once_with_a_neighbour_of_its_tile(layers):
    P, S, F, xy = layers
    tiles = spatial_tiles(xy, max_size=120)
    pool = fusion._pool([fusion._views(P, S, F, rows, 2) for rows in tiles])
    order = np.concatenate(tiles)
    batches = list(fusion._batches(pool, 64, np.random.default_rng(0), torch.device("cpu")))
    assert {len(b.target) for b in batches} <= {66, 67}
    own = np.concatenate([b.features[:, :10].numpy() for b in batches])
    other = np.concatenate([b.neighbour_features[:, :10].numpy() for b in batches])
    position = {row.tobytes(): i for i, row in enumerate(P)}
    i, j = ([position[row.tobytes()] for row in X] for X in (own, other))
    assert sorted(i) == sorted(order)
    assert (np.asarray(S[i, j]).ravel() > 0).all()
    assert np.mean(np.array(i) == j) < 0.3


@pytest.mark.parametrize("contrast", ["neighbours", "corrupted", "none"])
def test_gradient_reaches_every_parameter(contrast):
    torch.manual_seed(0)
    model = Fusion(5, FusionParams(contrast=contrast))
    terms = model.loss(some_batch())
    assert set(terms) == ({"reconstruction"} if contrast == "none" else {"reconstruction", "contrast"})
    total(terms).backward()
    silent = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()}
    assert silent == (set() if contrast == "corrupted" else {"critic.weight"})


def test_weight_of_the_contrast_scales_its_term():
    torch.manual_seed(0)
    model, batch = Fusion(5, FusionParams(dropout=0.0, weight_contrast=0.1)), some_batch()
    before = model.loss(batch)
    model.params = replace(model.params, weight_contrast=0.2)
    after = model.loss(batch)
    assert after["contrast"].item() == pytest.approx(2 * before["contrast"].item())
    assert after["reconstruction"].item() == pytest.approx(before["reconstruction"].item())


@pytest.mark.parametrize("contrast", ["neighbours", "corrupted", "none"])
def test_training_lowers_the_loss(layers, contrast):
    history = fitted(layers, params=replace(SMALL, contrast=contrast)).history
    assert history.loss[-1] < 0.9 * history.loss[0]
    assert history.terms["reconstruction"][-1] < 0.7 < history.terms["reconstruction"][0]


def test_contrast_learns(layers):
    history = fitted(layers, params=replace(SMALL, n_epochs=25)).history
    assert history.terms["contrast"][-3:].mean() < 0.7 * history.terms["contrast"][0]


def test_embedding_tells_layers_apart_better_than_the_components(layers):
    P, _, _, xy = layers
    truth = (4 * xy[:, 0]).astype(int)

    def separation(H):
        means = np.stack([H[truth == c].mean(axis=0) for c in range(4)])
        return means.var(axis=0).sum() / (H - means[truth]).var(axis=0).sum()

    assert separation(fitted(layers).embedding) > 2 * separation(P)


def test_same_seed_same_bits_whatever_the_threads_and_no_global_state_is_touched(layers):
    threads, torch_state = torch.get_num_threads(), torch.get_rng_state()
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002
    found = []
    try:
        for n in (1, 2):
            torch.set_num_threads(n)
            found.append(fitted(layers))
            assert torch.get_num_threads() == n
    finally:
        torch.set_num_threads(threads)
    np.testing.assert_array_equal(found[0].embedding, found[1].embedding)
    np.testing.assert_array_equal(found[0].attention, found[1].attention)
    np.testing.assert_array_equal(found[0].history.loss, found[1].history.loss)
    assert not np.array_equal(found[0].embedding, fitted(layers, seed=1).embedding)
    assert torch.equal(torch_state, torch.get_rng_state())
    np.testing.assert_equal(np.random.get_state(legacy=False), numpy_state)  # noqa: NPY002


@pytest.mark.parametrize("max_size", [30, 401])
def test_embedding_by_tiles_is_that_of_the_whole_tissue(layers, max_size):
    P, S, F, xy = layers
    fit = fitted(layers)
    tiles = spatial_tiles(xy, max_size=max_size)
    embedding, attention = fusion._embed(fit.model, P, S, F, tiles, torch.device("cpu"))
    np.testing.assert_allclose(embedding, fit.embedding, atol=1e-4)
    np.testing.assert_allclose(attention, fit.attention, atol=1e-5)
    with torch.no_grad():
        whole = [np.hstack([S @ P, S @ (S @ P)]), np.hstack([P, F @ P])]
        expected, weight = fit.model(*(torch.from_numpy(X) for X in whole))
    np.testing.assert_allclose(fit.embedding, expected, atol=1e-4)
    np.testing.assert_allclose(fit.attention, weight[:, 0].mean(1), atol=1e-5)
    assert fit.embedding.dtype == np.float32
    assert ((fit.attention > 0) & (fit.attention < 1)).all()


def test_training_reads_only_as_many_tiles_as_allowed(layers, monkeypatch):
    seen: list[int] = []
    original = fusion._batches

    def counted(pool, *rest):
        seen.append(len(pool["target"]))
        return original(pool, *rest)

    monkeypatch.setattr(fusion, "_batches", counted)
    fit = fitted(layers, max_size=50, params=replace(SMALL, max_rows=120, n_epochs=2))
    assert all(40 < n <= 120 for n in seen)
    assert np.isfinite(fit.embedding).all()
    fitted(layers, max_size=401, params=replace(SMALL, max_rows=120, n_epochs=2))
    assert seen[-1] == 401  # at least one tile


def test_two_slides_do_not_touch(layers, rng):
    P, _, _, xy = layers
    both, twice = np.concatenate([xy, xy]), np.concatenate([P, P[rng.permutation(401)]])
    library = np.repeat([0, 1], 401)
    S, F = operators(both, twice, library)
    tiles = spatial_tiles(both, max_size=150, library=library)
    fit = fit_fusion(twice, S, F, tiles, params=SMALL, rng=np.random.default_rng(0), progress=False)
    changed = twice.copy()
    changed[401:] += 10
    embed = lambda X: fusion._embed(fit.model, X, S, F, tiles, torch.device("cpu"))[0]
    np.testing.assert_array_equal(embed(changed)[:401], embed(twice)[:401])
    assert not np.allclose(embed(changed)[401:], embed(twice)[401:])


def test_isolated_points_and_nothing_but_them(rng):
    P = rng.normal(size=(40, 3)).astype(np.float32)
    identity = sp.identity(40, dtype=np.float32, format="csr")
    params = replace(SMALL, n_epochs=2)
    fit = fit_fusion(P, identity, identity, [np.arange(40)], params=params, rng=rng, progress=False)
    assert np.isfinite(fit.embedding).all()


def test_dropout_is_off_when_embedding():
    with seeded(np.random.default_rng(0)):
        model = Fusion(5, FusionParams(dropout=0.5)).eval()
        batch = some_batch()
        assert torch.equal(model(batch.spatial, batch.features)[0], model(batch.spatial, batch.features)[0])
        model.train()
        assert not torch.equal(model(batch.spatial, batch.features)[0], model(batch.spatial, batch.features)[0])
