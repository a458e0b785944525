"""Sharpening of modules: the mixture as tensors, its targets, and gradients that arrive."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from scipy.stats import entropy

from spotweave.core.losses import total
from spotweave.core.student_mixture import StudentMixture
from spotweave.models import gene_mae_refine as module
from spotweave.models.gene_mae import GeneMae
from spotweave.models.gene_mae_fit import embed, picture_of
from spotweave.models.gene_mae_params import GeneMaeParams
from spotweave.models.gene_mae_refine import Refiner, Target, as_tensors, divergence, minibatches, refine, sharpened

SMALL = GeneMaeParams(n_latent=6, width=12, n_heads=2, n_functions=30, n_modules=4, n_rounds=3, steps_round=4)
CPU = torch.device("cpu")


@pytest.fixture
def model(pictures):
    """After some steps: the last layers start at zero, and let no gradient through."""
    torch.manual_seed(0)
    model = GeneMae(picture_of(pictures.bins, SMALL, np.random.default_rng(0)), pictures.bins.counts, SMALL)
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(3):
        optimiser.zero_grad()
        total(model.loss(torch.arange(60))).backward()
        optimiser.step()
    optimiser.zero_grad()
    return model


def fitted(H, k=4):
    rng = np.random.default_rng(0)
    return StudentMixture(k, covariance="spherical", dof="shared", n_init=2, rng=rng).fit(H)


@pytest.fixture
def refiner(model):
    H = embed(model)
    mixture = as_tensors(fitted(H), CPU)
    q = torch.softmax(mixture.log_joint(torch.from_numpy(H)) / SMALL.softness, 1)
    return Refiner(model, Target(mixture, sharpened(q), np.arange(60)))


def test_mixture_of_tensors_is_the_fitted_one(rng):
    H = np.concatenate([rng.normal(c, 1, (40, 5)) for c in (-2, 0, 3)]) * 0.3 + rng.standard_t(2, (120, 5)) * 0.2
    mixture = fitted(H, 3)
    joint = as_tensors(mixture, CPU).log_joint(torch.from_numpy(H).float()).double().numpy()
    np.testing.assert_allclose(logsumexp(joint, axis=1), mixture.score_samples(H), atol=1e-3)
    posterior = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
    np.testing.assert_allclose(posterior, mixture.predict_proba(H), atol=1e-3)
    assert 0.02 < posterior.max(axis=1).min() < 0.9


def test_targets_are_squares_by_size_of_module(rng):
    q = rng.dirichlet([2, 1, 0.3], 23)
    found = sharpened(torch.from_numpy(q)).numpy()
    np.testing.assert_allclose(found.sum(axis=1), 1)
    for i in range(23):
        row = [q[i, k] ** 2 / sum(q[j, k] for j in range(23)) for k in range(3)]
        np.testing.assert_allclose(found[i], np.array(row) / sum(row))
    assert torch.isfinite(sharpened(torch.tensor([[1.0, 0.0], [1.0, 0.0]]))).all()  # a module without genes


def test_divergence_is_the_mean_relative_entropy(rng):
    p, q = rng.dirichlet([1, 1, 1], 11), rng.dirichlet([1, 1, 1], 11)
    p[0] = [0, 1, 0]
    expected = np.mean([entropy(a, b) for a, b in zip(p, q, strict=True)])
    assert divergence(torch.tensor(p), torch.tensor(np.log(q))).item() == pytest.approx(expected)
    assert divergence(torch.tensor(q), torch.tensor(np.log(q))).item() == pytest.approx(0, abs=1e-12)


def test_modules_term_is_that_of_both_views(refiner):
    genes = torch.tensor([0, 17, 33, 34, 59])
    torch.manual_seed(3)
    term = refiner.loss(genes)["modules"].item()
    torch.manual_seed(3)
    p, expected = refiner.target.probability[genes].numpy(), []
    for h in refiner.model.views(genes).parts:
        joint = refiner.target.mixture.log_joint(h).detach().double().numpy() / 10
        q = np.exp(joint - logsumexp(joint, axis=1, keepdims=True))
        expected.append(np.mean([entropy(a, b) for a, b in zip(p, q, strict=True)]))
    assert term == pytest.approx(np.mean(expected), rel=1e-3)


def largest_gradients(refiner):
    return {name: 0.0 if p.grad is None else float(p.grad.abs().max()) for name, p in refiner.model.named_parameters()}


def test_divergence_alone_teaches_the_encoder(refiner):
    refiner.loss(torch.arange(60))["modules"].backward()
    largest = largest_gradients(refiner)
    without = {name for name, size in largest.items() if size < 1e-8 and name != "pool.bias"}
    assert {name.split(".")[0] for name in without} == {"decoder", "patch"}  # which only the pictures need
    for name in ("filter", "readout", "gain.0.weight", "gain.2.weight", "head.0.weight", "head.2.weight"):
        assert largest[name] > 1e-6, name
    for name, size in largest.items():
        assert size > 1e-7 or not name.startswith("encoder."), name


def test_gradient_reaches_every_parameter_while_refining(refiner):
    terms = refiner.loss(torch.arange(60))
    assert set(terms) == {"latent", "tokens", "contrast", "modules"}
    total(terms).backward()
    largest = largest_gradients(refiner)
    assert [name for name, size in largest.items() if size < 1e-7] in ([], ["pool.bias"])  # a softmax does not see it
    assert {name for name, _ in refiner.named_parameters()} == {f"model.{name}" for name in largest}


def test_rounds_learn_from_the_surest_genes_first(model, monkeypatch):
    targets = []
    monkeypatch.setattr(module, "_train", lambda refiner, rng, *, progress: targets.append(refiner.target))
    genes = np.arange(3, 45)
    before = {name: p.clone() for name, p in model.named_parameters()}
    found = refine(model, genes, embed, rng=np.random.default_rng(0))
    assert found is not None
    assert [len(t.genes) for t in targets] == [21, round(0.75 * 42), 42]
    for target in targets:
        assert set(target.genes) <= set(genes)
        p = target.probability
        torch.testing.assert_close(p[genes].sum(1), torch.ones(42))
        assert not p[:3].any()
        assert not p[45:].any()
        H = torch.from_numpy(embed(model))
        q = torch.softmax(target.mixture.log_joint(H) / SMALL.softness, 1)
        torch.testing.assert_close(p[genes], sharpened(q[genes]))
        sure = q.amax(1)
        others = np.setdiff1d(genes, target.genes)
        assert not len(others) or sure[target.genes].min() >= sure[others].max()
    assert found.n_modules == 4
    np.testing.assert_array_equal(found.agreement, 1)  # nothing was trained: every round finds the same modules
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_refinement_changes_the_model_and_reports_each_round(model):
    before = embed(model)
    state = torch.random.get_rng_state()
    found = refine(model, np.arange(40), embed, rng=np.random.default_rng(0), progress=False)
    torch.random.set_rng_state(state)
    assert found is not None
    assert found.agreement.shape == found.confidence.shape == (3,)
    assert found.agreement[0] == 1
    assert ((found.confidence > 1 / found.n_modules) & (found.confidence <= 1)).all()
    assert np.abs(embed(model) - before).max() > 1e-4


def test_components_are_at_most_one_for_eight_genes(model, monkeypatch):
    monkeypatch.setattr(module, "_train", lambda *_, **__: None)
    run = lambda n: refine(model, np.arange(n), embed, rng=np.random.default_rng(0))
    assert run(15) is None
    found = [run(16), run(31)]
    assert [f.n_modules for f in found if f is not None] == [2, 3]


def test_minibatches_are_one_pass_of_nearly_equal_parts(rng):
    genes = np.array([3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377])
    parts = [part.tolist() for part in minibatches(genes, 4, rng, CPU)]
    assert sorted(map(len, parts)) == [3, 4, 4]
    joined = [gene for part in parts for gene in part]
    assert sorted(joined) == list(genes)
    assert joined != list(genes)
    assert [len(part) for part in minibatches(genes[:1], 4, rng, CPU)] == [1]
