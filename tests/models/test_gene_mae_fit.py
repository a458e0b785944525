"""Training of the network of genes on pictures with four planted modules."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import poisson
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score

from spotweave.core.spatial_basis import spatial_basis
from spotweave.models import gene_mae_fit as module
from spotweave.models.gene_mae import GeneMae
from spotweave.models.gene_mae_fit import embed, fit_gene_mae, picture_of, place_features
from spotweave.models.gene_mae_params import GeneMaeParams

TRAINED = GeneMaeParams(
    n_latent=8, width=16, depth=1, n_heads=2, n_functions=30, batch_size=32, max_steps=100, n_rounds=2, steps_round=8
)
QUICK = replace(TRAINED, max_steps=8, n_rounds=1, steps_round=3)


def fitted(pictures, params=QUICK, *, seed=0):
    rng = np.random.default_rng(seed)
    return fit_gene_mae(pictures.bins, params, structured=pictures.module >= 0, rng=rng, progress=False)


@pytest.fixture(scope="module")
def fit(pictures):
    return fitted(pictures, TRAINED)


def test_planted_modules_are_found(pictures, fit):
    planted = pictures.module >= 0
    found = KMeans(4, n_init=10, random_state=0).fit_predict(fit.embedding[planted])
    assert adjusted_rand_score(pictures.module[planted], found) > 0.8


def test_held_out_molecules_are_predicted_better_than_at_the_start_and_than_without_pattern(fit):
    assert fit.score > fit.score_start
    assert fit.score > 1
    assert fit.refinement is not None
    assert fit.refinement.n_modules == 5  # of 40 genes with a pattern
    assert len(fit.refinement.agreement) == 2


def test_rows_are_of_length_one_with_leading_columns_first(fit):
    H = fit.embedding
    assert H.shape == (60, 16)
    assert H.dtype == np.float32
    for half in (H[:, :8], H[:, 8:]):
        np.testing.assert_allclose(np.linalg.norm(half, axis=1), 0.5**0.5, atol=1e-5)
        gram = half.T @ half
        np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-3)
        assert (np.diff(np.diag(gram)) <= 1e-4).all()
    own = embed(fit.model)  # the same but for the axes, from all molecules
    np.testing.assert_allclose(H @ H.T, own @ own.T, atol=1e-4)


def test_embedding_is_of_all_molecules_and_training_of_some(pictures, monkeypatch):
    given = []
    until = module.fit_until

    def spy(model, *args, **options):
        given.append(model.counts.numpy().copy())
        return until(model, *args, **options)

    monkeypatch.setattr(module, "fit_until", spy)
    found = fitted(pictures, replace(QUICK, held_out=0.3, refine=False))
    kept, counts = given[0], pictures.bins.counts
    assert ((kept >= 0) & (kept <= counts)).all()
    assert (kept == np.rint(kept)).all()
    assert kept.sum() / counts.sum() == pytest.approx(0.7, abs=0.02)
    np.testing.assert_array_equal(found.model.counts, counts)
    np.testing.assert_allclose(found.model.share, counts.sum(axis=1) / pictures.bins.exposure.sum(), rtol=1e-5)
    assert found.refinement is None


def test_same_seed_same_bits_and_the_global_state_is_left_alone(pictures):
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    first, again, other = fitted(pictures), fitted(pictures), fitted(pictures, seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    np.testing.assert_array_equal(first.embedding, again.embedding)
    assert (first.score, first.score_start) == (again.score, again.score_start)
    assert np.abs(first.embedding @ first.embedding.T - other.embedding @ other.embedding.T).max() > 1e-3


def test_genes_whose_molecules_are_all_held_out_do_no_harm(pictures):
    counts = np.zeros_like(pictures.bins.counts)
    counts[np.arange(60), np.arange(60) % 8] = 1  # one molecule each: a third of the genes has none to train on
    found = fitted(pictures._replace(bins=pictures.bins._replace(counts=counts)), replace(QUICK, held_out=0.3))
    assert np.isfinite(found.embedding).all()
    assert np.isfinite([found.score, found.score_start]).all()


def test_embedding_does_not_depend_on_how_many_genes_go_at_once(fit, monkeypatch):
    whole = embed(fit.model)
    monkeypatch.setattr(module, "GENES_AT_ONCE", 7)
    np.testing.assert_allclose(embed(fit.model), whole, atol=1e-5)


def test_held_out_score_is_a_difference_of_poisson_log_likelihoods(fit, pictures, monkeypatch, rng):
    model, genes = fit.model, torch.tensor([2, 31, 44])
    target = torch.from_numpy(rng.poisson(pictures.bins.counts[[2, 31, 44]] / 4).astype(np.float32))
    with torch.no_grad():
        mu = model.expected(genes, torch.ones(3))
        z, _, tokens = model(model.counts[genes], mu, None)
        f = model.log_rates(z, tokens, mu)[0].clamp(-4, 4).double().numpy()
    mean = 0.25 * mu.double().numpy()
    bent = mean * np.exp(f)
    bent *= mean.sum(axis=1, keepdims=True) / bent.sum(axis=1, keepdims=True)
    expected = (poisson.logpmf(target, mean) - poisson.logpmf(target, bent)).sum() / 3
    monkeypatch.setattr(module, "GENES_AT_ONCE", 2)
    assert module._held_out(model, genes, target, 0.25) == pytest.approx(expected, rel=1e-3)


def test_picture_holds_smooth_functions_where_there_is_tissue(pictures):
    bins = pictures.bins
    make = lambda bins: picture_of(bins, TRAINED, np.random.default_rng(0))
    picture = make(bins)
    filled = bins.exposure > 0
    assert not picture.functions[~filled].any()
    slide = np.repeat(bins.patch_library, bins.n_sub)
    basis = spatial_basis(bins.xy[filled], filled.sum() // 2, library=slide[filled])
    side = max(np.sqrt(np.prod(np.ptp(bins.xy[filled & (slide == code)], axis=0))) for code in range(3))
    prior = np.exp(-((np.pi * basis.frequency * TRAINED.length_scale * side) ** 2))
    np.testing.assert_allclose(picture.functions[filled], basis.functions * prior)
    np.testing.assert_allclose(picture.directions.T @ picture.directions, np.eye(8), atol=1e-9)
    far = np.where(filled[:, None], bins.xy, 1e6)
    np.testing.assert_array_equal(make(bins._replace(xy=far)).functions, picture.functions)
    moved = bins._replace(xy=bins.xy + 1e3 * slide[:, None], patch_xy=bins.patch_xy + 1e3 * bins.patch_library[:, None])
    for value, same in zip(make(moved), picture, strict=True):
        np.testing.assert_allclose(np.abs(value), np.abs(same), atol=1e-6)


def test_leading_direction_is_the_leading_pattern(pictures):
    bins = pictures.bins
    picture = picture_of(bins, TRAINED, np.random.default_rng(0))
    expected = np.outer(bins.counts.sum(axis=1), bins.exposure / bins.exposure.sum())
    C = (bins.counts - expected) / np.sqrt(expected + 1e-4) @ picture.functions
    C /= np.linalg.norm(C, axis=1)[:, None]
    _, _, V = np.linalg.svd(C, full_matrices=False)
    np.testing.assert_allclose(np.abs((V[:3] * picture.directions[:, :3].T).sum(axis=1)), 1, atol=1e-3)


def test_features_of_places(rng):
    xy, library = rng.random((9, 2)) * [4, 2], np.array([0, 0, 0, 0, 0, 3, 3, 3, 7])
    found = place_features(xy, library)
    assert found.shape == (9, 2 + 4 * 2 * 2 + 3)
    for i in range(9):
        block = xy[library == library[i]]
        side = max(np.ptp(block, axis=0)) or 1
        u = (xy[i] - block.min(axis=0)) / side
        row = [*u]
        for k in range(4):
            row += [*np.sin(2**k * np.pi * u), *np.cos(2**k * np.pi * u)]
        np.testing.assert_allclose(found[i], [*row, *(library[i] == np.array([0, 3, 7]))], atol=1e-9)
    assert place_features(xy, np.zeros(9, int)).shape == (9, 18)  # one slide needs no name


def test_model_is_ready_to_use(fit):
    assert isinstance(fit.model, GeneMae)
    assert not fit.model.training
