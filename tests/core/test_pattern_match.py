import numpy as np
import pytest
import scipy.sparse as sp
from scipy.stats import norm

from spotweave import InputError, datasets
from spotweave.core.pattern_match import pattern_match
from spotweave.core.pattern_section import make_sections
from spotweave.core.score_residuals import LEVELS, clip_outliers, dispersion_levels


def depth_of(X: sp.spmatrix) -> np.ndarray:
    return np.asarray(X.sum(axis=1), dtype=float).ravel()


@pytest.fixture(scope="module")
def tissue():
    return datasets.simulate_patterns(1_200, n_genes=1_500, n_modules=10, rng=3)


@pytest.fixture(scope="module")
def found(tissue):
    """Matches of every module's pattern."""
    P, X = tissue.obsm["pattern_true"].to_numpy(), tissue.X
    return [pattern_match(X, tissue.obsm["spatial"], p, depth_of(X)) for p in P.T]


def truth(tissue) -> tuple[np.ndarray, np.ndarray]:
    return tissue.var["module"].cat.codes.to_numpy(), ~tissue.var["spatially_variable"].to_numpy()


def test_flat_genes_keep_the_level_of_both_tests(tissue, found):
    _, flat = truth(tissue)
    for name in ("pvalue", "pvalue_pattern"):
        p = np.concatenate([getattr(f, name)[flat] for f in found])  # 4,500
        assert 0.04 < (p < 0.05).mean() < 0.06
        assert (p < 0.001).mean() < 0.004


def test_unrelated_patterns_pass_for_matches_of_a_flat_null_only(tissue, found):
    module, flat = truth(tissue)
    p, p_pattern = (
        np.concatenate([getattr(f, name)[(module != k) & ~flat] for k, f in enumerate(found)])
        for name in ("pvalue", "pvalue_pattern")
    )
    assert (p < 0.05).mean() > 0.12
    assert (p_pattern < 0.05).mean() < 0.5 * (p < 0.05).mean()  # 10 patterns only: they match or not as a whole


@pytest.mark.parametrize("width", [0.15, 0.4])
def test_level_holds_over_many_unrelated_fields(rng, width):
    """Gaussian fields of one covariance, strong enough for a flat null to call many of them."""
    xy, n_waves = rng.random((900, 2)), 200
    wave, phase = rng.normal(size=(n_waves, 2)) / width, rng.uniform(0, 2 * np.pi, n_waves)
    fields = np.cos(xy @ wave.T + phase) @ rng.normal(size=(n_waves, 510)) * np.sqrt(2 / n_waves)
    rate = 3 * np.exp(0.4 * fields[:, 10:])
    X = sp.csr_matrix(rng.poisson(rate / rate.mean(axis=1, keepdims=True)))
    found = [pattern_match(X, xy, target, depth_of(X)) for target in fields[:, :10].T]
    p, p_pattern = (np.array([getattr(f, name) for f in found]) for name in ("pvalue", "pvalue_pattern"))
    assert (p < 0.05).mean() > 0.2
    assert 0.035 < (p_pattern < 0.05).mean() < 0.07  # without `field_covariance` 0.075
    assert (p_pattern < 0.005).mean() < 0.012


def test_planted_modules_come_first(tissue, found):
    module, _ = truth(tissue)
    strong = tissue.var["share_true"].to_numpy() > 3e-4
    hits, seen, share = [], [], []
    for k, f in enumerate(found):
        own = module == k
        best = np.argsort(-f.match)[:40]
        hits.append(own[best].mean())
        seen.append((f.qvalue_pattern[own & strong] < 0.05).mean())
        share.append((np.median(f.specificity[own & strong]), np.median(f.specificity[~own & strong])))
    assert np.mean(hits) > 0.8
    assert np.mean(seen) > 0.45
    assert np.mean(share, axis=0)[0] > 0.65
    assert np.mean(share, axis=0)[1] < 0.2


