"""Poisson factors against a dense loop, scikit-learn's NMF and planted profiles."""

from functools import partial

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.optimize import linear_sum_assignment, minimize
from sklearn.decomposition import NMF

from spotweave import InputError
from spotweave.core import poisson_em
from spotweave.core import poisson_factors as module
from spotweave.core.poisson_factors import choose_rank, poisson_factors, project


@pytest.fixture
def planted(rng):
    """Counts of 301 cells of three profiles over 41 genes, of very different depth; a cell and a gene are empty."""
    H = rng.gamma(0.3, 1.0, (3, 41)) + 1e-3
    H[:, 5] = 0
    H /= H.sum(axis=1, keepdims=True)
    W = rng.dirichlet([0.3] * 3, 301)
    size = rng.choice([50.0, 400.0, 3000.0], 301)
    X = rng.poisson(size[:, None] * (W @ H)).astype(float)
    X[7] = 0
    return sp.csr_matrix(X), size, W, H


def log_likelihood(X, mean):
    X = X.toarray()
    return (X * np.log(np.where(X > 0, mean, 1.0)) - mean).sum() / X.sum()


def slow_step(X, size, W, H):
    """The EM update written out."""
    shared, gain = np.zeros_like(W), np.zeros_like(H)
    for i, g in zip(*X.nonzero(), strict=True):
        z = X[i, g] * W[i] * H[:, g] / (W[i] @ H[:, g])  # molecules of each profile
        shared[i] += z
        gain[:, g] += z
    return shared / size[:, None], gain / gain.sum(axis=1, keepdims=True)


