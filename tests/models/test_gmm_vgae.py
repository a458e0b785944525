from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.stats import multivariate_normal, nbinom, poisson

from spotweave.core.graph import knn
from spotweave.core.propagate import symmetrise
from spotweave.models.gmm_vgae import GmmVgae, Rows, edge_loss, negative_binomial
from spotweave.models.gmm_vgae_fit import GmmVgaeFit, HeldOut, Observed, fit_gmm_vgae, propagated
from spotweave.models.gmm_vgae_params import GmmVgaeParams

SMALL = GmmVgaeParams(
    n_latent=4, n_hidden=16, n_curved=6, n_inputs=5, n_components=3, n_warmup=20, max_steps=60, batch_size=64
)


@pytest.fixture
def tissue(rng):
    """Three bands, each with a program of its own: observed parts, true rates, held-out counts."""
    n, g = 240, 40
    xy = rng.random((n, 2))
    band = np.minimum((xy[:, 0] * 3).astype(int), 2)
    rates = 2 * rng.gamma(2.0, 0.5, (3, g))[band]
    X = rng.poisson(rates)
    H = np.log1p(X) - np.log1p(X).mean(axis=0)
    P = np.linalg.svd(H, full_matrices=False)
    W = symmetrise(knn(xy, n_neighs=6).connectivities)
    scores = (P[0] * P[1])[:, :8].astype(np.float32)
    counts = sp.csr_matrix(X.astype(np.float32))
    held_out = HeldOut(sp.csr_matrix(rng.poisson(rates / 9).astype(np.float32)), 1 / 9)
    return Observed(scores, W, counts, X.sum(axis=1).astype(float)), rates, held_out


def model_of(params=SMALL, g=7, d=15) -> GmmVgae:
    torch.manual_seed(0)
    return GmmVgae(d, np.full(g, 1 / g), 100, params)


def mixed(model: GmmVgae, rng) -> GmmVgae:
    k, z = model.prior_mean.shape
    model.start_mixture(rng.dirichlet(np.ones(k)), rng.normal(size=(k, z)), rng.gamma(2.0, 0.5, (k, z)))
    return model


def means(fit: GmmVgaeFit, size) -> np.ndarray:
    return size[:, None] * np.exp(fit.features @ fit.loadings + fit.intercept)


def test_negative_binomial_is_scipys_without_the_factorial(rng):
    x, mean, alpha = rng.poisson(3.0, (6, 4)), rng.gamma(2.0, 2.0, (6, 4)), np.array([0.01, 0.3, 1.0, 4.0])
    tensors = (torch.tensor(x, dtype=torch.float64), torch.tensor(np.log(mean)), torch.tensor(np.log(alpha)))
    r = 1 / alpha
    expected = nbinom.logpmf(x, r, r / (r + mean)) - poisson.logpmf(x, 1.0) - 1.0  # - log(1/x!)
    np.testing.assert_allclose(negative_binomial(*tensors), expected, rtol=1e-6)
    tensors[1].requires_grad_()
    tensors[2].requires_grad_()
    assert torch.autograd.gradcheck(lambda m, a: negative_binomial(tensors[0], m, a), tensors[1:])


def test_negative_binomial_goes_over_into_a_poisson(rng):
    x, mean = rng.poisson(3.0, (6, 4)), rng.gamma(2.0, 2.0, (6, 4))
    alpha = torch.full((4,), -14.0, dtype=torch.float64)
    value = negative_binomial(torch.tensor(x, dtype=torch.float64), torch.tensor(np.log(mean)), alpha)
    np.testing.assert_allclose(value, x * np.log(mean) - mean, atol=1e-3)


def test_joint_and_responsibilities_are_those_of_the_mixture(rng):
    model = mixed(model_of(), rng)
    z = torch.randn(9, 4)
    weights = torch.softmax(model.prior_logits, 0).detach().numpy()
    m, v = model.prior_mean.detach().numpy(), model.prior_log_variance.exp().detach().numpy()
    density = np.array([multivariate_normal(m[k], np.diag(v[k])).logpdf(z.numpy()) for k in range(3)]).T
    expected = density + np.log(weights)
    constant = 4 / 2 * np.log(2 * np.pi)
    np.testing.assert_allclose(model.joint(z).detach().numpy(), expected + constant, rtol=1e-4, atol=1e-4)
    share = np.exp(expected - np.logaddexp.reduce(expected, axis=1)[:, None])
    np.testing.assert_allclose(model.responsibilities(z).detach().numpy(), share, rtol=1e-3, atol=1e-5)


def test_divergence_of_the_normal_prior_is_the_closed_form():
    model = model_of()
    mean, log_variance = torch.randn(5, 4), torch.randn(5, 4)
    q = torch.distributions.Normal(mean, (log_variance / 2).exp())
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(model._divergence(mean, mean, log_variance), expected)


@pytest.mark.parametrize("k", [1, 3])
def test_divergence_of_the_mixture_is_right_on_average(rng, k):
    model = mixed(model_of(replace(SMALL, n_components=k)), rng)
    mean, log_variance = torch.tensor([[0.3, -0.5, 1.0, 0.0]]), torch.tensor([[-1.0, 0.2, -0.4, -2.0]])
    rows = 200_000
    z = mean + (log_variance / 2).exp() * torch.randn(rows, 4)
    found = model._divergence(z, mean.expand(rows, 4), log_variance.expand(rows, 4)).mean().item()
    if k == 1:
        p = torch.distributions.Normal(model.prior_mean, (model.prior_log_variance / 2).exp())
        q = torch.distributions.Normal(mean, (log_variance / 2).exp())
        expected = torch.distributions.kl_divergence(q, p).sum().item()
    else:
        q = torch.distributions.Normal(mean, (log_variance / 2).exp())
        log_p = torch.logsumexp(model.joint(z), 1) - 2 * np.log(2 * np.pi)
        expected = (q.log_prob(z).sum(1) - log_p).mean().item()
    assert found == pytest.approx(expected, abs=0.05)