@pytest.mark.parametrize("n_in", [4, 60])
def test_sparse_genes_in_small_regions_keep_the_level(rng, n_in):
    xy, depth = rng.random((800, 2)), rng.lognormal(0, 0.5, 800)
    X = sp.csr_matrix(rng.poisson(np.outer(depth, np.geomspace(0.02, 1, 4_000))))
    region = np.zeros(800)
    region[np.argsort(((xy - 0.3) ** 2).sum(axis=1))[:n_in]] = 1
    for alternative in ("greater", "less", "two-sided"):
        p = pattern_match(X, xy, region, depth, alternative=alternative).pvalue
        assert (p < 0.05).mean() < 0.065
        assert (p < 0.001).mean() < 0.004


def test_equals_a_loop_over_genes(rng):
    xy, depth = rng.random((67, 2)), rng.lognormal(0, 0.4, 67)
    depth[5] = 0
    target, library = xy[:, 0] + rng.normal(0, 0.1, 67), np.repeat([1, 0], [40, 27])
    X = rng.negative_binomial(2, 1 / (1 + np.outer(depth, [1.0, 4.0, 0.4, 9.0]) * np.exp(xy[:, [0]])))
    X[:, 3] = rng.poisson(9 * depth)
    found = pattern_match(sp.csr_matrix(X), xy, target, depth, library=library, alternative="two-sided")
    s = depth / depth.mean()
    Y = clip_outliers(sp.csr_matrix(X.T.astype(float)), s)
    levels = dispersion_levels(Y, s)
    assert len(set(levels)) > 1
    for gene, level in enumerate(levels):
        a, U, V, third, c_b, b_b, noise_b, signal, spread = LEVELS[level], *np.zeros(8)
        for section in make_sections(xy, s, library, level):
            rows, B = section.rows, section.functions
            x, d, r = Y[gene, rows].toarray()[0], s[rows], target[rows]
            mu = d.copy()
            weight = np.divide(1, 1 + a * d)  # of a log rate: mu / (1 + a mu)
            share = (x * weight).sum() / (d * weight).sum()
            sd = np.sqrt(mu * (1 + a * mu))
            e = np.divide(x - share * mu, sd, out=np.zeros(len(d)), where=d > 0)
            q = np.divide(mu, sd, out=np.zeros(len(d)), where=d > 0)
            np.testing.assert_allclose(q @ e, 0, atol=1e-9)
            t = q * (r - np.average(r, weights=q**2))
            c, b, m, n = B.T @ e, B.T @ t, B.shape[1], len(d)
            variance, noise = (e @ e) / (n - 1), (e @ e - c @ c) / (n - 1 - m)
            mu3 = np.divide(mu * (1 + a * mu) * (1 + 2 * a * mu), sd**3, out=np.zeros(n), where=d > 0)
            U, V = U + t @ e, V + variance * (t @ t)
            third += (e**3).sum() * np.sqrt(n) / (n - 1) ** 1.5 * (t**3 @ mu3) / mu3.mean()
            c_b, b_b, noise_b = c_b + c @ b, b_b + b @ b, noise_b + noise * (b @ b)
            signal, spread = signal + c @ c - m * noise, spread + 2 * m * noise**2
        skew = third / V**1.5
        root = 2 / abs(skew)
        z = np.sign(skew) * U / np.sqrt(V)
        z = np.sign(skew) * 3 * root * (np.cbrt(1 + z / root) - 1 + 1 / (9 * root**2))
        np.testing.assert_allclose(found.score[gene], z, rtol=1e-6)
        np.testing.assert_allclose(found.pvalue[gene], 2 * norm.sf(abs(z)), rtol=1e-6)
        share = np.clip((c_b**2 - noise_b) / b_b / max(signal, 2 * np.sqrt(spread)), 0, 1)
        np.testing.assert_allclose(found.specificity[gene], share, rtol=1e-6, atol=1e-9)


