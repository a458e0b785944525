"""The whole regression on planted spots: what is recovered, and what must not matter."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from spotweave.core.deconvolution import shared
from spotweave.core.deconvolution.nb import nb, to_shares
from spotweave.core.deconvolution.nb_params import NbParams
from spotweave.core.deconvolution.reference import summarise
from spotweave.core.deconvolution.rivals import nnls
from spotweave.core.deconvolution.signatures import signatures
from spotweave.core.graph import knn

QUICK: dict[str, Any] = {"n_directions": 5, "size_exponent": 0.0}


def fit(planted, X=None, *, seed=0, graph=None, smoothness=0.0, unknown=False, **params):
    X = planted.X if X is None else X
    given: dict[str, Any] = {"graph": graph, "smoothness": smoothness, "unknown": unknown}
    settings, n_types = NbParams(**{**QUICK, **params}), planted.labels.max() + 1
    return nb(X, planted.R, planted.labels, n_types, params=settings, rng=np.random.default_rng(seed), **given)


@pytest.fixture(scope="module")
def found(planted):
    return fit(planted)


def test_composition_and_platform_are_recovered(planted, found):
    plain = to_shares(nnls(planted.X, planted.R, planted.labels, 4))
    assert planted.rmse(found.shares) < 0.04 < 0.5 * planted.rmse(plain)
    assert planted.rmse(fit(planted, platform=False).shares) > 1.6 * planted.rmse(found.shares)
    often = planted.X.mean(axis=0).A1 > 2
    assert often.sum() > 60
    apart = (found.log_platform - planted.log_platform)[often]
    assert np.std(apart) < 0.15
    assert found.platform_sd == pytest.approx(0.5, abs=0.15)
    assert found.converged
    assert not fit(planted, platform=False, n_draws=0).log_platform.any()


def test_shapes_and_sums(planted, found):
    assert found.weights.shape == found.shares.shape == found.sd.shape == (177, 4)
    np.testing.assert_allclose(found.shares.sum(axis=1), 1)
    assert (found.weights >= 0).all()
    assert (found.shares == 0).mean() > 0.05, "bounds make zeros"
    assert found.information.shape == (4, 4)
    total = found.weights.sum(axis=1) / (1 - found.background)
    size = planted.X.sum(axis=1).A1
    assert np.median(np.abs(total / size - 1)) < 0.15
    assert fit(planted, n_draws=0).sd is None
    assert not fit(planted, n_draws=0, background=False).background.any()


def test_standard_deviations_are_of_the_size_of_the_errors(planted, found):
    error = np.abs(found.shares - planted.shares)
    z = error / np.maximum(found.sd, 0.005)
    assert 0.5 < np.sqrt((z**2).mean()) < 2
    assert (error < 2 * found.sd + 0.01).mean() > 0.8
    deep = found.sd[planted.X.sum(axis=1).A1 > 2_000].mean()
    assert deep < found.sd[planted.X.sum(axis=1).A1 < 1_200].mean()


def test_a_missing_type_is_found(another):
    kept = another.labels < 3
    less = another._replace(R=another.R[kept], labels=another.labels[kept])
    with_it, without = fit(less, unknown=True, n_draws=0), fit(less, n_draws=0)
    assert with_it.shares.shape == with_it.weights.shape == (240, 4)
    assert with_it.information.shape == (3, 3)
    np.testing.assert_allclose(with_it.shares.sum(axis=1), 1)
    assert np.corrcoef(with_it.shares[:, 3], another.shares[:, 3])[0, 1] > 0.98
    forced = np.column_stack([without.shares, np.zeros(240)])
    assert another.rmse(with_it.shares) < 0.058 < 0.3 * another.rmse(forced)


def test_diffuse_counts_are_background(planted, rng):
    X = planted.X.toarray() + rng.poisson(planted.X.sum(axis=1).A1.mean() * 0.4 / 130, (177, 130))
    more = fit(planted, sp.csr_matrix(X), n_draws=0)
    assert more.background.mean() == pytest.approx(0.4 / 1.4, abs=0.08)
    assert planted.rmse(more.shares) < 0.05


def test_size_of_cells_divides_weights(planted):
    R = planted.R.multiply(np.where(planted.labels == 2, 3, 1)[:, None]).tocsr()
    other = planted._replace(R=R)
    size = summarise(R, planted.labels, 4).size
    found = fit(other, size_exponent=0.5)
    expected = found.weights / np.sqrt(size)
    np.testing.assert_allclose(found.shares, expected / expected.sum(axis=1, keepdims=True), rtol=1e-6)
    assert found.sd[:, 2].mean() < fit(other).sd[:, 2].mean()


def test_spots_with_no_or_one_count(planted, found):
    X = planted.X.tolil()
    X[3], X[8] = 0, 0
    X[8, 11] = 1
    odd = fit(planted, X.tocsr())
    for values in (odd.shares, odd.sd, odd.weights, odd.information, odd.background):
        assert np.isfinite(values).all()
    rest = np.delete(np.arange(177), [3, 8])
    assert not odd.weights[3].any()
    assert odd.background[3] == 0
    np.testing.assert_allclose(odd.shares[3], np.delete(odd.shares, 3, axis=0).mean(axis=0))
    np.testing.assert_allclose(odd.shares[rest], found.shares[rest], atol=0.01)
    assert odd.sd[8].max() > 5 * np.median(odd.sd)
    smooth = fit(planted, X.tocsr(), graph=knn(np.arange(177.0)[:, None] * [1, 0], n_neighs=2).connectivities,
                 smoothness=0.5, n_draws=0)  # fmt: skip
    assert np.isfinite(smooth.shares).all()
    shares = smooth.weights / np.maximum(planted.X.sum(axis=1).A1[:, None], 1)
    assert np.corrcoef(smooth.shares[3], shares[2] + shares[4])[0, 1] > 0.9


def test_blocks_do_not_matter(planted, found, monkeypatch):
    """Blocks of 16, the last of a single spot. Each ends when all of its spots have moved by less than half a percent."""
    monkeypatch.setattr(shared, "BLOCK_ENTRIES", 1)
    blocks = [*shared.blocks(177, 130)]
    assert (len(blocks), blocks[0], blocks[-1]) == (12, slice(0, 16), slice(176, 177))
    parts = fit(planted)
    np.testing.assert_allclose(parts.shares, found.shares, atol=4e-3)
    np.testing.assert_allclose(parts.sd, found.sd, atol=3e-3)
    np.testing.assert_allclose(parts.information, found.information, rtol=1e-2)
    assert parts.converged


def test_seeds_decide_and_input_stays(planted, found):
    before = planted.X.copy(), planted.R.copy()
    again, other = fit(planted), fit(planted, seed=1)
    for first, second in zip(found, again, strict=True):
        np.testing.assert_array_equal(first, second)
    assert (other.sd != found.sd).any()
    np.testing.assert_allclose(other.shares, found.shares, atol=0.01)
    assert (before[0] != planted.X).nnz == (before[1] != planted.R).nnz == 0


def test_order_of_spots_and_of_genes_is_of_no_account(planted, found, rng):
    spots, genes = rng.permutation(177), rng.permutation(130)
    np.testing.assert_allclose(fit(planted, planted.X[spots]).shares, found.shares[spots], atol=2e-3)
    turned = planted._replace(X=planted.X[:, genes], R=planted.R[:, genes])
    other = fit(turned)
    np.testing.assert_allclose(other.shares, found.shares, atol=5e-3)
    np.testing.assert_allclose(other.log_platform, found.log_platform[genes], atol=0.02)


def test_depth_of_a_spot_does_not_change_its_shares(planted):
    """Noise-free counts, once and twice; a spot of one type is of this type."""
    mean = planted.shares @ planted.profiles
    mean[:4] = planted.profiles
    once = np.rint(mean * 40_000)
    X = sp.csr_matrix(np.vstack([once[:60], 2 * once[:60]]), dtype=np.float32)
    found = fit(planted, X, n_draws=0)
    np.testing.assert_allclose(found.shares[:60], found.shares[60:], atol=0.01)
    np.testing.assert_allclose(found.weights[60:], 2 * found.weights[:60], atol=0.02 * 80_000)
    np.testing.assert_allclose(found.shares[:4], np.eye(4), atol=0.06)


def test_smoothness_draws_neighbours_together(planted, rng):
    """Shallow spots of two halves."""
    half = np.arange(177) < 90
    shares = np.where(half[:, None], [0.6, 0.4, 0, 0], [0, 0.1, 0.5, 0.4])
    X = sp.csr_matrix(rng.poisson(shares @ planted.profiles * 60), dtype=np.float32)
    xy = np.column_stack([np.arange(177) // 9, np.arange(177) % 9]).astype(float)
    graph = knn(xy, n_neighs=4).connectivities
    here = planted._replace(shares=shares)
    rough, smooth = (fit(here, X, graph=graph, smoothness=s, n_draws=0) for s in (0.0, 1.0))
    assert here.rmse(smooth.shares) < 0.75 * here.rmse(rough.shares)
    np.testing.assert_array_equal(fit(here, X, n_draws=0).shares, rough.shares)


def test_genes_that_are_used(planted, found):
    np.testing.assert_array_equal(found.used, np.arange(130))
    few = fit(planted, n_genes=70, n_draws=0)
    assert len(few.used) == 70
    assert not np.delete(few.log_platform, few.used).any()
    assert planted.rmse(few.shares) < 0.07
    np.testing.assert_array_equal(fit(planted, n_genes=None).shares, found.shares)


def test_learned_from_some_spots(planted, found, monkeypatch):
    monkeypatch.setattr(shared, "LEARNING_SPOTS", 90)
    some = fit(planted, n_draws=0)
    assert (some.shares != found.shares).any()
    assert planted.rmse(some.shares) < 0.06


def test_one_type_and_types_alike(planted):
    one = nb(planted.X, planted.R, np.zeros(241, int), 1, rng=np.random.default_rng(0))
    np.testing.assert_allclose(one.shares, 1)
    assert one.sd is not None
    np.testing.assert_allclose(one.sd, 0, atol=1e-6)
    twins = planted._replace(R=sp.vstack([planted.R] * 2).tocsr(), labels=np.append(planted.labels, planted.labels + 4))
    found = fit(twins)
    assert np.isfinite(found.sd).all()
    assert planted.rmse(found.shares[:, :4] + found.shares[:, 4:]) < 0.05


def test_information_is_that_of_the_mean_spot(planted):
    """About shares of counts, of the plain model: no platform, background or directions."""
    found = fit(planted, platform=False, background=False, n_directions=0, n_draws=0)
    reference = summarise(planted.R, planted.labels, 4)
    S, size, H = signatures(reference), planted.X.sum(axis=1).A1, np.zeros((4, 4))
    for w, n in zip(found.weights, size, strict=True):
        mu = w @ S
        H += n**2 * (S / (mu + reference.dispersion * mu**2)) @ S.T / 177
    np.testing.assert_allclose(found.information, H, rtol=0.02)


def test_too_few_steps_are_not_converged(planted):
    assert not fit(planted, n_final=1, n_draws=0).converged


def test_to_shares():
    A = np.array([[1.0, 3], [0, 0], [2, 2]])
    np.testing.assert_allclose(to_shares(A), [[0.25, 0.75], [0.375, 0.625], [0.5, 0.5]])
    np.testing.assert_allclose(to_shares(np.zeros((3, 4))), 0.25)
    assert A[0, 1] == 3


@pytest.mark.parametrize(
    "setting",
    [{"n_final": 0}, {"n_steps": 0}, {"n_rounds": 1}, {"n_genes": 1}, {"n_draws": 1}, {"n_draws": -1},
     {"n_directions": 2.5}, {"size_exponent": 1.5}, {"size_exponent": float("nan")}],
    ids=str,
)  # fmt: skip
def test_settings_that_do_not_fit(setting):
    with pytest.raises(ValueError, match=next(iter(setting))):
        NbParams(**setting)