def test_edge_loss_by_hand():
    a = torch.tensor([[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
    log = lambda x: np.log1p(np.exp(x))
    expected = log(-2.0) + log(0.0)  # a_i . b_i / 2 = 2, a_i . b_j = 0
    assert edge_loss(a, a).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("likelihood", ["negative_binomial", "poisson"])
def test_every_parameter_learns(rng, likelihood):
    model = mixed(model_of(replace(SMALL, likelihood=likelihood, weight_edges=1.0)), rng)
    x = torch.tensor(rng.poisson(2.0, (12, 7)), dtype=torch.float32)
    batch = Rows(torch.randn(12, 15), x, x.sum(1), torch.randn(12, 15))
    terms = model.loss(batch)
    assert set(terms) == {"counts", "divergence", "loadings", "edges"}
    torch.stack(list(terms.values())).sum().backward()
    idle = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0}
    assert idle == ({"log_dispersion"} if likelihood == "poisson" else set())


def test_inputs_are_the_components_and_their_averages(tissue):
    observed = tissue[0]
    H = propagated(observed, SMALL)
    P = observed.P[:, :5] / observed.P[:, :5].std(axis=0).max()
    around = [np.append(observed.W[[i]].indices, i) for i in range(len(P))]
    once = np.stack([P[rows].mean(axis=0) for rows in around])
    twice = np.stack([once[rows].mean(axis=0) for rows in around])
    np.testing.assert_allclose(H, np.hstack([P, once, twice]), rtol=1e-4, atol=1e-5)


def test_fit_is_nearer_to_the_truth_than_counts_and_means(tissue, rng):
    observed, rates, held_out = tissue
    fit = fit_gmm_vgae(observed, replace(SMALL, max_steps=400), rng=rng, held_out=held_out)
    X = observed.X.toarray()
    error = lambda estimate: np.square(np.sqrt(estimate) - np.sqrt(rates)).mean()
    flat = observed.size[:, None] * X.sum(axis=0) / X.sum()
    assert error(means(fit, observed.size)) < 0.5 * min(error(X), error(flat))
    np.testing.assert_allclose(fit.responsibility.sum(axis=1), 1, rtol=1e-5)
    assert 0 < fit.stopped.n_steps <= 400
    assert fit.stopped.n_steps == 25 * (1 + fit.stopped.score.argmin())


def test_same_seed_same_bits(tissue):
    a, b, c = (fit_gmm_vgae(tissue[0], SMALL, rng=np.random.default_rng(s), n_steps=30) for s in (1, 1, 2))
    np.testing.assert_array_equal(a.mean, b.mean)
    np.testing.assert_array_equal(a.loadings, b.loadings)
    assert (a.mean != c.mean).any()


def test_without_hops_the_graph_does_not_matter(tissue):
    observed = tissue[0]
    bare = observed._replace(W=sp.csr_matrix(observed.W.shape))
    run = lambda o, hops: fit_gmm_vgae(o, replace(SMALL, n_hops=hops), rng=np.random.default_rng(0), n_steps=20).mean
    np.testing.assert_array_equal(run(observed, 0), run(bare, 0))
    assert (run(observed, 2) != run(bare, 2)).any()


def test_going_on_starts_from_the_model(tissue, rng):
    observed = tissue[0]
    first = fit_gmm_vgae(observed, SMALL, rng=rng, n_steps=200)
    kept = first.loadings.copy()
    more = fit_gmm_vgae(observed, SMALL, rng=rng, start=first.model, n_steps=1)
    np.testing.assert_array_equal(first.loadings, kept)  # not a view of the model that went on
    assert 0 < np.abs(more.loadings - kept).max() < 0.01


def test_normal_prior_has_one_component(tissue, rng):
    fit = fit_gmm_vgae(tissue[0], replace(SMALL, prior="normal"), rng=rng, n_steps=20)
    np.testing.assert_array_equal(fit.responsibility, np.ones((240, 1)))


def test_edges_bring_neighbours_together(tissue):
    observed = tissue[0]
    rows, columns = observed.W.nonzero()

    def contrast(weight: float) -> float:
        params = replace(SMALL, weight_edges=weight)
        z = fit_gmm_vgae(observed, params, rng=np.random.default_rng(3), n_steps=100).mean
        cosine = lambda a, b: ((a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)).mean()
        return cosine(z[rows], z[columns]) - cosine(z[rows], z[np.roll(columns, 997)])

    assert contrast(20.0) > contrast(0.0) + 0.05


def test_more_components_than_the_rows_can_tell_and_rows_without_counts(tissue, rng):
    observed = tissue[0]
    few = Observed(observed.P[:12], observed.W[:12][:, :12], observed.X[:12].copy(), observed.size[:12].copy())
    few.X.data[: few.X.indptr[1]] = 0
    few.size[0] = 0
    fit = fit_gmm_vgae(few, replace(SMALL, n_components=6), rng=rng, n_steps=20)
    assert fit.responsibility.shape == (12, 6)
    assert np.isfinite(fit.mean).all()
    assert np.isfinite(means(fit, few.size)).all()