def test_match_against_random_turns_is_that_of_drawn_ones(rng):
    """For genes that are flat; those with a pattern get no smaller p, since fields vary more than turned ones."""
    xy = rng.random((300, 2))
    fold = np.ones((300, 30))
    fold[:, :5] = np.exp(0.8 * np.cos(3 * xy[:, [0]] + 2 * rng.normal(size=5)) * np.cos(4 * xy[:, [1]]))
    X, depth = sp.csr_matrix(rng.poisson(3 * fold)), np.ones(300)
    target = np.cos(3 * xy[:, 0]) * np.cos(4 * xy[:, 1])
    found = pattern_match(X, xy, target, depth)
    levels = dispersion_levels(sp.csr_matrix(X.T.astype(float)), depth)
    shrunk = []
    for gene in range(15):
        section = make_sections(xy, depth, None, levels[gene])[0]
        B, q = section.functions, section.weights.q
        c = B.T @ (section.weights.w * X[:, [gene]].toarray()[:, 0])
        b = B.T @ (q * (target - target.mean()))
        drawn = np.zeros(20_000)
        for k in np.unique(section.band):
            turned = rng.normal(size=(20_000, (section.band == k).sum()))
            turned *= np.linalg.norm(b[section.band == k]) / np.linalg.norm(turned, axis=1, keepdims=True)
            drawn += turned @ c[section.band == k]
        expected, p = (drawn >= c @ b).mean(), found.pvalue_pattern[gene]
        if gene < 5:
            shrunk.append(norm.isf(p) / norm.isf(expected))
        else:
            assert abs(p - expected) < 0.015 + 0.1 * min(expected, 1 - expected)
    assert (np.array(shrunk) > 0.6).all()
    assert (np.array(shrunk) < 0.97).all()


def test_directions_mirror(rng):
    xy, X = rng.random((100, 2)), sp.csr_matrix(rng.poisson(2.0, (100, 40)))
    up = pattern_match(X, xy, xy[:, 0], depth_of(X))
    down = pattern_match(X, xy, -5 * xy[:, 0] + 3, depth_of(X), alternative="less")
    np.testing.assert_allclose(down.score, -up.score, atol=1e-9)
    np.testing.assert_allclose(down.pvalue, up.pvalue)
    np.testing.assert_allclose(down.pvalue_pattern, up.pvalue_pattern)
    np.testing.assert_allclose(down.match, up.match, atol=1e-9)
    both = pattern_match(X, xy, xy[:, 0], depth_of(X), alternative="two-sided")
    np.testing.assert_allclose(both.pvalue, 2 * np.minimum(up.pvalue, 1 - up.pvalue))


def test_genes_on_too_few_points_and_patterns_too_fine(rng):
    xy, X = rng.random((200, 2)), rng.poisson(2.0, (200, 6)).astype(float)
    X[:, 0] = 0
    X[:, 1] = np.arange(200) < 2
    found = pattern_match(sp.csr_matrix(X), xy, np.arange(200) % 2, depth_of(sp.csr_matrix(X)))
    np.testing.assert_array_equal(found.pvalue[:2], 1)
    np.testing.assert_array_equal(found.qvalue_pattern[:2], 1)
    np.testing.assert_array_equal(found.score[:2], 0)
    assert np.isfinite(np.column_stack(found[:-1])).all()
    assert 0.05 < found.smooth < 0.5  # 50 functions of 200 points


def test_differences_between_libraries_are_refused(rng):
    xy, X, library = rng.random((90, 2)), sp.csr_matrix(rng.poisson(2.0, (90, 5))), np.arange(90) % 3
    with pytest.raises(InputError, match="varies among the cells of a library"):
        pattern_match(X, xy, 2.5 * library, np.ones(90), library=library)
    with pytest.raises(InputError, match="at least 20 points"):
        pattern_match(X[:15], xy[:15], xy[:15, 0], np.ones(15))
    with pytest.raises(InputError, match="alternative"):
        pattern_match(X, xy, xy[:, 0], np.ones(90), alternative="up")
