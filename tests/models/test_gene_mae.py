"""The network of genes against its formulas, and what may and may not reach what."""

import numpy as np
import pytest
import torch
from scipy.stats import poisson

from spotweave.core.losses import total
from spotweave.models.gene_mae import MOST_LOG_RATE, GeneMae, lack_of_fit
from spotweave.models.gene_mae_fit import picture_of
from spotweave.models.gene_mae_params import GeneMaeParams

SMALL = GeneMaeParams(n_latent=6, width=12, n_heads=2, n_functions=30)
UNSEEN = {"pool.bias"}  # a softmax over patches does not see it


def made(bins, params=SMALL):
    torch.manual_seed(0)
    return GeneMae(picture_of(bins, params, np.random.default_rng(0)), bins.counts, params)


@pytest.fixture
def network(pictures):
    return made(pictures.bins)


@pytest.fixture
def moved(network):
    """After some steps: the last layers start at zero, and let no gradient through."""
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    for _ in range(3):
        optimiser.zero_grad()
        total(network.loss(torch.arange(60))).backward()
        optimiser.step()
    optimiser.zero_grad()
    return network


def seen(network, genes):
    """Inputs of one gene set, all molecules."""
    return network.counts[genes], network.expected(genes, torch.ones(len(genes)))


@pytest.fixture
def rates(rng):
    """Log rates, counts, expected of 5 genes in 7 bins; bin 4 is no tissue."""
    mu = rng.gamma(2, 1, (5, 7))
    mu[:, 4] = 0
    return [torch.tensor(a) for a in (rng.normal(size=(5, 7)), rng.poisson(mu).astype(float), mu)]


def test_lack_of_fit_is_a_difference_of_poisson_log_likelihoods(rates):
    f, x, mu = (a.numpy() for a in rates)
    bent = mu * np.exp(f)
    bent *= mu.sum(axis=1, keepdims=True) / bent.sum(axis=1, keepdims=True)
    expected = (poisson.logpmf(x, mu) - poisson.logpmf(x, bent)).sum(axis=1)
    np.testing.assert_allclose(lack_of_fit(*rates), expected)


def test_lack_of_fit_knows_shape_only_and_bounds_it(rates):
    f, x, mu = rates
    torch.testing.assert_close(lack_of_fit(f + 1.5, x, mu), lack_of_fit(f, x, mu))  # the gene keeps its total
    torch.testing.assert_close(lack_of_fit(0 * f, x, mu), torch.zeros(5, dtype=torch.float64))
    far = torch.where(f > 0, 1e6, f)
    torch.testing.assert_close(lack_of_fit(far, x, mu), lack_of_fit(far.clamp(max=MOST_LOG_RATE), x, mu))
    best = torch.log((x + 1e-9) / (mu + 1e-9))
    assert (lack_of_fit(best, x, mu) < lack_of_fit(0.5 * best, x, mu)).all()


def test_a_gene_without_molecules_left_is_no_gradient_and_no_nan(rates):
    f, x, mu = rates
    f.requires_grad_()
    loss = lack_of_fit(f, x, 0 * mu)
    torch.testing.assert_close(loss, -(x * f).sum(1))
    lack_of_fit(f, 0 * x, 0 * mu).sum().backward()
    assert not f.grad.any()


def test_bins_without_tissue_never_enter_the_loss(network, pictures):
    genes = torch.arange(60)
    empty = torch.from_numpy(pictures.bins.exposure == 0)
    assert empty.sum() == 1
    counts, mu = seen(network, genes)
    f = torch.randn(60, len(empty), requires_grad=True)
    lack_of_fit(f, counts, mu).sum().backward()
    assert f.grad is not None
    assert not f.grad[:, empty].any()
    assert f.grad[:, ~empty].all()
    other = torch.where(empty, 3 * torch.randn_like(f), f)
    torch.testing.assert_close(lack_of_fit(other, counts, mu), lack_of_fit(f, counts, mu))
    assert not network.functions[empty].any()


def test_hidden_patches_do_not_reach_the_latent_vector(moved):
    counts, mu = seen(moved, torch.arange(9))
    visible = torch.stack([torch.randperm(moved.n_patches)[:5] for _ in range(9)])
    hidden = torch.ones(9, moved.n_patches).scatter_(1, visible, 0).repeat_interleave(moved.n_sub, 1)
    with torch.no_grad():
        before = moved(counts, mu, visible)
        after = moved(counts + 7 * hidden, mu, visible)
        shown = moved(counts + 7 * (1 - hidden), mu, visible)
        turned = moved(counts, mu, visible.flip(1))
    for a, b, c in zip(before, after, shown, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)
        assert ((a - c).flatten(1).abs().amax(1) > 1e-3).all()
    torch.testing.assert_close(before[0], turned[0])  # patches are known by their place, not by their order
    torch.testing.assert_close(before[2], turned[2].flip(1))


