import numpy as np
import pytest
import scipy.sparse as sp

from spotweave import InputError, io
from spotweave.core.covariance_test import covariance_test


def hexagons(n_rows: int = 30) -> np.ndarray:
    row, column = np.divmod(np.arange(n_rows**2), n_rows)
    return np.column_stack([column + 0.5 * (row % 2), row * np.sqrt(3) / 2])


def counts(rng, rate: np.ndarray, alpha: float = 0.3) -> sp.csr_matrix:
    return sp.csr_matrix(rng.poisson(rate * rng.gamma(1 / alpha, alpha, rate.shape)).astype(float))


@pytest.fixture(scope="module")
def null() -> np.ndarray:
    """p values of 1,500 genes that follow depth only, while depth is ten times as high on one side."""
    rng, xy = np.random.default_rng(1), hexagons()
    depth = np.exp(2.3 * xy[:, 0] / xy[:, 0].max()) * rng.lognormal(0, 0.3, len(xy))
    share = np.geomspace(0.02, 10, 1500)
    return covariance_test(counts(rng, np.outer(depth / depth.mean(), share)), xy).pvalue


def test_null_level_is_kept_where_depth_varies_in_space(null):
    assert 0.03 < (null < 0.05).mean() < 0.065  # 4 standard errors are 0.022
    assert (null < 0.001).mean() < 0.005
    for third in np.array_split(null, 3):
        assert (third < 0.05).mean() < 0.08


@pytest.mark.parametrize("wave", [1, 3, 6])
def test_patterns_of_any_width_are_found_at_their_scale(rng, wave):
    xy = hexagons()
    fold = np.exp(0.5 * np.cos(np.pi * wave * xy[:, 0] / xy[:, 0].max() + rng.uniform(0, 6, (40, 1)))).T
    X = counts(rng, np.column_stack([fold, np.ones((len(xy), 160))]) * rng.lognormal(0, 0.4, (len(xy), 1)))
    found = covariance_test(X, xy)
    assert (found.qvalue[:40] < 0.05).mean() > 0.8
    assert (found.qvalue[40:] < 0.05).mean() < 0.08
    assert np.median(found.scale[:40]) < 12 / wave + 1.5
    truth = (fold / fold.mean(axis=0)).std(axis=0)
    assert abs(np.median(found.effect[:40] - truth)) < 0.04


def test_a_checkerboard_of_triplets_needs_the_local_scale(rng):
    xy = hexagons()
    on = (np.arange(900) // 3 % 2).astype(float)
    X = counts(rng, np.column_stack([np.exp(1.6 * on)] * 5 + [np.ones(900)] * 60))
    found = covariance_test(X, xy, n_functions=20)
    assert (found.pvalue[:5] < 0.01).all()
    assert (found.scale[:5] == found.scales[-1]).all()


def test_result_does_not_depend_on_threads_units_or_format(rng):
    xy, X = rng.random((150, 2)), sp.csr_matrix(rng.poisson(1.0, (150, 300)).astype(float))
    one, two = covariance_test(X, xy, n_jobs=1), covariance_test(X.tocsc(), xy, n_jobs=3)
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    moved = covariance_test(X, xy * 2.0**10)
    np.testing.assert_allclose(moved.pvalue, one.pvalue, rtol=1e-6)
    np.testing.assert_allclose(moved.scale, one.scale * 2**10)


def test_libraries_are_tested_within(rng):
    xy, library = rng.random((300, 2)), np.repeat([0, 1, 2], 100)
    rate = np.ones((300, 120))
    rate[library == 1, :20] = 4  # differs between libraries only
    rate[:, 20:40] = np.exp(1.5 * xy[:, [0]])
    found = covariance_test(counts(rng, rate, 0.1), xy, library=library)
    assert (found.pvalue[:20] < 0.01).mean() < 0.15
    assert (found.pvalue[20:40] < 0.01).all()
    alone = covariance_test(counts(rng, rate, 0.1), xy)
    assert alone.pvalue.shape == (120,)


def test_sum_over_libraries_is_invariant_to_where_slides_lie(rng):
    xy, library, X = rng.random((120, 2)), np.arange(120) % 2, sp.csr_matrix(rng.poisson(1.0, (120, 30)))
    here = covariance_test(X, xy, library=library)
    away = covariance_test(X, xy + 1024.0 * library[:, None], library=library)
    np.testing.assert_allclose(here.pvalue, away.pvalue, rtol=1e-5)


def test_odd_genes_points_and_one_outlier(rng):
    X = rng.poisson(1.0, (200, 30)).astype(float)
    X[:, :3] = 0
    X[5, 1] = 7  # on one point
    X[[3, 9], 2] = 1  # on two
    X[7] = 0  # an empty point
    xy = rng.random((200, 2))
    X[:, 3] = rng.poisson(np.exp(1.5 * xy[:, 0]))
    X[np.argmin(xy[:, 0]), 3:5] = 5000  # one odd cell, at the low end of the pattern
    found = covariance_test(sp.csr_matrix(X), xy)
    np.testing.assert_array_equal(found.pvalue[:3], 1)
    np.testing.assert_array_equal(found.qvalue[:3], 1)
    assert np.isnan(found.scale[:3]).all()
    assert not found.effect[:3].any()
    assert np.isfinite(found.statistic).all()
    assert found.pvalue[3] < 1e-4
    assert found.pvalue[4] > 1e-3


@pytest.mark.parametrize("d", ["line", "solid", "twins"])
def test_other_shapes(rng, d):
    xy = {
        "line": np.column_stack([np.arange(100.0), np.zeros(100)]),
        "solid": rng.random((100, 3)),
        "twins": np.repeat(rng.random((50, 2)), 2, axis=0),
    }[d]
    found = covariance_test(sp.csr_matrix(rng.poisson(2.0, (100, 200))), xy)
    assert (found.pvalue < 0.05).mean() < 0.12
    assert ((found.pvalue > 0) & (found.pvalue <= 1)).all()


@pytest.mark.parametrize(
    ("X", "xy", "message"),
    [
        (np.ones((9, 2)), np.random.default_rng(0).random((9, 2)), "at least 10 points"),
        (np.ones((12, 2)), np.random.default_rng(0).random((11, 2)), "at least 10 points"),
        (np.zeros((12, 2)), np.random.default_rng(0).random((12, 2)), "one molecule"),
        (np.ones((12, 2)), np.ones((12, 2)), "two places"),
    ],
)
def test_what_cannot_be_tested_is_refused(X, xy, message):
    with pytest.raises(InputError, match=message):
        covariance_test(sp.csr_matrix(X), xy)


@pytest.mark.data
@pytest.mark.parametrize("name", ["st_mob_rep11/st_mob_rep11", "starmap_visual_cortex_1207/starmap_visual_cortex_1207"])
def test_permuted_tissue_keeps_the_level(data_dir, rng, name):
    path = data_dir / f"{name}.h5ad"
    if not path.exists():
        pytest.skip(f"{path} not found")
    adata = io.read(path)
    X = sp.csr_matrix(adata.X, dtype=np.float64)[:, ::3]
    pvalue = covariance_test(X[rng.permutation(X.shape[0])], adata.obsm["spatial"]).pvalue
    total = np.asarray(X.sum(axis=0)).ravel()
    assert 0.025 < (pvalue[total >= 10] < 0.05).mean() < 0.07
    assert (pvalue < 0.001).mean() < 0.005
    found = covariance_test(X, adata.obsm["spatial"])
    assert (found.qvalue < 0.05).mean() > 0.03
