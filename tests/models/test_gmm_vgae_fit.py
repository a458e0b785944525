"""Training of the mixture-prior autoencoder on a simulated tissue of three programs."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from spotweave import InputError
from spotweave.core.splitting import thin
from spotweave.models import gmm_vgae_fit as module
from spotweave.models.gmm_vgae_fit import HeldOut, Observed, fit_gmm_vgae, propagated
from spotweave.models.gmm_vgae_params import GmmVgaeParams

N, G = 400, 60
CPU = torch.device("cpu")
QUICK = GmmVgaeParams(n_components=3, n_latent=5, n_hidden=32, n_curved=8, n_inputs=8, n_warmup=20, max_steps=20)
LONGER = replace(QUICK, n_warmup=60, max_steps=240)


def fitted(observed, params=QUICK, *, seed=0, **options):
    return fit_gmm_vgae(observed, params, rng=np.random.default_rng(seed), progress=False, **options)


@pytest.fixture(scope="module")
def fit(tissue):
    return fitted(tissue.observed, LONGER)


def rates(fit, size):
    return size[:, None] * np.exp(fit.features @ fit.loadings + fit.intercept)


def test_means_are_closer_to_the_truth_than_counts_and_gene_means(tissue, fit):
    error = lambda estimate: np.abs(np.sqrt(estimate) - np.sqrt(tissue.rate)).mean()
    size = tissue.observed.size
    plain = size[:, None] * tissue.X.sum(axis=0) / tissue.X.sum()
    assert error(rates(fit, size)) < 0.5 * min(error(plain), error(tissue.X))


def test_components_of_the_mixture_are_the_programs(tissue, fit):
    found = fit.responsibility.argmax(axis=1)
    pure = sum(np.bincount(tissue.program[found == k]).max() for k in np.unique(found))
    assert pure > 0.95 * N


def test_what_a_fit_holds(tissue, fit):
    assert fit.mean.shape == fit.variance.shape == (N, 5)
    assert fit.features.shape == (N, 13)
    assert fit.loadings.shape == (13, G)
    assert fit.intercept.shape == fit.dispersion.shape == (G,)
    for values in (fit.mean, fit.variance, fit.features, fit.loadings, fit.intercept, fit.dispersion):
        assert values.dtype == np.float32
        assert np.isfinite(values).all()
    np.testing.assert_array_equal(fit.features[:, :5], fit.mean)
    with torch.no_grad():
        mean, log_variance = fit.model.encode(torch.from_numpy(propagated(tissue.observed, LONGER)))
        np.testing.assert_allclose(fit.mean, mean, atol=1e-5)
        np.testing.assert_allclose(fit.variance, torch.exp(log_variance), atol=1e-5)
        np.testing.assert_allclose(fit.features, fit.model.features(mean), atol=1e-5)
        np.testing.assert_allclose(fit.responsibility, fit.model.responsibilities(mean), atol=1e-4)
        np.testing.assert_array_equal(fit.dispersion, torch.exp(fit.model.log_dispersion))
    np.testing.assert_allclose(fit.responsibility.sum(axis=1), 1, rtol=1e-5)
    assert fit.penalty == pytest.approx(0.1 * G)
    assert not fit.model.training
    assert fit.stopped.n_steps == 240
    assert fit.model.n_steps == 300
    assert fit.stopped.loss[-1] < fit.stopped.loss[0]


def test_genes_start_at_their_share_of_all_counts_with_a_tenth_of_a_count_more(tissue):
    fit = fitted(tissue.observed, replace(QUICK, learning_rate=0.0), n_steps=1)
    total = tissue.X.sum(axis=0, dtype=np.float64) + 0.1
    np.testing.assert_allclose(np.exp(fit.intercept), total / total.sum(), rtol=1e-4)


def test_a_fit_shares_no_memory_with_its_model(tissue):
    fit = fitted(tissue.observed)
    before = [a.copy() for a in (fit.loadings, fit.intercept, fit.dispersion)]
    again = fitted(tissue.observed, start=fit.model, n_steps=3)
    assert again.model is fit.model
    for kept, old, new in zip(
        (fit.loadings, fit.intercept, fit.dispersion), before, (again.loadings, again.intercept, again.dispersion), strict=True,
    ):  # fmt: skip
        np.testing.assert_array_equal(kept, old)
        assert not np.array_equal(old, new)


@pytest.mark.parametrize("likelihood", ["negative_binomial", "poisson"])
@pytest.mark.parametrize("weight_edges", [0.0, 0.5])
def test_same_seed_same_bits_and_no_global_state_is_touched(tissue, likelihood, weight_edges):
    params = replace(QUICK, likelihood=likelihood, weight_edges=weight_edges)
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    a, b, c = (fitted(tissue.observed, params, seed=seed) for seed in (0, 0, 1))
    for part in ("mean", "variance", "responsibility", "features", "loadings", "intercept", "dispersion"):
        np.testing.assert_array_equal(getattr(a, part), getattr(b, part))
    assert not np.array_equal(a.mean, c.mean)
    assert torch.equal(state, torch.get_rng_state())
    assert torch.get_num_threads() == threads


def test_without_hops_the_graph_is_not_read(tissue):
    params = replace(QUICK, n_hops=0)
    without = tissue.observed._replace(W=sp.csr_matrix((N, N)))
    a, b = fitted(tissue.observed, params), fitted(without, params)
    np.testing.assert_array_equal(a.mean, b.mean)
    np.testing.assert_array_equal(a.loadings, b.loadings)
    assert not np.array_equal(fitted(tissue.observed).mean, fitted(without).mean)


def test_normal_prior_has_one_component(tissue):
    fit = fitted(tissue.observed, replace(QUICK, prior="normal"))
    np.testing.assert_array_equal(fit.responsibility, np.ones((N, 1), np.float32))
    assert not fit.model.mixture
    assert not fit.model.prior_mean.detach().any()


def test_more_components_than_a_fifth_of_the_rows(tissue):
    rows = slice(0, 33)
    o = tissue.observed
    small = Observed(o.P[rows], o.W[rows][:, rows], o.X[rows], o.size[rows])
    fit = fitted(small, replace(QUICK, n_components=10))
    assert fit.responsibility.shape == (33, 10)
    assert np.isfinite(fit.responsibility).all()
    np.testing.assert_allclose(fit.responsibility.sum(axis=1), 1, rtol=1e-5)


def test_mixture_starts_from_the_posterior_and_its_spare_components_empty_and_wide(tissue, fit):
    inputs = propagated(tissue.observed, LONGER)
    start = lambda rows, k: module._mixture(fit.model, inputs[rows], k, np.random.default_rng(0), CPU)
    weights, means, variances = start(slice(None), 3)
    assert weights.sum() == pytest.approx(1)
    np.testing.assert_allclose(weights @ means, fit.mean.mean(axis=0), atol=1e-3)
    within = weights @ (variances + means**2) - (weights @ means) ** 2  # all variance, and the posterior's own
    np.testing.assert_allclose(within, fit.mean.var(axis=0) + fit.variance.mean(axis=0) + 1e-2, rtol=1e-3)
    weights, means, variances = start(slice(0, 22), 7)  # 4 are found in 22 rows
    assert (weights[:4] > 0.01).all()
    assert weights.sum() == pytest.approx(1, abs=1e-9)
    np.testing.assert_allclose(weights[4:], 1e-6, rtol=1e-4)
    np.testing.assert_allclose(means[4:], np.tile(fit.mean[:22].mean(axis=0), (3, 1)), atol=1e-5)
    wide = fit.mean[:22].var(axis=0) + fit.variance[:22].mean(axis=0)
    np.testing.assert_allclose(variances[4:], np.tile(wide, (3, 1)), rtol=1e-4)


@pytest.fixture(scope="module")
def halves(tissue):
    """A fifth of the molecules of 150 cells, kept apart."""
    train, held_out = thin(tissue.observed.X[:150], np.random.default_rng(0), share=0.8)
    size = np.asarray(train.sum(axis=1)).ravel()
    P = np.log1p(train[:, :8].toarray()).astype(np.float32)
    return Observed(P, tissue.observed.W[:150, :150], train, size), HeldOut(held_out, 0.25)


def validator(model, observed, held_out):
    inputs = propagated(observed, model.params)
    return module._validator(model, inputs, observed.size, held_out, np.random.default_rng(0), CPU)


def test_validation_is_the_poisson_likelihood_of_held_out_counts(halves):
    observed, held_out = halves
    fit = fitted(observed)
    curve = fit.variance @ fit.loadings[:5] ** 2 / 2
    log_rate = fit.features @ fit.loadings + fit.intercept + curve
    x, size = held_out.X.toarray(), 0.25 * observed.size[:, None]
    expected = ((size * np.exp(log_rate)).sum() - (x * log_rate).sum()) / x.sum()
    assert validator(fit.model, observed, held_out)() == pytest.approx(expected, rel=1e-5)
    inputs, many = propagated(observed, QUICK), HeldOut(sp.vstack([held_out.X] * 15, format="csr"), 0.25)
    args = np.tile(inputs, (15, 1)), np.tile(observed.size, 15), many, np.random.default_rng(0), CPU
    assert module._validator(fit.model, *args)() == pytest.approx(expected, rel=1e-5)  # 2,250 rows, in blocks


def test_validation_looks_at_only_so_many_rows(halves, monkeypatch):
    observed, held_out = halves
    monkeypatch.setattr(module, "HELD_OUT_ROWS", 40)
    found = validator(fitted(observed).model, observed, held_out)
    rows = [int(np.flatnonzero((propagated(observed, QUICK) == row).all(axis=1))[0]) for row in found.inputs]
    assert len(set(rows)) == 40
    np.testing.assert_allclose(found.size, 0.25 * observed.size[rows])
    np.testing.assert_array_equal(found.X.toarray(), held_out.X[rows].toarray())


def test_stops_at_the_best_look_at_held_out_counts(halves):
    observed, held_out = halves
    params = replace(QUICK, learning_rate=0.02, max_steps=2_000, patience=2)
    fit = fitted(observed, params, held_out=held_out)
    score, stopped = fit.stopped.score, fit.stopped
    best = int(score.argmin())
    assert stopped.converged
    assert len(score) == best + 3
    assert stopped.n_steps == 25 * (best + 1) < 500
    assert validator(fit.model, observed, held_out)() == pytest.approx(score[best], rel=1e-6)
    with pytest.raises(InputError, match="max_steps"):
        fitted(observed, params, n_steps=0)
    exact = fitted(observed, params, n_steps=stopped.n_steps)  # no held-out counts: this many steps
    assert exact.stopped.n_steps == stopped.n_steps
    assert exact.stopped.score.shape == (0,)
    np.testing.assert_allclose(exact.loadings, fit.loadings, atol=1e-5)


def test_training_goes_on_from_a_model(tissue, fit):
    steps, loss = fit.model.n_steps, fit.stopped.loss[-1]
    state = {key: value.clone() for key, value in fit.model.state_dict().items()}
    on = fitted(tissue.observed, LONGER, start=fit.model, n_steps=25)
    fresh = fitted(tissue.observed, LONGER, n_steps=25)
    assert fit.model.n_steps == steps + 25  # no second warm-up
    fit.model.load_state_dict(state)
    fit.model.n_steps = steps
    assert on.stopped.n_steps == 25
    assert abs(on.stopped.loss[0] - loss) < 0.3 * abs(fresh.stopped.loss[0] - loss)
    assert on.model.mixture


def test_one_step_more_moves_the_loadings_little(tissue, fit):
    state = {key: value.clone() for key, value in fit.model.state_dict().items()}
    more = fitted(tissue.observed, LONGER, start=fit.model, n_steps=1)
    fit.model.load_state_dict(state)
    fit.model.n_steps -= 1
    assert 0 < np.abs(more.loadings - fit.loadings).max() < 0.01


def test_edges_bring_neighbours_together(tissue):
    rows, columns = tissue.observed.W.nonzero()

    def contrast(weight):
        z = fitted(tissue.observed, replace(QUICK, weight_edges=weight), seed=3, n_steps=100).mean
        cosine = lambda a, b: ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean()
        return cosine(z[rows], z[columns]) - cosine(z[rows], z[np.roll(columns, 997)])

    assert 1 - contrast(20.0) < 0.75 * (1 - contrast(0.0))


def test_rows_without_counts(tissue, fit):
    assert tissue.observed.size[11] == 0
    assert np.isfinite(fit.mean[11]).all()
    assert (rates(fit, tissue.observed.size)[11] == 0).all()
    half = np.arange(N) < 200
    nearly = tissue.observed._replace(X=sp.csr_matrix(tissue.X * half[:, None]), size=tissue.observed.size * half)
    assert np.isfinite(fitted(nearly).loadings).all()


def test_rows_are_encoded_in_blocks(tissue, fit, monkeypatch):
    observed = tissue.observed
    many = np.tile(propagated(observed, LONGER), (21, 1))
    mean, variance = module._encode(fit.model, many, CPU)
    np.testing.assert_allclose(mean, np.tile(fit.mean, (21, 1)), atol=1e-5)
    np.testing.assert_allclose(variance, np.tile(fit.variance, (21, 1)), atol=1e-5)