def test_a_step_is_the_one_written_out(planted, monkeypatch):
    X, size, _, _ = planted
    before = poisson_factors(X, size, 4, rng=np.random.default_rng(3), n_steps=2, tolerance=0)
    after = poisson_factors(X, size, 4, rng=np.random.default_rng(3), n_steps=3, tolerance=0)
    W, H = slow_step(X, size, before.weights.astype(float), before.profiles.astype(float))
    np.testing.assert_allclose(after.weights, W, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(after.profiles, H, rtol=1e-4, atol=1e-7)
    monkeypatch.setattr(poisson_em, "CHUNK", 41 * 17)  # chunks of 17 rows, the last one of 12
    chunked = poisson_factors(X, size, 4, rng=np.random.default_rng(3), n_steps=3, tolerance=0)
    np.testing.assert_allclose(chunked.profiles, after.profiles, rtol=1e-5, atol=1e-8)
    np.testing.assert_allclose(chunked.weights, after.weights, rtol=1e-5, atol=1e-7)


def test_likelihood_never_falls_and_is_that_of_the_result(planted):
    X, size, _, _ = planted
    fits = [poisson_factors(X, size, 5, rng=np.random.default_rng(0), n_steps=t, tolerance=0) for t in range(0, 40, 3)]
    values = [fit.log_likelihood for fit in fits]
    assert (np.diff(values) > -1e-6).all()
    assert values[-1] > values[0] + 0.1
    for fit in fits:
        mean = size[:, None] * (fit.weights.astype(float) @ fit.profiles)
        assert fit.log_likelihood == pytest.approx(log_likelihood(X, mean), abs=1e-5)
        np.testing.assert_allclose(fit.profiles.sum(axis=1), 1, rtol=1e-5)
        np.testing.assert_allclose(mean.sum(axis=1), np.asarray(X.sum(axis=1)).ravel(), rtol=1e-4, atol=1e-6)


def test_reports_convergence(planted):
    X, size, _, _ = planted
    fit = poisson_factors(X, size, 3, rng=np.random.default_rng(0), n_steps=500)
    assert fit.converged
    assert 5 < fit.n_steps < 500
    short = poisson_factors(X, size, 3, rng=np.random.default_rng(0), n_steps=2)
    assert (short.converged, short.n_steps) == (False, 2)


def test_reaches_the_objective_of_scikit_learn(planted):
    X, _, _, _ = planted
    V = X.toarray()
    kl = lambda W, H: (V * np.log(np.where(V > 0, V, 1) / np.where(V > 0, W @ H, 1)) - V + W @ H).sum()
    theirs = NMF(3, beta_loss="kullback-leibler", solver="mu", init="nndsvda", max_iter=500, tol=1e-7)
    W = theirs.fit_transform(V)
    ours = poisson_factors(X, np.ones(len(V)), 3, rng=np.random.default_rng(1), n_steps=500, tolerance=1e-7)
    reached = kl(ours.weights.astype(float), ours.profiles.astype(float))
    assert reached == pytest.approx(kl(W, theirs.components_), rel=0.01)


def test_finds_planted_profiles_and_weights(planted):
    X, size, W, H = planted
    fit = poisson_factors(X, size, 3, rng=np.random.default_rng(0), n_steps=300)
    gap = np.abs(fit.profiles[:, None] - H[None]).sum(axis=2)
    found, true = linear_sum_assignment(gap)
    assert gap[found, true].max() < 0.05  # of at most 2
    deep = (size == 3000) & (np.arange(301) != 7)
    assert np.abs(fit.weights[deep][:, found] - W[deep][:, true]).mean() < 0.03
    assert (fit.profiles[:, 5] == 0).all()
    assert (fit.weights[7] == 0).all()


def test_offsets_scale_the_weights_alone(planted):
    X, size, _, _ = planted
    fit = poisson_factors(X, size, 3, rng=np.random.default_rng(0), n_steps=20)
    ones = poisson_factors(X, np.ones(301), 3, rng=np.random.default_rng(0), n_steps=20)
    np.testing.assert_allclose(ones.weights, fit.weights * size[:, None], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(ones.profiles, fit.profiles, rtol=1e-3, atol=1e-6)


def test_same_rng_same_fit_and_the_counts_stay(planted):
    X, size, _, _ = planted
    copy = X.copy()
    a, b, c = (poisson_factors(X, size, 3, rng=np.random.default_rng(s), n_steps=9) for s in (4, 4, 5))
    d = poisson_factors(X.toarray(), size, 3, rng=np.random.default_rng(4), n_steps=9)
    np.testing.assert_array_equal(a.weights, b.weights)
    np.testing.assert_array_equal(a.weights, d.weights)
    assert not np.allclose(a.weights, c.weights)
    assert (copy != X).nnz == 0


def test_a_cell_of_size_0_is_the_mean_cell(planted):
    X, size, _, _ = planted
    size = size.copy()
    size[7] = 0
    fit = poisson_factors(X, size, 3, rng=np.random.default_rng(0), n_steps=30)
    share = np.asarray(X.sum(axis=0)).ravel() / size.sum()
    np.testing.assert_allclose(fit.weights[7] @ fit.profiles, share, rtol=0.02, atol=1e-4)
    np.testing.assert_array_equal(
        project(X, size, fit.profiles)[7], (size @ project(X, size, fit.profiles) / size.sum()).astype(np.float32)
    )


def test_a_prior_pulls_profiles_to_the_mean(planted):
    X, size, _, _ = planted
    share = np.asarray(X.sum(axis=0)).ravel() / X.sum()
    pull = lambda prior, t: poisson_factors(X, size, 3, rng=np.random.default_rng(0), n_steps=t, prior=prior)
    gaps = [np.abs(pull(prior, 60).profiles - share).sum() for prior in (0, 1e3, 1e5, 1e10)]
    assert (np.diff(gaps) < 0).all()
    assert gaps[-1] < 1e-3
    objective = []
    for t in range(0, 30, 3):
        fit = poisson_factors(X, size, 3, rng=np.random.default_rng(0), n_steps=t, prior=1e3, tolerance=-1)
        log_profiles = np.log(fit.profiles[:, share > 0].astype(float))
        objective.append(fit.log_likelihood * X.sum() + 1e3 * (log_profiles @ share[share > 0]).sum())
    assert (np.diff(objective) > -1e-6 * X.sum()).all()
    fit, later = pull(1e4, 900), poisson_factors(X, size, 3, rng=np.random.default_rng(0), prior=1e4, tolerance=-1)
    assert fit.converged  # by the posterior: the likelihood alone falls at first
    np.testing.assert_allclose(fit.profiles, later.profiles, atol=2e-3)


def test_projection_finds_the_likeliest_weights(planted):
    X, size, _, H = planted
    W = project(X, size, H, n_steps=400)
    for i in (0, 100, 300):
        x = X[i].toarray()[0]
        cost = lambda w, x=x, s=size[i]: s * w.sum() - x @ np.log(np.maximum(s * (w @ H), 1e-12))
        best = minimize(cost, np.full(3, 1 / 3), bounds=[(0, None)] * 3)
        assert cost(W[i].astype(float)) <= best.fun + 0.01
    assert (project(X, size, H)[7] == 0).all()


def test_many_rows_get_weights_on_profiles_of_a_part(planted):
    X, size, _, _ = planted
    fit = poisson_factors(X, size, 3, rng=np.random.default_rng(0), n_steps=100, max_rows=120)
    rows = np.sort(np.random.default_rng(0).choice(301, 120, replace=False))
    whole = poisson_factors(X, size, 3, rng=np.random.default_rng(0), n_steps=100)
    assert fit.weights.shape == (301, 3)
    np.testing.assert_array_equal(fit.weights, project(X, size, fit.profiles, n_steps=30))
    reached = log_likelihood(X[rows], size[rows, None] * (fit.weights.astype(float) @ fit.profiles)[rows])
    assert reached == pytest.approx(fit.log_likelihood, abs=0.01)
    assert fit.log_likelihood != whole.log_likelihood


def test_rank_is_chosen_by_held_out_molecules(planted, rng):
    X, size, W, H = planted
    held = sp.csr_matrix(rng.poisson(0.5 * size[:, None] * (W @ H)))
    same = lambda W: W
    exact = partial(choose_rank, n_steps=400, tolerance=1e-7, rng=np.random.default_rng(0))
    choice = exact(X, held, size, 0.5, (20, 1, 2, 3, 10, 30, 41), smooth=same)
    assert choice.rank == 3
    assert choice.ranks == (1, 2, 3, 10, 20)  # two worse ones end it
    assert choice.log_likelihood.argmax() == 2
    fit = poisson_factors(X, size, 1, rng=np.random.default_rng(1), n_steps=3)
    mean = 0.5 * size[:, None] * (fit.weights.astype(float) @ fit.profiles)
    assert choice.log_likelihood[0] == pytest.approx(log_likelihood(held, np.maximum(mean, 1e-8)), abs=1e-5)
    flat = choose_rank(X, held, size, 0.5, (3,), smooth=lambda W: W * 0 + W.mean(axis=0), rng=np.random.default_rng(0))
    assert flat.log_likelihood[0] < choice.log_likelihood[2] - 0.05


def test_rank_is_capped_and_judged_on_some_rows(planted, monkeypatch):
    X, size, _, _ = planted
    monkeypatch.setattr(module, "HELD_ROWS", 60)
    small = X[:, :3]
    fit = lambda seed: choose_rank(small, small, size, 1, smooth=lambda W: W, rng=np.random.default_rng(seed))
    assert fit(0).ranks == (2,)
    assert fit(0).log_likelihood[0] != fit(1).log_likelihood[0]
    assert choose_rank(X[:, :2], X[:, :2], size, 1, smooth=lambda W: W, rng=np.random.default_rng(0)).ranks == (1,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": np.ones(3)}, "one size for each of 301 rows"),
        ({"size": np.full(301, np.nan)}, "finite sizes"),
        ({"size": np.zeros(301)}, "sizes above 0"),
        ({"rank": 42}, "`rank`"),
        ({"rank": 0}, "`rank`"),
        ({"prior": -1.0}, "`prior`"),
        ({"X": sp.csr_matrix((301, 41))}, "at least one count"),
    ],
)
def test_bad_input_is_named(planted, change, message):
    X, size, _, _ = planted
    arguments = {"X": X, "size": size, "rank": 3, "rng": np.random.default_rng(0), **change}
    with pytest.raises(InputError, match=message):
        poisson_factors(**arguments)


def test_other_bad_input_is_named(planted):
    X, size, _, H = planted
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="profiles of 41 genes"):
        project(X, size, H[:, 1:])
    with pytest.raises(InputError, match="held-out counts of shape"):
        choose_rank(X, X[:9], size, 1, (2,), smooth=lambda W: W, rng=rng)
    with pytest.raises(InputError, match="held-out count"):
        choose_rank(X, 0 * X, size, 1, (2,), smooth=lambda W: W, rng=rng)
