"""The terms of the mixture-prior autoencoder's loss against scipy, torch.distributions and finite differences."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.special import gammaln
from scipy.stats import multivariate_normal, nbinom
from torch.distributions import Normal, kl_divergence

from spotweave.core.losses import total
from spotweave.core.train import seeded
from spotweave.models.gmm_vgae import CURVED_SCALE, GmmVgae, Rows, edge_loss, negative_binomial
from spotweave.models.gmm_vgae_params import GmmVgaeParams

SMALL = GmmVgaeParams(n_components=3, n_latent=4, n_hidden=8, n_curved=5, n_inputs=6, dropout=0.0, n_warmup=10)
N_GENES = 9


def model_of(params=SMALL, *, mixture=True, seed=0):
    """Untrained, but with every weight at random."""
    rng = np.random.default_rng(seed)
    with seeded(rng):
        model = GmmVgae(6, rng.dirichlet(np.ones(N_GENES)), 100, params)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.2 * torch.randn_like(parameter))
    if mixture and params.prior == "mixture":
        k, d = params.n_components, params.n_latent
        model.start_mixture(rng.dirichlet(np.ones(k)), rng.normal(size=(k, d)), rng.gamma(4, 0.2, (k, d)))
    return model


def some_rows(rng, n=13, *, neighbours=False):
    normal = lambda *shape: torch.from_numpy(rng.normal(size=shape).astype(np.float32))
    counts = rng.poisson(2.0, (n, N_GENES)).astype(np.float32)
    counts[3] = 0
    size = torch.from_numpy(counts.sum(axis=1) + np.float32(1))
    return Rows(normal(n, 6), torch.from_numpy(counts), size, normal(n, 6) if neighbours else None)


def double(*arrays):
    return [torch.from_numpy(np.asarray(a, np.float64)) for a in arrays]


@pytest.fixture
def counts(rng):
    x = rng.negative_binomial(2, 0.3, (7, 5)).astype(float)
    x[:, 1] = 0
    x[0] = 0
    return x, rng.normal(size=(7, 5)), np.log([1e-3, 0.05, 0.5, 2.0, 20.0])


def test_negative_binomial_is_that_of_scipy_less_the_factorial(counts):
    x, log_mean, log_dispersion = counts
    r = np.exp(-log_dispersion)
    expected = nbinom.logpmf(x, r, r / (r + np.exp(log_mean))) + gammaln(x + 1)
    np.testing.assert_allclose(negative_binomial(*double(*counts)), expected, rtol=1e-9, atol=1e-9)
    single = negative_binomial(*(t.float() for t in double(*counts)))
    np.testing.assert_allclose(single, expected, rtol=1e-3, atol=2e-3)
    assert x.max() > 5


def test_gradient_of_the_negative_binomial_is_the_finite_difference(counts):
    x, log_mean, log_dispersion = double(*counts)
    log_mean.requires_grad_()
    log_dispersion.requires_grad_()
    assert torch.autograd.gradcheck(lambda m, d: negative_binomial(x, m, d), (log_mean, log_dispersion))


def test_negative_binomial_goes_over_into_the_poisson(counts):
    x, log_mean, _ = counts
    found = negative_binomial(*double(x, log_mean, np.full(5, -16.0)))
    np.testing.assert_allclose(found, x * log_mean - np.exp(log_mean), atol=1e-4)
    model = model_of(replace(SMALL, likelihood="poisson"))
    expected = x * log_mean - np.exp(log_mean)
    np.testing.assert_allclose(model._log_likelihood(*double(x, log_mean)), expected)
    assert torch.isfinite(model._log_likelihood(*double(x, log_mean + 900))).all()


def prior_of(model):
    weights = torch.softmax(model.prior_logits, 0).detach().double().numpy()
    return weights, model.prior_mean.detach().numpy(), torch.exp(model.prior_log_variance).detach().numpy()


def test_joint_and_responsibilities_are_those_of_normal_densities(rng):
    model = model_of()
    z = rng.normal(size=(11, 4)).astype(np.float32)
    weights, means, variances = prior_of(model)
    expected = np.zeros((11, 3))
    for i in range(11):
        for k in range(3):
            density = multivariate_normal(means[k], np.diag(variances[k])).pdf(z[i])
            expected[i, k] = weights[k] * density
    with torch.no_grad():
        model.prior_logits += 0.7  # a softmax: it changes nothing
    joint = model.joint(torch.from_numpy(z)).detach().numpy()
    np.testing.assert_allclose(joint - 2 * np.log(2 * np.pi), np.log(expected), atol=1e-4)  # (2 pi)^(d / 2), d = 4
    share = expected / expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(model.responsibilities(torch.from_numpy(z)).detach(), share, atol=1e-5)


def posterior(rng, n=3, d=4):
    return (torch.from_numpy(rng.normal(size=(n, d)).astype(np.float32)) for _ in range(2))


def test_divergence_from_the_standard_normal_is_the_closed_form(rng):
    mean, log_variance = posterior(rng)
    found = model_of(mixture=False)._divergence(torch.zeros(3, 4), mean, log_variance)
    expected = kl_divergence(Normal(mean, torch.exp(log_variance / 2)), Normal(0.0, 1.0)).sum(1)
    np.testing.assert_allclose(found.detach(), expected, rtol=1e-5)


def sampled_divergence(model, mean, log_variance, rng, n_samples=40_000):
    """Mean and standard error of the one-sample divergence of each row."""
    found = []
    for m, v in zip(mean, log_variance, strict=True):
        noise = torch.from_numpy(rng.standard_normal((n_samples, 4)).astype(np.float32))
        rows = m.expand(n_samples, 4), v.expand(n_samples, 4)
        with torch.no_grad():
            found.append(model._divergence(rows[0] + torch.exp(rows[1] / 2) * noise, *rows).numpy())
    values = np.array(found)
    return values.mean(axis=1), values.std(axis=1) / np.sqrt(n_samples)


def test_divergence_from_one_component_is_the_closed_form_on_average(rng):
    model = model_of(replace(SMALL, n_components=1))
    mean, log_variance = posterior(rng)
    _, m, v = prior_of(model)
    prior = Normal(torch.from_numpy(m[0]), torch.from_numpy(v[0]).sqrt())
    expected = kl_divergence(Normal(mean, torch.exp(log_variance / 2)), prior).sum(1)
    found, error = sampled_divergence(model, mean, log_variance, rng)
    assert (np.abs(found - expected.numpy()) < 4 * error).all()


def test_divergence_from_a_mixture_is_the_kullback_leibler_divergence_on_average(rng):
    model = model_of(replace(SMALL, n_components=2))
    mean, log_variance = posterior(rng)
    weights, m, v = prior_of(model)
    found, error = sampled_divergence(model, mean, log_variance, rng)
    for row in range(3):
        q = multivariate_normal(mean[row].numpy(), np.diag(np.exp(log_variance[row].numpy())))
        z = q.rvs(40_000, random_state=rng)
        density = sum(weights[k] * multivariate_normal(m[k], np.diag(v[k])).pdf(z) for k in range(2))
        values = q.logpdf(z) - np.log(density)
        assert found[row] == pytest.approx(values.mean(), abs=4 * (error[row] + values.std() / 200))
        assert found[row] > 0.5


def test_edge_loss_by_hand():
    a = torch.tensor([[1.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0]])
    b = torch.tensor([[3.0, 0.0, 0.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    sigmoid = lambda x: 1 / (1 + np.exp(-x))
    positive = [3 / 2, 2 / 2]  # products over the root of 4
    negative = [1 / 2, 0 / 2]
    expected = -np.mean(np.log(sigmoid(np.array(positive))) + np.log(1 - sigmoid(np.array(negative))))
    assert edge_loss(a, b).item() == pytest.approx(expected, rel=1e-5)


def test_terms_of_the_loss_written_out(rng):
    model, batch = model_of(replace(SMALL, weight_edges=0.7)), some_rows(rng, neighbours=True)
    state = torch.get_rng_state()
    terms = model.loss(batch)
    torch.set_rng_state(state)
    mean, log_variance = model.encode(batch.inputs)
    z = mean + torch.exp(log_variance / 2) * torch.randn_like(mean)
    h = torch.cat([z, CURVED_SCALE * torch.nn.functional.silu(model.curved[0](z))], 1)
    means = (batch.size[:, None] * torch.exp(model.intercept + h @ model.loadings)).detach().double().numpy()
    r = torch.exp(-model.log_dispersion).detach().double().numpy()
    x = batch.counts.numpy()
    value = nbinom.logpmf(x, r, r / (r + means)) + gammaln(x + 1)
    assert terms["counts"].item() == pytest.approx(-value.sum() / 13, rel=1e-4)
    assert terms["divergence"].item() == pytest.approx(model._divergence(z, mean, log_variance).mean().item(), rel=1e-5)
    squares = (model.loadings.detach().numpy() ** 2).sum()
    assert terms["loadings"].item() == pytest.approx(0.1 * N_GENES / (2 * 100) * squares, rel=1e-5)
    edges = edge_loss(mean, model.encode(batch.neighbours)[0])
    assert terms["edges"].item() == pytest.approx(0.7 * edges.item(), rel=1e-5)


def test_divergence_gains_weight_until_the_mixture_starts(rng):
    model, batch = model_of(mixture=False), some_rows(rng)
    mean, log_variance = model.encode(batch.inputs)
    whole = model._divergence(mean, mean, log_variance).mean().item()
    shares = [model.loss(batch)["divergence"].item() / whole for _ in range(14)]
    np.testing.assert_allclose(shares, np.minimum(np.arange(1, 15) / 10, 1), rtol=1e-5)
    assert "divergence" in model_of(replace(SMALL, n_warmup=0), mixture=False).loss(batch)
    model = model_of()
    assert model.n_steps == 0
    torch.manual_seed(0)
    first = model.loss(batch)["divergence"].item()
    torch.manual_seed(0)
    assert model.loss(batch)["divergence"].item() == first


LEARNED_BY = {
    "mixture": (SMALL, set()),
    "edges": (replace(SMALL, weight_edges=1.0), set()),
    "linear": (replace(SMALL, n_curved=0), set()),
    "poisson": (replace(SMALL, likelihood="poisson"), {"log_dispersion"}),
    "normal": (replace(SMALL, prior="normal"), {"prior_logits", "prior_mean", "prior_log_variance"}),
}


@pytest.mark.parametrize("case", LEARNED_BY)
def test_gradient_reaches_what_is_learned(rng, case):
    params, untouched = LEARNED_BY[case]
    model = model_of(params)
    total(model.loss(some_rows(rng, neighbours=params.weight_edges > 0))).backward()
    silent = {name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum()}
    assert silent == untouched
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    assert set(model.no_decay) <= {name for name, _ in model.named_parameters()}


def test_start_mixture_sets_the_prior_that_is_asked_for(rng):
    model = model_of(mixture=False)
    weights, means, variances = rng.dirichlet(np.ones(3)), rng.normal(size=(3, 4)), rng.gamma(4, 0.2, (3, 4))
    assert not model.mixture
    model.start_mixture(weights, means, variances)
    assert model.mixture
    for found, expected in zip(prior_of(model), (weights, means, variances), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_posterior_variance_is_bounded():
    model = model_of()
    for bias, bound in ((1e3, 4.0), (-1e3, -8.0)):
        with torch.no_grad():
            model.log_variance.bias.fill_(bias)
            np.testing.assert_array_equal(model.encode(torch.ones(2, 6))[1], np.full((2, 4), bound))


def test_starts_at_the_gene_shares():
    shares = np.random.default_rng(1).dirichlet(np.ones(N_GENES))
    model = GmmVgae(6, shares, 100, SMALL)
    np.testing.assert_allclose(torch.exp(model.intercept).detach(), shares, rtol=1e-5)
    assert GmmVgae(6, shares, 100, replace(SMALL, prior="normal")).prior_mean.shape == (1, 4)
