"""Tangram's route against loops, finite differences and a planted mixture."""

import numpy as np
import pytest
import torch

from spotweave import InputError
from spotweave.core.imputation import mapping as module
from spotweave.core.imputation.mapping import Fit, agreeing, ascent, learn_mixtures, mapping
from spotweave.core.imputation.pair import sizes
from spotweave.core.imputation.principal_vectors import nearest_cells


@pytest.fixture
def problem(rng):
    """11 cells, 7 genes, 4 candidates out of 9; a cell and two genes without counts."""
    x = rng.poisson(2, (11, 7)).astype(np.float64)
    r = rng.random((9, 7))
    x[2], x[:, 4], r[:, 5] = 0, 0, 0
    cells = np.array([rng.choice(9, 4, replace=False) for _ in range(11)])
    return x, r, x.sum(axis=1), cells


def mixed_loop(logits, r, depth, cells):
    out = np.zeros((len(logits), r.shape[1]))
    for i, row in enumerate(logits):
        for value, j in zip(row, cells[i], strict=True):
            out[i] += depth[i] * np.exp(value) / np.exp(row).sum() * r[j]
    return out


def cosine(u, v):
    length = np.linalg.norm(u) * np.linalg.norm(v)
    return u @ v / length if length > 0 else 0.0


def objective_loop(logits, problem, a, b):
    x, r, depth, cells = problem
    mixed = mixed_loop(logits, r, depth, cells)
    genes = np.mean([cosine(x[:, g], mixed[:, g]) for g in range(x.shape[1])])
    return a * genes + b * np.mean([cosine(x[i], mixed[i]) for i in range(len(x))])


def fit_of(problem, a, b, dtype=torch.float64):
    x, r, depth = (torch.as_tensor(A, dtype=dtype) for A in problem[:3])
    return Fit(x, r, depth, torch.as_tensor(problem[3]), a, b)


@pytest.mark.parametrize("entries", [1, 22, 10_000])
@pytest.mark.parametrize(("a", "b"), [(1.0, 1.0), (1.0, 0.0), (0.0, 2.0)])
def test_objective_and_gradient_against_loops(problem, rng, monkeypatch, a, b, entries):
    monkeypatch.setattr(module, "ENTRIES", entries)
    logits = rng.normal(size=(11, 4))
    value, gradient = ascent(torch.as_tensor(logits), fit_of(problem, a, b))
    assert value == pytest.approx(objective_loop(logits, problem, a, b), abs=1e-10)
    expected = np.empty_like(logits)
    for place in np.ndindex(logits.shape):
        step = np.zeros_like(logits)
        step[place] = 1e-5
        high, low = (objective_loop(logits + sign * step, problem, a, b) for sign in (1, -1))
        expected[place] = (high - low) / 2e-5
    np.testing.assert_allclose(gradient, expected, atol=1e-8)
    assert not gradient[2].any()


def test_single_precision_stays_finite(problem, rng):
    value, gradient = ascent(
        torch.as_tensor(rng.normal(size=(11, 4)), dtype=torch.float32), fit_of(problem, 1, 1, torch.float32)
    )
    assert np.isfinite(value)
    assert torch.isfinite(gradient).all()


def test_the_objective_rises_and_seeds_decide(problem):
    x, r, depth, cells = problem
    found, again, other = (learn_mixtures(x, r, depth, cells, np.random.default_rng(s), steps=60) for s in (1, 1, 2))
    assert found.objective.shape == (60,)
    assert found.objective[-1] > found.objective[0] + 0.02
    assert (np.diff(found.objective) > -0.01).all()
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(found.weights, again.weights)
    assert np.abs(found.weights - other.weights).max() > 1e-3


def test_torch_is_left_as_it_was(problem):
    x, r, depth, cells = problem
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    learn_mixtures(x, r, depth, cells, np.random.default_rng(0), steps=2)
    np.testing.assert_array_equal(torch.rand(4), expected)


def test_a_planted_mixture_is_found(rng):
    r = rng.gamma(0.5, 1, (9, 40)).astype(np.float32)
    cells = np.array([rng.choice(9, 4, replace=False) for _ in range(30)])
    weights = rng.dirichlet([0.3] * 4, 30)
    depth = rng.uniform(10, 50, 30)
    x = depth[:, None] * np.einsum("nk,nkp->np", weights, r[cells])
    found = learn_mixtures(x, r, depth, cells, rng, steps=300)
    assert found.objective[-1] > 1.999
    np.testing.assert_allclose(found.weights, weights, atol=0.05)


def test_what_should_agree(kinds, rng):
    pair = kinds.pair
    x, r, depth = agreeing(pair, "counts")
    np.testing.assert_array_equal(x, pair.X.toarray())
    np.testing.assert_allclose(r.sum(axis=1), 1, rtol=1e-5)
    np.testing.assert_array_equal(depth, sizes(pair.X))
    x, r, depth = agreeing(pair, "log")
    middle = np.median(np.delete(sizes(pair.X), 5))
    np.testing.assert_allclose(x[7], np.log1p(pair.X.toarray()[7] / sizes(pair.X)[7] * middle), rtol=1e-5)
    np.testing.assert_allclose(r[7], np.log1p(pair.R.toarray()[7] / sizes(pair.R)[7] * middle), rtol=1e-5)
    assert not x[5].any()
    assert (depth == 1).all()


@pytest.mark.parametrize("scale", ["counts", "log"])
def test_planted_kinds_are_recovered(kinds, rng, scale):
    pair = kinds.pair
    before = [A.copy() for A in (pair.X, pair.R, pair.Y)]
    found = mapping(pair, rng, scale=scale, steps=60)(slice(None))
    assert found.dtype == np.float32
    assert np.isfinite(found).all()
    assert not found[:, -1].any()
    assert kinds.recovered(found) > 0.8
    assert kinds.recovered(mapping(kinds.scrambled(rng), rng, scale=scale, steps=60)(slice(None))) < 0.3
    assert all((a != b).nnz == 0 for a, b in zip(before, (pair.X, pair.R, pair.Y), strict=True))


def test_prediction_against_a_loop(kinds, rng):
    pair = kinds.pair
    cells = nearest_cells(pair, rank=8, n_neighs=5).cells
    weights = learn_mixtures(*agreeing(pair, "counts"), cells, np.random.default_rng(4), steps=9).weights
    found = mapping(pair, np.random.default_rng(4), rank=8, n_neighs=5, steps=9)([2, 5])
    Y, size = pair.Y.toarray()[:, [2, 5]], sizes(pair.R)
    for i in range(len(found)):
        share = sum(w * Y[j] / size[j] for w, j in zip(weights[i], cells[i], strict=True))
        expected = np.log(np.maximum(share / (Y.sum(axis=0) / size.sum()), 0.02))
        np.testing.assert_allclose(found[i], np.clip(expected, -4, 4), atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [{"scale": "rank"}, {"steps": 0}, {"gene_weight": -1.0}, {"cell_weight": -1.0}, {"n_neighs": 0}, {"rank": 0}],
    ids=lambda options: next(iter(options)),
)
def test_bad_options(kinds, rng, options):
    with pytest.raises(InputError, match=f"`{next(iter(options))}`"):
        mapping(kinds.pair, rng, **options)