def test_linear_part_and_read_out_match_numpy(network):
    counts, mu = seen(network, torch.arange(60))
    z, linear, tokens = network(counts, mu, None)
    phi, A, U = (t.detach().numpy() for t in (network.functions, network.filter, network.readout))
    x, e = counts.numpy(), mu.numpy()
    residual = np.clip((x - e) / np.sqrt(e + 1e-4), -15, 15)
    np.testing.assert_allclose(linear.detach(), residual @ phi @ A / np.sqrt(residual.shape[1]), rtol=1e-3, atol=1e-4)
    simple, whole = network.log_rates(z, tokens, mu)
    np.testing.assert_allclose(simple.detach(), z.detach().numpy() @ (phi @ U).T, rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(whole, simple)  # training starts at the linear solution
    strength = torch.stack([mu.mean(1).add(1e-4).log(), torch.from_numpy((residual**2).mean(1) + 0.1).log()], 1)
    torch.testing.assert_close(z, linear * torch.nn.functional.softplus(network.gain(strength)), rtol=1e-3, atol=1e-4)


def test_inner_products_are_correlations_of_the_decoded_pictures(moved):
    counts, mu = seen(moved, torch.arange(60))
    with torch.no_grad():
        z, linear, _ = moved(counts, mu, None)
        H = moved.embedding(z, linear).double().numpy()
        for part, half in ((z, H[:, :6]), (linear, H[:, 6:])):
            f = (part @ (moved.functions @ moved.readout).T).double().numpy()
            expected = weighted_correlation(f, moved.exposure.numpy())
            np.testing.assert_allclose(2 * half @ half.T, expected, atol=2e-3)
    np.testing.assert_allclose(np.linalg.norm(H, axis=1), 1, atol=1e-6)


def weighted_correlation(f, weight):
    C = np.cov(f, aweights=weight)
    return C / np.sqrt(np.outer(np.diag(C), np.diag(C)))


def test_views_deal_out_all_molecules_and_hide_different_patches(network):
    given = []
    network.register_forward_hook(lambda _, inputs, __: given.append(inputs))
    genes = torch.tensor([3, 59, 11, 12])
    network.views(genes)
    (first, mu, shown), (second, rest, shown2) = given
    torch.testing.assert_close(first + second, network.counts[genes])
    assert min(first.min(), second.min()) >= 0
    torch.testing.assert_close(mu + rest, network.share[genes, None] * network.exposure)
    share = first.sum(1) / network.counts[genes].sum(1)
    torch.testing.assert_close(share, mu.sum(1) / (mu + rest).sum(1), atol=0.15, rtol=0)
    assert share.max() - share.min() > 0.02  # a share for each gene
    for visible in (shown, shown2):
        assert visible.shape == (4, max(1, round(0.6 * network.n_patches)))
        assert all(len(set(row.tolist())) == len(row) for row in visible)
    assert not torch.equal(shown.sort(1).values, shown2.sort(1).values)


def test_terms_of_the_loss(pictures):
    assert set(made(pictures.bins).loss(torch.arange(8))) == {"latent", "tokens", "contrast"}
    plain = made(pictures.bins, GeneMaeParams(n_latent=6, width=12, n_heads=2, n_functions=30, contrast=0))
    assert set(plain.loss(torch.arange(8))) == {"latent", "tokens"}


def test_gradient_reaches_every_parameter(moved):
    total(moved.loss(torch.arange(60))).backward()
    named = dict(moved.named_parameters())
    assert {name.split(".")[0] for name in named} == {
        *("filter", "readout", "gain", "place", "values", "level", "encoder", "norm", "pool", "head"),
        *("decoder", "patch"),
    }
    largest = {name: float(p.grad.abs().max()) for name, p in named.items()}
    assert [name for name, size in largest.items() if size < 1e-7 and name not in UNSEEN] == []


@pytest.mark.parametrize(
    ("term", "starved"), [("latent", {"decoder", "patch"}), ("contrast", {"decoder", "patch"}), ("tokens", set())]
)
def test_each_term_teaches_all_that_it_is_made_of(moved, term, starved):
    moved.loss(torch.arange(60))[term].backward()
    without = {
        name.split(".")[0]
        for name, p in moved.named_parameters()
        if name not in UNSEEN and (p.grad is None or not p.grad.any())
    }
    assert without == starved
